import { ChunkSet } from "../core/address/chunk-set.ts";
import type { ChunkRange } from "../core/address/range.ts";
import { PlaybackError } from "./errors.ts";
import type { HttpRequest } from "./http-source.ts";
import { Schedule, type ScheduleView } from "./schedule.ts";

/** What the origin refuses is left to neighbours until it is needed so soon, ms, and nothing has come for as long. */
const PATIENCE_MS = 600;

/** Where bytes that were handed to the player came from; `cache`: they had been handed out before. */
export type PieceSource = "http" | "peer" | "cache";

/** Bytes for the player, in order. They are the store's own: for reading only. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly source: PieceSource;
  /** It was here before the player asked. */
  readonly early: boolean;
}

/** What to deliver. */
export interface FetchRequest {
  /** First byte within the file. @defaultValue 0 */
  readonly offset?: number;
  /** @defaultValue up to the file's end */
  readonly length?: number;
  /** Time on the engine's clock (ms, `performance.now()` in a page) by which the last byte is needed; asked again whenever a decision is due. */
  readonly deadline: () => number;
  readonly signal?: AbortSignal;
  /** Where the origin has the file. @defaultValue its URI; needed where URLs are signed by a query */
  readonly url?: string;
}

/** What a delivery needs from its engine. */
export interface DeliveryContext extends ScheduleView {
  readonly now: () => number;
  readonly after: (delayMs: number, wake: () => void) => () => void;
  /** The bytes of a chunk that is held, and where they came from. */
  take(chunk: number): Omit<Piece, "early"> | undefined;
  /** Parts of a range that are held. */
  held(range: ChunkRange): ChunkSet;
  want(chunks: ChunkRange, deadline: number): void;
  unwant(chunks: ChunkRange): void;
  /** Chunk from the origin, complete: to be verified, kept and announced. Resolves to false where it must not be played. */
  fromOrigin(chunk: number, bytes: Uint8Array): Promise<boolean>;
  received(httpBytes: number): void;
  /** The origin has another file than what was published. */
  mismatch(chunk: number): void;
  /** The origin refuses what is asked for without the player's own URL, as where that is signed. */
  onlySigned: boolean;
  /** Nothing is handed out before it is verified. */
  readonly strict: boolean;
  /** Exact bytes of a chunk. */
  chunkLength(chunk: number): number;
  read(request: HttpRequest): AsyncGenerator<Uint8Array, void, undefined>;
  /** The origin is sending what the player waits for. */
  readonly busy: boolean;
}

/** Where the bytes are. */
export interface DeliveryPlace {
  readonly url: string;
  /** Whether the file is a whole resource. */
  readonly whole: boolean;
  /** Byte of the resource at which the file begins. */
  readonly fileOffset: number;
  /** Bytes of the file. */
  readonly fileLength: number;
  readonly fileChunks: ChunkRange;
  readonly chunkSize: number;
  /** The chunks to deliver. */
  readonly chunks: ChunkRange;
}

/** A response of the origin that runs. */
interface Response {
  readonly abort: AbortController;
  readonly range: ChunkRange;
}

/**
 * One request of the player, or of the engine ahead of it: carries out what a {@link Schedule} decides, and hands out chunks in
 * their order.
 */
export class Delivery {
  readonly #context: DeliveryContext;
  readonly #place: DeliveryPlace;
  readonly #schedule: Schedule;
  #request: FetchRequest;
  /** Chunks from the origin that the player has not got yet, in case that the store does not keep them. */
  readonly #raw = new Map<number, Uint8Array>();
  /** Chunks that were here when the player asked. */
  #early = new ChunkSet();
  #next: number;
  #http: Response | undefined;
  #error: PlaybackError | undefined;
  /** The origin does not give this file; asking it again is of no use until the player does. */
  #refusal: PlaybackError | undefined;
  /** Chunks from the origin that are being verified, where nothing is handed out before that. */
  readonly #verifying = new Set<number>();
  #notify: () => void = () => undefined;
  /** Not earlier, unless something has ended, ms. */
  #notBefore = -Infinity;
  #lookAt = Infinity;
  #stopTimer: () => void = () => undefined;
  #asked = false;
  /** Since when the player waits for the next chunk, ms. */
  #waitsSince = 0;
  /** The latest decision was to read from the origin: what is read block by block is read without a pause. */
  #reads = false;
  #closed = false;

  constructor(context: DeliveryContext, place: DeliveryPlace, request: FetchRequest) {
    this.#context = context;
    this.#place = place;
    this.#request = request;
    this.#next = place.chunks.start;
    this.#schedule = new Schedule(context, (range) => this.#missing(range), place.chunks, context.now());
  }

  /** The chunks that are asked for. */
  get chunks(): ChunkRange {
    return this.#place.chunks;
  }

  /** Chunks that are looked after now: what memory has no room for is not fetched before the player takes what is here. */
  get needed(): ChunkRange {
    return { start: this.#next, end: this.#schedule.end(this.#next) };
  }

  /** The origin is sending what the player has asked for. */
  get busy(): boolean {
    return this.#asked && this.#reads;
  }

  /** The chunks one by one; `request` replaces the one that it began with. @throws PlaybackError */
  async *pieces(request: FetchRequest): AsyncGenerator<Piece, void, undefined> {
    const { signal } = request;
    this.#request = request;
    this.#asked = true;
    this.#early = this.#held(this.#place.chunks);
    // What failed while nobody was waiting may work now.
    this.#error = undefined;
    this.#refusal = undefined;
    const wake = (): void => this.#notify();
    signal?.addEventListener("abort", wake);
    try {
      this.#look();
      while (this.#next <= this.#place.chunks.end) {
        this.#waitsSince = this.#context.now();
        yield await this.#await(this.#next);
        const end = this.#schedule.end(this.#next++);
        if (this.#schedule.end(this.#next) > end) this.#plan(0);
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      this.close();
    }
  }

  /** Begins to fetch before the player asks, but after what it asks for at this moment. */
  begin(): void {
    this.#plan(0);
  }

  /** Something changed: a chunk came in, a neighbour came or went. */
  changed(): void {
    this.#notify();
    this.#plan(Math.max(0, this.#notBefore - this.#context.now()));
  }

  /** Another delivery took back a want for these chunks: if they are wanted here, that must be said again. */
  unwanted(chunks: ChunkRange): void {
    this.#schedule.unwanted(chunks);
  }

  /** Ends everything that runs on behalf of this delivery. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reads = false;
    this.#stopTimer();
    this.#http?.abort.abort();
    for (const range of this.#schedule.close()) this.#context.unwant(range);
    this.#raw.clear();
    this.#notify();
  }

  async #await(chunk: number): Promise<Piece> {
    for (;;) {
      if (this.#closed || this.#request.signal?.aborted === true) {
        throw new PlaybackError("aborted", "taken back");
      }
      const piece = this.#take(chunk);
      if (piece !== undefined) return { ...piece, early: this.#early.has(chunk) };
      if (this.#error !== undefined) throw this.#error;
      await new Promise<void>((resolve) => (this.#notify = resolve));
    }
  }

  #take(chunk: number): Omit<Piece, "early"> | undefined {
    const raw = this.#raw.get(chunk);
    if (raw === undefined) return this.#context.take(chunk);
    this.#raw.delete(chunk);
    return { bytes: raw, source: "http" };
  }

  /** Decides in so many ms, or earlier. */
  #plan(ms: number): void {
    const at = this.#context.now() + ms;
    if (this.#closed || at >= this.#lookAt) return;
    this.#stopTimer();
    this.#lookAt = at;
    this.#stopTimer = this.#context.after(Math.max(1, ms), () => this.#look());
  }

  /** Sets the sources to work. */
  #look(): void {
    if (this.#closed) return;
    const context = this.#context;
    const now = context.now();
    this.#stopTimer();
    this.#lookAt = Infinity;
    if (this.#refusal !== undefined) this.#giveUp(this.#refusal);
    // What is fetched ahead would take its share of the line from what is needed now.
    const yields = this.#refusal !== undefined || (!this.#asked && (context.busy || this.#needsSignature));
    const orders = this.#schedule.decide(this.#next, this.#request.deadline(), now, yields);
    this.#notBefore = now + orders.pause;
    if (orders.stop) this.#http?.abort.abort();
    for (const chunks of orders.unwant) context.unwant(chunks);
    for (const { chunks, deadline } of orders.want) context.want(chunks, deadline);
    if (orders.start !== undefined) void this.#fetch({ abort: new AbortController(), range: orders.start });
    this.#reads = this.#http !== undefined;
    if (orders.again < Infinity) this.#plan(orders.again);
  }

  /** What is neither handed out nor held. */
  #missing(range: ChunkRange): ChunkRange[] {
    return this.#held(range).missing(range);
  }

  #held(range: ChunkRange): ChunkSet {
    const held = this.#context.held(range);
    for (const chunk of this.#raw.keys()) held.add({ start: chunk, end: chunk });
    for (const chunk of this.#verifying) held.add({ start: chunk, end: chunk });
    return held;
  }

  get #needsSignature(): boolean {
    return this.#request.url === undefined && this.#context.onlySigned;
  }

  async #fetch(response: Response): Promise<void> {
    this.#http = response;
    const { url, whole, fileOffset, fileLength, fileChunks, chunkSize } = this.#place;
    const { start, end } = response.range;
    const offset = fileOffset + (start - fileChunks.start) * chunkSize;
    const length = (end - start) * chunkSize + this.#context.chunkLength(end);
    const everything = whole && start === fileChunks.start && end === fileChunks.end;
    let chunk = start;
    let buffer = new Uint8Array(this.#context.chunkLength(start));
    let filled = 0;
    try {
      for await (const part of this.#context.read({
        url: this.#request.url ?? url,
        offset,
        length,
        whole: everything,
        ...(whole && { size: fileLength }),
        signal: response.abort.signal,
      })) {
        this.#context.received(part.length);
        for (let used = 0; used < part.length;) {
          const bytes = part.subarray(used, used + buffer.length - filled);
          buffer.set(bytes, filled);
          filled += bytes.length;
          used += bytes.length;
          if (filled < buffer.length) break;
          void this.#arrived(chunk, buffer);
          this.#schedule.fetched(++chunk);
          filled = 0;
          if (chunk <= end) buffer = new Uint8Array(this.#context.chunkLength(chunk));
        }
      }
    } catch (error) {
      this.#failed(error, chunk);
    } finally {
      this.#http = undefined;
      this.#schedule.ended();
      this.#notify();
      this.#plan(0);
    }
  }

  async #arrived(chunk: number, bytes: Uint8Array): Promise<void> {
    const { strict } = this.#context;
    const playable = this.#context.fromOrigin(chunk, bytes);
    if (strict) this.#verifying.add(chunk);
    // What is held already is verified.
    else if (!this.#context.held({ start: chunk, end: chunk }).has(chunk)) this.#hand(chunk, bytes);
    const good = await playable;
    if (!strict) return;
    this.#verifying.delete(chunk);
    if (good) {
      this.#hand(chunk, bytes);
      return;
    }
    this.#refusal = new PlaybackError("mismatch", `chunk ${chunk} from the origin is not what was published`);
    this.#http?.abort.abort();
    this.#giveUp(this.#refusal);
    this.#plan(0);
  }

  #hand(chunk: number, bytes: Uint8Array): void {
    if (chunk >= this.#next && !this.#closed) this.#raw.set(chunk, bytes);
    this.changed();
  }

  /** The response that should have brought this chunk next has failed. */
  #failed(error: unknown, chunk: number): void {
    if (!(error instanceof PlaybackError) || error.code === "aborted") return;
    const context = this.#context;
    let failure = error;
    if (error.code === "mismatch") {
      context.mismatch(chunk);
      // What the origin has is played, but not by us.
      if (!context.strict) failure = new PlaybackError("http", error.message);
    }
    // An origin that is away is asked again after a pause, one that refuses is not.
    if (context.httpDownUntil <= context.now()) {
      this.#refusal = failure;
      if (this.#request.url === undefined && error.code === "http") context.onlySigned = true;
    }
    this.#giveUp(failure);
  }

  /** Ends in an error, unless neighbours have everything that is missing: then the origin is not needed. */
  #giveUp(error: PlaybackError): void {
    const gaps = this.#missing(this.needed);
    // Who says that it has everything may send nothing.
    const late =
      this.#asked &&
      error === this.#refusal &&
      error.code === "http" &&
      Math.max(this.#waitsSince + PATIENCE_MS, this.#request.deadline() - PATIENCE_MS) < this.#context.now();
    if (!late && !gaps.some((gap) => !this.#context.covered(gap).covers(gap))) return;
    this.#error = error;
    this.#notify();
  }
}
