import type { ChunkRange } from "../core/address/range.ts";
import type { HashCode } from "../core/codec/messages.ts";
import type { PeerAddress } from "../core/connection/peer-address.ts";
import type { PlaybackCounts } from "../tracker/messages.ts";

/**
 * One neighbour, as a way for datagrams to travel: a WebRTC data channel, a UDP address, a pair in memory. It may lose,
 * repeat and reorder datagrams; it never cuts or joins them.
 */
export interface Link {
  /** The neighbour's Peer-ID, or its address where it has none. */
  readonly id: string;
  /** Largest datagram that it carries, bytes. */
  readonly maxDatagram: number;
  /** Whether it repeats by itself what it lost, as a data channel does. */
  readonly reliable: boolean;
  /** Where the neighbour is, for peer address exchange; absent where the link has no IP address and port. */
  readonly address?: PeerAddress;
  /**
   * Sends one datagram: `head`, then `payload`. Never throws and never waits: what cannot be queued at once is lost, as
   * in UDP. `payload` is only read.
   */
  send(head: Uint8Array, payload?: Uint8Array): void;
  /** Ends the link. Idempotent; `onClose` is called once, also when the other side closed. */
  close(): void;
  /** Set by the engine as soon as it has the link; datagrams that came earlier are delivered at that moment. */
  onDatagram: ((datagram: Uint8Array) => void) | undefined;
  onClose: (() => void) | undefined;
}

/** Chunks of one swarm that passed verification. */
export interface ChunkStore {
  /** Bytes held now. */
  readonly size: number;
  /** Keeps `data` itself, not a copy: the caller must not write to it afterwards. */
  put(chunk: number, data: Uint8Array): void;
  /** The very bytes that were put, for reading only; undefined if not held. */
  get(chunk: number): Uint8Array | undefined;
  delete(chunks: ChunkRange): void;
  clear(): void;
}

/** Hash of `data`; may be asynchronous because WebCrypto is, and 10 to 30 times faster than JavaScript. */
export type Digest = (hash: HashCode, data: Uint8Array) => Promise<Uint8Array> | Uint8Array;

/** Time and timers of the host. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls `wake` once, not before `delayMs`; returns a function that prevents it. */
  after(delayMs: number, wake: () => void): () => void;
  /** Calls `work` once, as soon as the events that are waiting now have been delivered; in a browser that is at once. */
  soon(work: () => void): void;
  /** System time in microseconds since 1970, for DATA timestamps (RFC 7574 §8.6). */
  unixMicros(): bigint;
}

/** Unpredictable 32-bit numbers, for channel IDs (RFC 4960 §5.1.3). */
export type Random32 = () => number;

/** What a peer tells its tracker (PPSP-TP StreamStatistics). */
export interface SwarmReport {
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** bit/s; 0 when unknown. */
  readonly availBandwidth: number;
  /** Chunk at the playhead; absent before anything has been played. */
  readonly position?: number;
  /** Chunks held, ascending, at most 64 ranges: those nearest to the playhead. */
  readonly held?: readonly ChunkRange[];
  readonly playback?: PlaybackCounts;
}

/** What meeting other peers of one swarm leads to. All of these may be called at any time until `leave`. */
export interface RendezvousEvents {
  /** A link is open. The initiator of the link also sends the first PPSPP HANDSHAKE. */
  link(link: Link, initiator: boolean): void;
  /**
   * `searching`: nobody has been met yet and it is not known whether there is anybody. `alone`: the tracker says that no
   * one else is here. `joined`: at least one other member is known. `offline`: no tracker answers (now).
   */
  state(state: "searching" | "alone" | "joined" | "offline"): void;
  /** The tracker has said how many members the swarm has, this one included. */
  size(members: number): void;
  /** One line for the console, at most one per kind of trouble. */
  warning(message: string): void;
  /** Whether our line can carry more than is asked of it, so that more neighbours are welcome. @defaultValue not known */
  readonly hasSpare?: () => boolean;
  /** Called when a report to the tracker is due. */
  report(): SwarmReport;
}

/** A membership in one swarm. */
export interface Membership {
  /** Our own name, as neighbours know it. */
  readonly peerId: string;
  /** Leaves the swarm and ends all links that came from here. Safe on `pagehide`. */
  leave(): void;
  /** Never again a link with this neighbour. */
  ban(id: string): void;
}

/** A way to meet the other peers of a swarm: tracker and signalling; a table in memory in tests. */
export interface Rendezvous {
  join(swarmId: Uint8Array, events: RendezvousEvents): Membership;
}

/** What is being played. */
export interface Playhead {
  /** The file (segment) at the playhead. */
  readonly file: number;
  /** How much of that file has been played, 0 to 1. @defaultValue 0 */
  readonly progress?: number;
}

/** Decides what to forget when memory is short: least useful first. */
export interface EvictionPolicy {
  /** The chunks to drop so that about `bytes` become free; `held` lists the held ranges of each file. */
  plan(
    held: Iterable<readonly [file: number, chunks: readonly ChunkRange[]]>,
    playhead: Playhead,
    bytes: number,
  ): ChunkRange[];
}
