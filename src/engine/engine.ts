import type { ChunkRange } from "../core/address/range.ts";
import { leafBin } from "../core/address/bin.ts";
import { Layout } from "../core/content/layout.ts";
import type { Presentation } from "../core/content/presentation.ts";
import { metadataOf } from "../core/connection/metadata.ts";
import { sameHash } from "../core/integrity/hashes.ts";
import { covered, established, peerRate } from "../core/swarm/supply.ts";
import type { ChunkSet } from "../core/address/chunk-set.ts";
import { Ahead } from "./ahead.ts";
import { Complaints } from "./complaints.ts";
import { Delivery, type DeliveryContext, type FetchRequest, type Piece } from "./delivery.ts";
import { PlaybackError } from "./errors.ts";
import { Emitter } from "./events.ts";
import { Holdings } from "./holdings.ts";
import { HashSource } from "./hash-source.ts";
import { nearestRanges, UploadMeter } from "./report.ts";
import { Rivals } from "./rivals.ts";
import { Host, type News } from "./host.ts";
import { HttpSource } from "./http-source.ts";
import { drawLot } from "./lots.ts";
import type { EngineEvents, EngineOptions } from "./options.ts";
import type { Membership, Playhead, SwarmReport } from "./ports.ts";
import { NO_STATS, type EngineStats } from "./stats.ts";

/** A neighbour may still turn up within this time after joining, ms: who has time waits for it. */
const SEARCH_MS = 2_500;
/** The player's first request, which is due soon, goes first, but is not waited for longer than this, ms. */
const JOIN_MS = 250;
/** Ranges of a ContentMap: what the tracker takes. */
const REPORTED_RANGES = 64;
/** `statschange` comes at most this often, ms. */
const STATS_MS = 250;
/** A page wants to know soon when a neighbour is gone: keep-alive every 5 s, dead after 15 s of silence. */
const LIVENESS = { keepAliveMs: 5_000, deadMs: 15_000 } as const;

/** Gives the bytes of one presentation's files, from the swarm and the origin side by side, and serves the swarm with them. */
export class Engine implements DeliveryContext {
  readonly presentation: Presentation;
  readonly baseUrl: string;
  readonly stats: EngineStats = { ...NO_STATS };
  readonly layout: Layout;
  readonly #options: EngineOptions;
  readonly #host: Host;
  readonly #http: HttpSource;
  readonly #hashes: HashSource;
  readonly #emitter = new Emitter<EngineEvents>();
  readonly #deliveries = new Set<Delivery>();
  readonly #holdings: Holdings;
  readonly #ended = new AbortController();
  readonly #ahead: Ahead;
  readonly #rivals: Rivals;
  /** Members of the swarm, as far as the tracker has said. */
  #members = 1;
  #membership: Membership | undefined;
  #expectingUntil = Infinity;
  #playhead: Playhead = { file: 0 };
  /** How far the file of the playhead has been handed out, where nobody says how far it is played, 0 to 1. */
  #progress = 0;
  #statsPending = false;
  readonly #complaints = new Complaints((text) => this.#ended.signal.aborted || this.#emitter.emit("warning", text));
  #downloadedBytes = 0;
  readonly #uploadMeter = new UploadMeter();
  readonly #playback = { chunksInTime: 0, chunksLate: 0 };
  /** How long the hashes that have come from the origin have taken its line, ms. */
  readonly hashMs = (): number => this.lineMs(this.#hashes.bytes);
  readonly expectedHttpMs = (bytes: number): number => this.#http.expectedMs(bytes);
  /** How long bytes take from the origin once they begin to come, if nothing else is read, ms. */
  readonly lineMs = (bytes: number): number => this.#http.lineMs(bytes);
  readonly read: DeliveryContext["read"] = (request) => this.#http.read(request);
  /** Stalls that the player has counted; the engine only hands them on to the tracker. */
  stalls = 0;
  onlySigned = false;

  constructor(options: EngineOptions) {
    const { presentation, baseUrl, store, clock, digest, random32 } = options;
    this.#options = options;
    this.presentation = presentation;
    this.baseUrl = baseUrl;
    this.layout = new Layout(presentation);
    this.#rivals = new Rivals(presentation, this.layout);
    this.#ahead = new Ahead(presentation, {
      begin: (file, request) => this.#delivery(file, this.layout.fileChunks(file), request),
      end: (delivery) => this.#drop(delivery),
      worthwhile: () => this.stats.neighbours > 0,
    });
    this.#host = new Host({
      swarm: {
        metadata: metadataOf(presentation),
        chunkLength: (chunk) => this.chunkLength(chunk),
        offsets: this.layout,
        settings: LIVENESS,
        ...(options.picker && { picker: options.picker }),
        ...(options.choker && { choker: options.choker }),
      },
      store,
      clock,
      digest,
      random32,
      news: (news) => this.#news(news),
    });
    this.#holdings = new Holdings(options, this.layout, this.#host.swarm.have);
    this.#http = new HttpSource(options.fetch, clock);
    this.#hashes = new HashSource({
      url: new URL(presentation.hashes, baseUrl).href,
      http: this.#http,
      verifier: this.#host.swarm.verifier,
      hash: presentation.swarm.hash,
      chunkCount: presentation.swarm.chunkCount,
      now: () => this.now(),
      signal: this.#ended.signal,
      received: (bytes) => this.received(bytes),
    });
    if (!options.upload) this.#host.step({ type: "serve", swarm: this.#host.swarm.key, serving: false });
    if (presentation.policy.p2p) this.after(JOIN_MS, () => this.join());
    else this.#expectingUntil = 0;
  }

  /** Bytes of a file, in order, from whoever can give them in time. @throws PlaybackError, RangeError for bytes it does not have */
  async *fetch(file: number, request: FetchRequest): AsyncGenerator<Piece, void, undefined> {
    const entry = this.presentation.files[file];
    if (entry === undefined) throw new RangeError(`no file ${file}`);
    if (this.#ended.signal.aborted) throw new PlaybackError("aborted", "the engine is closed");
    const offset = request.offset ?? 0;
    const length = request.length ?? entry.length - offset;
    const chunks = this.layout.chunksOf(file, offset, length);
    const fileChunks = this.layout.fileChunks(file);
    const { chunkSize } = this.presentation.swarm;
    const delivery = this.#ahead.take(file, chunks) ?? this.#delivery(file, chunks, request);
    if (length === entry.length) this.#ahead.follow(file, request);
    let at = (chunks.start - fileChunks.start) * chunkSize;
    try {
      for await (const { bytes, source, early } of delivery.pieces(request)) {
        const part = bytes.subarray(Math.max(0, offset - at), Math.min(bytes.length, offset + length - at));
        at += bytes.length;
        if (file === this.#playhead.file) this.#progress = Math.min(1, at / entry.length);
        if (source === "peer") this.stats.peerBytes += part.length;
        if (source === "cache") this.stats.cacheBytes += part.length;
        if (this.now() <= request.deadline()) this.#playback.chunksInTime++;
        else this.#playback.chunksLate++;
        this.#statsChanged();
        yield { bytes: part, source, early };
      }
    } finally {
      this.#drop(delivery);
    }
  }

  /** Says what is being played, so that memory is freed of what is least useful. */
  setPlayhead(playhead: Playhead): void {
    if (playhead.file !== this.#playhead.file) this.#progress = 0;
    this.#playhead = playhead;
  }

  /** Enters the swarm now, once. Without being told it does so JOIN_MS after it was made. */
  join(): void {
    if (this.#ended.signal.aborted || this.#expectingUntil < Infinity) return;
    this.#expectingUntil = this.now() + SEARCH_MS;
    this.#membership = this.#options.rendezvous?.join(this.presentation.swarm.id, {
      link: (link, initiator) => this.#host.add(link, initiator),
      state: (state) => {
        if (state === "alone" || state === "offline") this.#expectingUntil = 0;
        if (state === "joined") this.#expectingUntil = this.now() + SEARCH_MS;
        this.#wakeDeliveries();
        // Whoever follows the counts follows `expecting` with them.
        this.#statsChanged();
      },
      warning: (message) => this.#emitter.emit("warning", message),
      size: (members) => (this.#members = members),
      hasSpare: () => this.#host.swarm.uplink.hasSpare(this.now()),
      report: () => this.#report(),
    });
    if (this.#membership === undefined) this.#expectingUntil = 0;
  }

  /** Adds a listener; returns a function that removes it. */
  on<Name extends keyof EngineEvents>(name: Name, listener: (detail: EngineEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Says goodbye to everybody and frees all memory. Idempotent, safe on `pagehide`. */
  close(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    for (const delivery of this.#deliveries) delivery.close();
    this.#host.close();
    this.#membership?.leave();
    this.#options.store.clear();
    this.stats.neighbours = 0;
    this.#emitter.emit("close", undefined);
  }

  // What deliveries need.

  now(): number {
    return this.#options.clock.now();
  }

  after(delayMs: number, wake: () => void): () => void {
    return this.#options.clock.after(delayMs, wake);
  }

  take(chunk: number): Omit<Piece, "early"> | undefined {
    return this.#holdings.take(chunk);
  }

  held(range: ChunkRange): ChunkSet {
    return this.#holdings.within(range);
  }

  covered(range: ChunkRange): ChunkSet {
    return covered(this.#host.swarm.connections, range);
  }

  get neighbours(): number {
    return this.stats.neighbours;
  }

  get peerRate(): number {
    return peerRate(this.#host.swarm.connections);
  }

  get chunkSize(): number {
    return this.presentation.swarm.chunkSize;
  }

  lot(block: number, chunk: number): number {
    const { rivals, neighbours } = this.#rivals.among(this.#host.swarm.connections, chunk);
    const others = Math.max(this.#members - 1, neighbours);
    // Where nobody else will want it there is nobody to wait for.
    const viewers = 1 + (neighbours === 0 ? others : (others * rivals.length) / neighbours);
    return drawLot(this.#membership?.peerId ?? "", rivals, viewers, block);
  }

  get expecting(): boolean {
    return this.stats.neighbours === 0 && this.now() < this.#expectingUntil;
  }

  want(chunks: ChunkRange, deadline: number): void {
    if (!this.#ended.signal.aborted) this.#host.step({ type: "want", swarm: this.#host.swarm.key, chunks, deadline });
  }

  unwant(chunks: ChunkRange): void {
    if (this.#ended.signal.aborted) return;
    this.#host.step({ type: "unwant", swarm: this.#host.swarm.key, chunks });
    for (const delivery of this.#deliveries) delivery.unwanted(chunks);
    this.#wakeDeliveries();
  }

  async fromOrigin(chunk: number, bytes: Uint8Array): Promise<boolean> {
    const { digest, strict, store } = this.#options;
    const range = { start: chunk, end: chunk };
    const proof = this.#hashes.prove(chunk).catch((error: unknown) => this.#complaints.unprovable(error));
    const [hash] = await Promise.all([digest(this.presentation.swarm.hash, bytes), proof]);
    const proven = this.#host.swarm.verifier.tree?.get(leafBin(chunk));
    if (this.#ended.signal.aborted) return true;
    if (proven === undefined || !sameHash(proven, hash)) {
      if (proven !== undefined) this.mismatch(chunk);
      return !strict;
    }
    if (store.get(chunk) !== undefined) return true;
    store.put(chunk, bytes);
    this.#holdings.cameFromOrigin(chunk);
    this.stats.verifiedChunks++;
    this.#host.step({ type: "have", swarm: this.#host.swarm.key, chunks: range });
    this.#stored();
    return true;
  }

  mismatch(chunk: number): void {
    const file = this.presentation.files[this.layout.locate(chunk).file]?.uri ?? "";
    if (this.#complaints.mismatch(file, this.strict)) this.#emitter.emit("contentmismatch", { file });
  }

  received(httpBytes: number): void {
    this.stats.httpBytes += httpBytes;
    this.#statsChanged();
  }

  chunkLength(chunk: number): number {
    return this.layout.chunkSize(chunk);
  }

  get strict(): boolean {
    return this.#options.strict;
  }

  get busy(): boolean {
    return [...this.#deliveries].some((delivery) => delivery.busy);
  }

  get httpDownUntil(): number {
    return this.#http.downUntil;
  }

  #delivery(file: number, chunks: ChunkRange, request: FetchRequest): Delivery {
    const entry = this.presentation.files[file]!;
    const delivery = new Delivery(
      this,
      {
        url: new URL(entry.uri, this.baseUrl).href,
        whole: entry.offset === undefined,
        fileOffset: entry.offset ?? 0,
        fileLength: entry.length,
        fileChunks: this.layout.fileChunks(file),
        chunkSize: this.chunkSize,
        chunks,
      },
      request,
    );
    this.#deliveries.add(delivery);
    return delivery;
  }

  #drop(delivery: Delivery): void {
    this.#deliveries.delete(delivery);
    delivery.close();
  }

  get #position(): Required<Playhead> {
    const { file, progress = this.#progress } = this.#playhead;
    return { file, progress };
  }

  #report(): SwarmReport {
    const { file, progress } = this.#position;
    const { start, end } = this.layout.fileChunks(file);
    const position = Math.min(end, start + Math.floor(progress * (end - start + 1)));
    return {
      uploadedBytes: this.stats.uploadedBytes,
      downloadedBytes: this.#downloadedBytes,
      availBandwidth: this.#uploadMeter.measure(this.stats.uploadedBytes, this.now()),
      position,
      held: nearestRanges(this.#host.swarm.have, position, REPORTED_RANGES),
      playback: {
        ...this.#playback,
        stalls: this.stalls,
        rejected: this.stats.rejectedChunks,
        httpBytes: this.stats.httpBytes,
      },
    };
  }

  #news(news: News): void {
    switch (news.type) {
      case "verified":
        this.#downloadedBytes += news.data.length;
        this.#holdings.cameFromPeer(news.chunk);
        this.stats.verifiedChunks++;
        this.#stored();
        return;
      case "opened":
      case "closed":
        this.stats.neighbours = established(this.#host.swarm.connections);
        this.#emitter.emit("peerchange", { neighbours: this.stats.neighbours });
        this.#wakeDeliveries();
        break;
      case "peerhas":
        this.#wakeDeliveries();
        return;
      case "peer":
        // The tracker names neighbours here: a page cannot contact an address.
        return;
      case "uploaded":
        this.stats.uploadedBytes += news.bytes;
        break;
      case "rejected": {
        const { link, reason, detail, chunk } = news;
        if (chunk !== undefined) {
          this.stats.rejectedChunks++;
          this.#emitter.emit("chunkrejected", { neighbour: link, reason: detail, chunk });
        }
        // Who speaks with other options than ours breaks no rule.
        if (reason !== "incompatible") this.#membership?.ban(link);
        this.#host.drop(link);
        break;
      }
    }
    this.#statsChanged();
  }

  #stored(): void {
    const chunks = this.#holdings.evict(this.#position, this.#deliveries);
    if (chunks.length > 0) this.#host.step({ type: "forget", swarm: this.#host.swarm.key, chunks });
    this.#wakeDeliveries();
    this.#statsChanged();
  }

  #wakeDeliveries(): void {
    for (const delivery of this.#deliveries) delivery.changed();
  }

  #statsChanged(): void {
    if (this.#statsPending || this.#ended.signal.aborted) return;
    this.#statsPending = true;
    this.after(STATS_MS, () => {
      this.#statsPending = false;
      if (!this.#ended.signal.aborted) this.#emitter.emit("statschange", this.stats);
    });
  }
}
