import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import type { ChunkRange } from "../../src/core/address/range.ts";
import { missingProof } from "../../src/core/connection/proofs.ts";
import type { Output } from "../../src/core/connection/outputs.ts";
import type { Content } from "./content.ts";
import type { SimPeer } from "./simulator.ts";

/** A film as a player sees it: segments, each some chunks. */
export interface Film {
  readonly content: Content;
  readonly segments: readonly ChunkRange[];
  readonly segmentMs: number;
}

/** Where every chunk can be had over HTTP, at any time. */
export interface Origin {
  /** Bytes per ms to one viewer. */
  readonly rate: number;
  /** From a request to its first byte, ms. */
  readonly latency: number;
}

/** What a viewer got out of it. */
export interface Watched {
  /** From joining to the first picture, ms; undefined: none yet. */
  startup: number | undefined;
  /** Chunks whose time came, and those that were there by then; without the first segment, which has no time. */
  due: number;
  met: number;
  stalls: number;
  stalledMs: number;
  /** Content bytes by their source. */
  fromOrigin: number;
  fromPeers: number;
}

/** A viewer looks at its situation this often, ms: as the engine's deliveries do. */
const LOOK_MS = 200;
/** What a player loads ahead, ms: hls.js's own default. */
const AHEAD_MS = 30_000;
/** The origin is asked when no more than twice its expected time plus this is left, ms (src/engine/delivery.ts). */
const MARGIN_MS = 1_000;

/**
 * A player with an engine, in short: it wants the segments ahead of its playhead from its neighbours by their deadlines,
 * asks the origin for the first one at once and for what is still missing when a deadline is near, and stalls where a segment is
 * not complete when its time comes.
 */
export class Viewer {
  readonly peer: SimPeer;
  readonly watched: Watched = {
    startup: undefined,
    due: 0,
    met: 0,
    stalls: 0,
    stalledMs: 0,
    fromOrigin: 0,
    fromPeers: 0,
  };
  gone = false;
  /** Neighbours that were refused. */
  rejected = 0;
  readonly #film: Film;
  readonly #origin: Origin;
  readonly #joinedAt: number;
  /** The segment that plays next. */
  #next = 0;
  /** When it is due; while nothing has played yet, the best guess. */
  #dueAt: number;
  #stalledAt: number | undefined;
  /** Segments that are wanted so far. */
  #wanted = 0;
  #fetching = false;
  readonly #held = new ChunkSet();

  constructor(peer: SimPeer, film: Film, origin: Origin) {
    this.peer = peer;
    this.#film = film;
    this.#origin = origin;
    this.#joinedAt = peer.net.now;
    this.#dueAt = peer.net.now;
    peer.news = (output) => this.#news(output);
    this.#look();
  }

  /** Whether every chunk is here. */
  get complete(): boolean {
    return this.#held.size === this.#film.content.chunks.length;
  }

  /** Whether the whole film has been played. */
  get finished(): boolean {
    return this.#next === this.#film.segments.length && this.peer.net.now >= this.#dueAt;
  }

  /** The viewer is no more; its neighbours learn it from others. */
  leave(): void {
    this.gone = true;
  }

  #news(output: Output): void {
    if (output.type === "rejected") this.rejected++;
    if (output.type !== "verified") return;
    const { chunk, data } = output;
    this.watched.fromPeers += data.length;
    this.#held.add({ start: chunk, end: chunk });
  }

  #look(): void {
    if (this.gone) return;
    this.#play();
    this.#want();
    if (!this.#fetching) this.#hurry();
    if (!this.complete || !this.finished) this.peer.net.at(this.peer.net.now + LOOK_MS, () => this.#look());
  }

  /** Starts the next segment if its time has come and it is there. */
  #play(): void {
    const { now } = this.peer.net;
    const { segments, segmentMs } = this.#film;
    const segment = segments[this.#next];
    if (segment === undefined || now < this.#dueAt) return;
    const missing = this.#missing(segment);
    const { watched } = this;
    if (this.#stalledAt === undefined && this.#next > 0) {
      const length = segment.end - segment.start + 1;
      watched.due += length;
      watched.met += length - missing.reduce((sum, { start, end }) => sum + end - start + 1, 0);
    }
    if (missing.length > 0) {
      if (this.#stalledAt === undefined && this.#next > 0) watched.stalls++;
      this.#stalledAt ??= now;
      return;
    }
    if (this.#next === 0) watched.startup = now - this.#joinedAt;
    else if (this.#stalledAt !== undefined) watched.stalledMs += now - this.#stalledAt;
    if (this.#stalledAt !== undefined) this.#wanted = this.#next + 1;
    this.#dueAt = this.#stalledAt === undefined ? this.#dueAt + segmentMs : now + segmentMs;
    this.#stalledAt = undefined;
    this.#next++;
  }

  /** Wants what the player would load now, with the deadlines as they stand. */
  #want(): void {
    const { now } = this.peer.net;
    // Nothing competes with the first picture.
    if (this.#next === 0 && this.#wanted > 0) return;
    for (; this.#wanted < this.#film.segments.length; this.#wanted++) {
      const deadline = this.#deadline(this.#wanted);
      if (deadline > now + AHEAD_MS) return;
      const chunks = this.#film.segments[this.#wanted]!;
      if (this.#missing(chunks).length > 0)
        this.peer.step({ type: "want", swarm: this.peer.swarm.key, chunks, deadline });
      if (this.#next === 0) {
        this.#wanted++;
        return;
      }
    }
  }

  /** Asks the origin for the first chunk that is missing although its time is near. */
  #hurry(): void {
    const { now } = this.peer.net;
    const { rate, latency } = this.#origin;
    for (let i = this.#next; i < this.#wanted; i++) {
      const missing = this.#missing(this.#film.segments[i]!);
      const [first] = missing;
      if (first === undefined) continue;
      const bytes = missing.reduce((sum, { start, end }) => sum + (end - start + 1) * this.#chunkSize, 0);
      const expected = latency + bytes / Math.min(rate, this.peer.line.downlink);
      if (now >= this.#deadline(i) - 2 * expected - MARGIN_MS) this.#fetch(i, first.start, latency);
      return;
    }
  }

  /** A chunk of a segment from the origin, and the hashes that make it one to pass on; then the next one, as it is then. */
  #fetch(segment: number, chunk: number, latency: number): void {
    const { net, line, swarm } = this.peer;
    const data = this.#film.content.chunks[chunk]!;
    this.#fetching = true;
    this.peer.step({ type: "unwant", swarm: swarm.key, chunks: { start: chunk, end: chunk } });
    const from = Math.max(net.now + latency, this.peer.downlinkFreeAt);
    const at = from + data.length / Math.min(this.#origin.rate, line.downlink);
    // The line is shared with what comes from peers.
    this.peer.downlinkFreeAt = from + data.length / line.downlink;
    net.at(at, () => {
      this.#fetching = false;
      if (this.gone) return;
      this.watched.fromOrigin += data.length;
      const range = { start: chunk, end: chunk };
      if (!this.#held.has(chunk)) {
        this.#held.add(range);
        this.peer.store.set(chunk, this.peer.known?.bytes(chunk) ?? data);
        this.#prove(chunk);
        this.peer.step({ type: "have", swarm: swarm.key, chunks: range });
      }
      const next = this.#missing(this.#film.segments[segment]!)[0];
      if (next !== undefined) {
        this.#fetch(segment, next.start, 0);
        return;
      }
      this.#play();
      this.#hurry();
    });
  }

  /** The hashes of a chunk from the origin, as they stand in ppsp.mhash, into the tree: or nobody could be served with it. */
  #prove(chunk: number): void {
    const { tree } = this.#film.content;
    const { verifier } = this.peer.swarm;
    if (verifier.tree === undefined) verifier.verifyPeaks(tree.peaks());
    const proof = missingProof(tree, chunk, false, () => false);
    const hashes = new Map(proof.map(({ chunks, hash }) => [chunks.start + chunks.end, hash]));
    if (verifier.verify(chunk, tree.get(2 * chunk)!, hashes) !== "verified")
      throw new Error("the origin's hashes do not lead to the root");
  }

  get #chunkSize(): number {
    return this.#film.content.options.metadata.chunkSize;
  }

  /** When a segment must be there. */
  #deadline(segment: number): number {
    return Math.max(this.#dueAt, this.peer.net.now) + (segment - this.#next) * this.#film.segmentMs;
  }

  #missing(chunks: ChunkRange): ChunkRange[] {
    return [...this.#held.missing(chunks)];
  }
}
