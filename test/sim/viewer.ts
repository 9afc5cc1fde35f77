import type { ChunkSet } from "../../src/core/address/chunk-set.ts";
import type { ChunkRange } from "../../src/core/address/range.ts";
import { covered, peerRate } from "../../src/core/swarm/supply.ts";
import { missingProof } from "../../src/core/connection/proofs.ts";
import type { Output } from "../../src/core/connection/outputs.ts";
import type { Content } from "./content.ts";
import { SEGMENTS_AHEAD } from "../../src/engine/ahead.ts";
import { drawLot } from "../../src/engine/lots.ts";
import { Schedule, type ScheduleView, type Why } from "../../src/engine/schedule.ts";
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
  /** … and of the origin's why. */
  readonly why: Record<Cause, number>;
  fromPeers: number;
}

/**
 * Why bytes came from the origin: before the first picture; no neighbour; nobody had it and the lot fell on this viewer; late
 * although a neighbour could be asked, although one that chokes us has it, or with nobody who has it; never used, since the response was cut short.
 */
export type Cause = "first" | "alone" | "lot" | "slow" | "choked" | "nobody" | "cut";

/** A viewer looks whether there is something to ask for this often, ms. */
const LOOK_MS = 400;
/** What a player loads ahead, ms: hls.js's own default. */
const AHEAD_MS = 30_000;

/** A request of the player, or of the engine ahead of it, and what runs for it. */
interface Request {
  readonly segment: number;
  readonly schedule: Schedule;
  /** When it is to be decided again: now, and at the earliest if something happens, ms. */
  decideAt: number;
  notBefore: number;
  /** The origin's response: when its next chunk is complete, and the last one. */
  http?: { chunk: number; readonly end: number; readonly why: Why; from: number } | undefined;
}

/**
 * A player with the engine's own {@link Schedule}: it asks for segments in their order, each by its deadline, and stalls where a
 * segment is not complete when its time comes.
 */
export class Viewer implements ScheduleView {
  readonly peer: SimPeer;
  readonly watched: Watched = {
    startup: undefined,
    due: 0,
    met: 0,
    stalls: 0,
    stalledMs: 0,
    fromOrigin: 0,
    why: { first: 0, alone: 0, lot: 0, slow: 0, choked: 0, nobody: 0, cut: 0 },
    fromPeers: 0,
  };
  gone = false;
  /** Neighbours that were refused. */
  rejected = 0;
  /** Set by the tracker's answer: others are there. */
  expecting = false;
  /** How many watch, as far as the tracker has said. */
  viewers = 1;
  neighbours = 0;
  readonly httpDownUntil = 0;
  readonly #film: Film;
  readonly #origin: Origin;
  readonly #joinedAt: number;
  readonly #requests: Request[] = [];
  /** The segment that plays next. */
  #next = 0;
  /** When it is due; while nothing has played yet, the best guess. */
  #dueAt: number;
  #stalledAt: number | undefined;
  /** The first segment that was not asked for yet. */
  #asked = 0;
  /** When the origin's line to this viewer is free. */
  #originFreeAt = 0;
  #lookAt = Infinity;

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
    return this.peer.swarm.have.size === this.#film.content.chunks.length;
  }

  /** Whether the whole film has been played. */
  get finished(): boolean {
    return this.#next === this.#film.segments.length && this.peer.net.now >= this.#dueAt;
  }

  /** Whether nothing more comes of it: it has everything and has played it, or has left. */
  get through(): boolean {
    return this.gone || (this.complete && this.finished);
  }

  /** The viewer is no more; its neighbours learn it from others. */
  leave(): void {
    this.gone = true;
  }

  get chunkSize(): number {
    return this.#film.content.options.metadata.chunkSize;
  }

  get peerRate(): number {
    return peerRate(this.peer.swarm.connections);
  }

  missing(range: ChunkRange): ChunkRange[] {
    return this.peer.swarm.have.missing(range);
  }

  covered(range: ChunkRange): ChunkSet {
    return covered(this.peer.swarm.connections, range);
  }

  expectedHttpMs(bytes: number): number {
    return this.#origin.latency + bytes / this.#rate;
  }

  lot(block: number): number {
    const rivals: string[] = [];
    for (const { state, link } of this.peer.swarm.connections) if (state === "established") rivals.push(link);
    return drawLot(this.peer.id, rivals, Math.max(this.viewers, rivals.length + 1), block);
  }

  get #rate(): number {
    return Math.min(this.#origin.rate, this.peer.line.downlink);
  }

  #news(output: Output): void {
    switch (output.type) {
      case "verified":
        this.watched.fromPeers += output.data.length;
        this.#changed();
        return;
      case "opened":
        this.neighbours++;
        this.#changed();
        return;
      case "closed":
        this.neighbours--;
        return;
      case "rejected":
        this.rejected++;
        return;
      default:
    }
  }

  /** Something happened that requests may have to be decided again for. */
  #changed(): void {
    const { now } = this.peer.net;
    let at = this.#stalledAt === undefined ? Infinity : now;
    for (const request of this.#requests) {
      request.decideAt = Math.min(request.decideAt, Math.max(now, request.notBefore));
      at = Math.min(at, request.decideAt);
    }
    this.#soon(at);
  }

  /** Looks at the situation no later than then. */
  #soon(at: number): void {
    if (at >= this.#lookAt) return;
    this.#lookAt = at;
    this.peer.net.at(at, () => {
      if (this.#lookAt === at) this.#look();
    });
  }

  #look(): void {
    this.#lookAt = Infinity;
    if (this.gone) return;
    this.#play();
    this.#ask();
    const { now } = this.peer.net;
    let at = now + LOOK_MS;
    if (now < this.#dueAt) at = Math.min(at, this.#dueAt);
    for (const request of this.#requests) {
      if (request.decideAt <= now) this.#decide(request);
      at = Math.min(at, request.decideAt);
    }
    if (!this.complete || !this.finished) this.#soon(Math.max(now + 1, at));
  }

  /** Starts the next segment if its time has come and it is there. */
  #play(): void {
    const { now } = this.peer.net;
    const { segments, segmentMs } = this.#film;
    const segment = segments[this.#next];
    if (segment === undefined || now < this.#dueAt) return;
    const missing = this.missing(segment);
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
    this.#dueAt = this.#stalledAt === undefined ? this.#dueAt + segmentMs : now + segmentMs;
    this.#stalledAt = undefined;
    this.#next++;
  }

  /** Makes the requests that the player, and the engine ahead of it, would make now. */
  #ask(): void {
    const { now } = this.peer.net;
    const { segments } = this.#film;
    for (let i = this.#requests.length - 1; i >= 0; i--) {
      const { segment, schedule, http } = this.#requests[i]!;
      if (!this.peer.swarm.have.covers(segments[segment]!)) continue;
      if (http !== undefined) this.#stop(this.#requests[i]!);
      for (const chunks of schedule.close()) this.#unwant(chunks);
      this.#requests.splice(i, 1);
    }
    const ahead = this.#next === 0 || this.neighbours === 0 ? 0 : SEGMENTS_AHEAD;
    for (; this.#asked < segments.length && this.#requests.length <= ahead; this.#asked++) {
      if (this.#deadline(this.#asked) > now + AHEAD_MS) return;
      this.#requests.push({
        segment: this.#asked,
        schedule: new Schedule(this, (range) => this.missing(range), segments[this.#asked]!, now),
        decideAt: now,
        notBefore: now,
      });
    }
  }

  #decide(request: Request): void {
    const { now } = this.peer.net;
    const { segment, schedule } = request;
    const { start } = this.#film.segments[segment]!;
    // What is fetched ahead leaves the origin to what the player waits for.
    const [first] = this.#requests;
    const yields = request !== first && first?.http !== undefined;
    const orders = schedule.decide(start, this.#deadline(segment), now, yields);
    if (orders.stop) this.#stop(request);
    for (const chunks of orders.unwant) this.#unwant(chunks);
    for (const { chunks, deadline } of orders.want)
      this.peer.step({ type: "want", swarm: this.peer.swarm.key, chunks, deadline });
    if (orders.start !== undefined) {
      const { latency } = this.#origin;
      const { start: chunk, end } = orders.start;
      request.http = { chunk, end, why: orders.why, from: now + latency };
      this.#fetch(request, request.http);
    }
    request.notBefore = now + orders.pause;
    request.decideAt = now + Math.max(1, orders.again);
  }

  #unwant(chunks: ChunkRange): void {
    this.peer.step({ type: "unwant", swarm: this.peer.swarm.key, chunks });
    for (const { schedule } of this.#requests) schedule.unwanted(chunks);
  }

  /** The origin's response ends early; what has come of the next chunk is lost. */
  #stop(request: Request): void {
    const { http, schedule } = request;
    if (http === undefined) return;
    const lost = Math.max(0, this.peer.net.now - http.from) * this.#rate;
    this.#received(Math.min(lost, this.chunkSize), "cut");
    request.http = undefined;
    schedule.ended();
  }

  #received(bytes: number, cause: Cause): void {
    this.watched.fromOrigin += bytes;
    this.watched.why[this.#next === 0 ? "first" : cause] += bytes;
  }

  /** Why a chunk came from the origin. */
  #cause(chunk: number, why: Why): Cause {
    if (why !== "late") return why;
    let cause: Cause = "nobody";
    for (const { state, choked, peerHas } of this.peer.swarm.connections) {
      if (state !== "established" || !peerHas.has(chunk)) continue;
      if (!choked) return "slow";
      cause = "choked";
    }
    return cause;
  }

  /** The next chunk of a response, and the hashes that make it one to pass on. */
  #fetch(request: Request, http: NonNullable<Request["http"]>): void {
    const { net, line, swarm } = this.peer;
    const { chunk } = http;
    const data = this.#film.content.chunks[chunk]!;
    http.from = Math.max(net.now, http.from, this.#originFreeAt);
    const at = http.from + data.length / this.#rate;
    this.#originFreeAt = at;
    // The line is shared with what comes from peers.
    this.peer.downlinkFreeAt = Math.max(this.peer.downlinkFreeAt, net.now) + data.length / line.downlink;
    net.at(at, () => {
      if (this.gone || request.http !== http) return;
      this.#received(data.length, this.#cause(chunk, http.why));
      const range = { start: chunk, end: chunk };
      if (!swarm.have.has(chunk)) {
        if (this.peer.known === undefined) this.peer.store.set(chunk, data);
        this.#prove(chunk);
        this.peer.step({ type: "have", swarm: swarm.key, chunks: range });
      }
      if (chunk === http.end) {
        request.http = undefined;
        request.schedule.ended();
        request.decideAt = net.now;
        this.#soon(net.now);
        return;
      }
      http.chunk++;
      http.from = net.now;
      request.schedule.fetched(http.chunk);
      this.#changed();
      this.#fetch(request, http);
    });
  }

  /** The hashes of a chunk from the origin, as they stand in ppsp.mhash, into the tree: or nobody could be served with it. */
  #prove(chunk: number): void {
    const { tree } = this.#film.content;
    const { verifier } = this.peer.swarm;
    if (verifier.tree === undefined) verifier.verifyPeaks(tree.peaks());
    // The hashes around what is held are proven already.
    const proof = missingProof(tree, chunk, false, (range) => this.peer.swarm.have.intersects(range));
    const hashes = new Map(proof.map(({ chunks, hash }) => [chunks.start + chunks.end, hash]));
    if (verifier.verify(chunk, tree.get(2 * chunk)!, hashes) !== "verified")
      throw new Error("the origin's hashes do not lead to the root");
  }

  /** When a segment must be there. */
  #deadline(segment: number): number {
    return Math.max(this.#dueAt, this.peer.net.now) + (segment - this.#next) * this.#film.segmentMs;
  }
}
