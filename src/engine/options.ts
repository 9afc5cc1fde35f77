import type { Presentation } from "../core/content/presentation.ts";
import type { SwarmOptions } from "../core/swarm/swarm.ts";
import type { ChunkStore, Clock, Digest, EvictionPolicy, Random32, Rendezvous } from "./ports.ts";
import type { EngineStats } from "./stats.ts";

/** What an engine works with; `openEngine` fills in what a page needs. */
export interface EngineOptions {
  readonly presentation: Presentation;
  /** Absolute URL of ppsp.json. */
  readonly baseUrl: string;
  readonly store: ChunkStore;
  readonly eviction: EvictionPolicy;
  /** Most bytes in the store. */
  readonly memoryLimit: number;
  /** Refuse bytes from the origin that do not match the presentation, instead of playing them without keeping them. */
  readonly strict: boolean;
  /** Answer neighbours' requests; otherwise they are choked. */
  readonly upload: boolean;
  /** Which chunks to ask of whom. @defaultValue deadlineThenRarest */
  readonly picker?: SwarmOptions["picker"];
  /** Which neighbours to serve when many ask. @defaultValue openSlots(64), which chokes nobody in a page */
  readonly choker?: SwarmOptions["choker"];
  readonly clock: Clock;
  readonly digest: Digest;
  readonly random32: Random32;
  readonly fetch: typeof fetch;
  /** Absent: HTTP only. */
  readonly rendezvous?: Rendezvous | undefined;
}

/** What an engine tells. */
export interface EngineEvents {
  /** A channel to a neighbour opened or closed. */
  peerchange: { readonly neighbours: number };
  /** A neighbour sent bytes that do not lead to the root hash; it is gone for good. */
  chunkrejected: { readonly neighbour: string; readonly reason: string; readonly chunk: number };
  /** The origin's bytes differ from the presentation; told once. */
  contentmismatch: { readonly file: string };
  /** One line for the console. */
  warning: string;
  statschange: EngineStats;
  /** It was closed: nothing follows. */
  close: undefined;
}
