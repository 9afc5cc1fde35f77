import type { ChunkOffsets } from "../connection/byte-ranges.ts";
import type { Compat, SwarmMetadata } from "../connection/metadata.ts";
import type { ChannelSettings } from "../connection/settings.ts";
import type { HashFunction } from "../integrity/hashes.ts";
import type { MerkleTree } from "../integrity/tree.ts";
import type { Choker } from "./choker.ts";
import type { ExchangeHost, PeerExchange } from "./pex.ts";
import type { Picker } from "./picker.ts";

/** What a swarm is made of. */
export interface SwarmOptions {
  readonly metadata: SwarmMetadata;
  /** Exact bytes of a chunk, where the presentation says so; otherwise every chunk but the last is full. */
  readonly chunkLength?: (chunk: number) => number;
  /** Where chunks are in the content: needed where their sizes vary and peers name them by 64-bit byte ranges. */
  readonly offsets?: ChunkOffsets;
  /** Another implementation that the swarm's peers may be. @defaultValue none: all that RFC 7574 asks for */
  readonly compat?: Compat;
  readonly settings?: Partial<ChannelSettings>;
  /**
   * Shortest time between two announcements of new chunks, ms, so that one HAVE covers several; the first after a pause, which tells others
   * that more is coming, and eight are announced at once.
   * @defaultValue 200, little beside what a player buffers, and a quarter of the datagrams that 20 would take
   */
  readonly announceMs?: number;
  /** Which chunks are asked of whom. @defaultValue deadlineThenRarest */
  readonly picker?: Picker;
  /** Whose REQUESTs are answered. @defaultValue openSlots(), which chokes nobody in a small swarm */
  readonly choker?: Choker;
  /** Exchanges addresses over links that have one (RFC 7574 §3.10). @defaultValue none: a page's links have none, and injectors must not (§13.2.3) */
  readonly pex?: ((host: ExchangeHost) => PeerExchange) | undefined;
  /** The metadata's hash function, where the host has a faster one. */
  readonly hash?: HashFunction;
  /** Makes the tree that proven hashes go to, where the host shares memory between swarms with the same content. */
  readonly tree?: (chunkCount: number) => MerkleTree;
}
