import type { ChunkSet } from "../address/chunk-set.ts";
import type { Data, Format, Message } from "../codec/messages.ts";
import type { Verifier } from "../integrity/verifier.ts";
import type { ByteRanges } from "./byte-ranges.ts";
import type { Connection } from "./connection.ts";
import type { Compat, SwarmMetadata } from "./metadata.ts";
import type { CloseReason, Output } from "./outputs.ts";
import type { PeerAddress } from "./peer-address.ts";
import type { ChannelSettings, Millis } from "./settings.ts";
import type { Uplink } from "./uplink.ts";

/** The way to a peer. */
export interface ChannelLink {
  readonly id: string;
  /** Largest datagram, bytes. */
  readonly maxDatagram: number;
  /** Whether it repeats by itself what it lost. */
  readonly reliable: boolean;
  /** Where the peer is; absent where a link has no address, as over WebRTC. */
  readonly address?: PeerAddress;
}

/** What a channel needs of its swarm, and tells it. */
export interface ChannelHost {
  readonly key: string;
  readonly metadata: SwarmMetadata;
  readonly format: Format;
  /** Translates chunk numbers; undefined except with 64-bit byte ranges. */
  readonly bytes: ByteRanges | undefined;
  /** Whose habits our HANDSHAKE follows; undefined: the RFC's. */
  readonly compat: Compat | undefined;
  readonly settings: ChannelSettings;
  readonly verifier: Verifier;
  readonly have: ChunkSet;
  /** Our line, which the swarm's channels share. */
  readonly uplink: Uplink<Connection>;
  /** Whether addresses of peers are exchanged (RFC 7574 §3.10), over links that have one. */
  readonly exchanging: boolean;
  readonly out: Output[];
  /** System time, microseconds since 1970. */
  micros(now: Millis): bigint;
  /** A requested chunk came in. */
  arrived(from: Connection, message: Data, now: Millis): void;
  /** More hashes came in: chunks that lacked them can be tried again; those of one peer if only that one's came. */
  retry(now: Millis, only?: Connection): void;
  /** These chunks, perhaps none, are not asked for at this peer any more, nor left to it: others may be asked. */
  released(chunks: readonly number[]): void;
  /** A message that is the swarm's affair: PEX. */
  take(from: Connection, message: Message, now: Millis): void;
  /** A chunk shall be sent to this peer. */
  read(to: Connection, chunk: number): void;
  /** The channel is open in both directions: it takes the place of others with the same peer. */
  opened(connection: Connection, now: Millis): void;
  closed(connection: Connection, reason: CloseReason): void;
}
