import { ChunkSet } from "../core/address/chunk-set.ts";
import type { ChunkRange } from "../core/address/range.ts";
import { PlaybackError } from "./errors.ts";
import type { HttpRequest } from "./http-source.ts";

/** Where bytes that were handed to the player came from; `cache`: they had been handed out before. */
export type PieceSource = "http" | "peer" | "cache";

/** Bytes for the player, in order. They are the store's own: for reading only. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly source: PieceSource;
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
export interface DeliveryContext {
  readonly now: () => number;
  readonly after: (delayMs: number, wake: () => void) => () => void;
  /** The bytes of a chunk that is held, and where they came from. */
  take(chunk: number): Piece | undefined;
  holds(chunk: number): boolean;
  /** Parts of a range that an open, unchoking neighbour has. */
  covered(range: ChunkRange): ChunkRange[];
  /** Whether neighbours may turn up at any moment, so that whoever has time should wait for them. */
  readonly expecting: boolean;
  want(chunks: ChunkRange, deadline: number): void;
  unwant(chunks: ChunkRange): void;
  /** Chunk from the origin, complete: to be verified, kept and announced. Resolves to false where it must not be played. */
  fromOrigin(chunk: number, bytes: Uint8Array): Promise<boolean>;
  received(httpBytes: number): void;
  /** Nothing is handed out before it is verified. */
  readonly strict: boolean;
  /** Exact bytes of a chunk. */
  chunkLength(chunk: number): number;
  read(request: HttpRequest): AsyncGenerator<Uint8Array, void, undefined>;
  expectedHttpMs(bytes: number): number;
  readonly httpDownUntil: number;
}

/** Where the bytes are. */
export interface DeliveryPlace {
  readonly url: string;
  /** Whether the file is a whole resource. */
  readonly whole: boolean;
  /** Byte of the resource at which the file begins. */
  readonly fileOffset: number;
  readonly fileChunks: ChunkRange;
  readonly chunkSize: number;
  /** The chunks to deliver. */
  readonly chunks: ChunkRange;
}

/** The origin is asked when no more than twice its expected time plus this is left, ms: time for a failure and a second try. */
const MARGIN_MS = 1_000;
/** Longest wait between two looks at the situation, ms. */
const LOOK_MS = 200;

/**
 * One request of the player: chunks in order, each from whoever can give it in time. While the deadline is far, neighbours
 * that have a chunk are asked for it, and the origin only for what nobody has. When it is near, the origin delivers from
 * the front while neighbours go on with the later half, until they meet.
 */
export class Delivery {
  readonly #context: DeliveryContext;
  readonly #place: DeliveryPlace;
  readonly #request: FetchRequest;
  /** Chunks from the origin that the player has not got yet, in case that the store does not keep them. */
  readonly #raw = new Map<number, Uint8Array>();
  #next: number;
  #http: { readonly abort: AbortController; readonly range: ChunkRange; at: number } | undefined;
  #wanted = new ChunkSet();
  #wantedDeadline = 0;
  #error: PlaybackError | undefined;
  #notify: () => void = () => undefined;
  #closed = false;

  constructor(context: DeliveryContext, place: DeliveryPlace, request: FetchRequest) {
    this.#context = context;
    this.#place = place;
    this.#request = request;
    this.#next = place.chunks.start;
  }

  /** The chunks one by one. @throws PlaybackError */
  async *pieces(): AsyncGenerator<Piece, void, undefined> {
    const { signal } = this.#request;
    const wake = (): void => this.#notify();
    signal?.addEventListener("abort", wake);
    try {
      for (; this.#next <= this.#place.chunks.end; this.#next++) yield await this.#await(this.#next);
    } finally {
      signal?.removeEventListener("abort", wake);
      this.close();
    }
  }

  /** Something changed: a chunk came in, a neighbour came or went. */
  changed(): void {
    this.#notify();
  }

  /** Another delivery took back a want for these chunks: if they are wanted here, that must be said again. */
  unwanted(chunks: ChunkRange): void {
    this.#wanted.delete(chunks);
  }

  /** Ends everything that runs on behalf of this delivery. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#http?.abort.abort();
    const wanted = this.#wanted;
    this.#wanted = new ChunkSet();
    for (const range of wanted) this.#context.unwant(range);
    this.#raw.clear();
    this.#notify();
  }

  async #await(chunk: number): Promise<Piece> {
    for (;;) {
      if (this.#closed || this.#request.signal?.aborted === true) {
        throw new PlaybackError("aborted", "the request was taken back");
      }
      const piece = this.#take(chunk);
      if (piece !== undefined) return piece;
      const lookAgain = this.#decide();
      if (this.#error !== undefined) throw this.#error;
      await new Promise<void>((resolve) => {
        const stop = this.#context.after(Math.min(LOOK_MS, Math.max(1, lookAgain)), resolve);
        this.#notify = () => {
          stop();
          resolve();
        };
      });
      this.#notify = () => undefined;
    }
  }

  #take(chunk: number): Piece | undefined {
    const raw = this.#raw.get(chunk);
    if (raw === undefined) return this.#context.take(chunk);
    this.#raw.delete(chunk);
    return { bytes: raw, source: "http" };
  }

  /** Sets the sources to work; returns when to look again, ms. */
  #decide(): number {
    const context = this.#context;
    const gaps = this.#gaps();
    const [first] = gaps;
    if (first === undefined) return 0;
    const now = context.now();
    const deadline = this.#request.deadline();
    const bytes = gaps.reduce((sum, gap) => sum + (gap.end - gap.start + 1) * this.#place.chunkSize, 0);
    const hurryAt = deadline - 2 * context.expectedHttpMs(bytes) - MARGIN_MS;
    const hurry = now >= hurryAt;
    const covered = gaps.flatMap((gap) => context.covered(gap));
    const httpUp = now >= context.httpDownUntil;

    let origin: ChunkRange | undefined;
    if (hurry) origin = first;
    else if (!context.expecting) origin = minus(gaps, covered)[0];
    if (origin !== undefined && httpUp && this.#http === undefined) this.#startHttp(origin);

    const http = this.#http;
    if (http === undefined) this.#want(hurry ? covered : gaps, hurry ? Infinity : deadline, now);
    else {
      // The origin comes from the front; neighbours take the later half of what it still has to give, and the rest.
      const meet = http.at + Math.ceil((http.range.end - http.at + 1) / 2);
      this.#want(minus(covered, [{ start: http.range.start, end: meet }]), Infinity, now);
      if (!gaps.some((gap) => gap.start <= http.range.end && gap.end >= http.at)) http.abort.abort();
    }
    return hurry ? LOOK_MS : hurryAt - now;
  }

  /** What is neither handed out nor held. */
  #gaps(): ChunkRange[] {
    const held = new ChunkSet();
    for (let chunk = this.#next; chunk <= this.#place.chunks.end; chunk++) {
      if (this.#raw.has(chunk) || this.#context.holds(chunk)) held.add({ start: chunk, end: chunk });
    }
    return [...held.missing({ start: this.#next, end: this.#place.chunks.end })];
  }

  #want(ranges: readonly ChunkRange[], deadline: number, now: number): void {
    const wanted = new ChunkSet(ranges);
    for (const gone of minus([...this.#wanted], ranges)) this.#context.unwant(gone);
    // A deadline that moved a little is the same deadline.
    const moved = deadline !== this.#wantedDeadline && !(Math.abs(deadline - this.#wantedDeadline) < LOOK_MS);
    for (const range of ranges) {
      const fresh = moved ? [range] : minus([range], [...this.#wanted]);
      // Neighbours may be late for the origin's sake, but a chunk without a future is not asked for.
      for (const part of fresh) this.#context.want(part, Math.max(deadline, now + MARGIN_MS));
    }
    if (moved) this.#wantedDeadline = deadline;
    this.#wanted = wanted;
  }

  #startHttp(range: ChunkRange): void {
    this.#http = { abort: new AbortController(), range, at: range.start };
    void this.#runHttp(this.#http);
  }

  async #runHttp(http: { readonly abort: AbortController; readonly range: ChunkRange; at: number }): Promise<void> {
    const { url, whole, fileOffset, fileChunks, chunkSize } = this.#place;
    const { start, end } = http.range;
    const offset = fileOffset + (start - fileChunks.start) * chunkSize;
    const length = (end - start) * chunkSize + this.#context.chunkLength(end);
    const everything = whole && start === fileChunks.start && end === fileChunks.end;
    let buffer = new Uint8Array(this.#context.chunkLength(start));
    let filled = 0;
    try {
      for await (const part of this.#context.read({
        url,
        offset,
        length,
        whole: everything,
        signal: http.abort.signal,
      })) {
        this.#context.received(part.length);
        for (let used = 0; used < part.length;) {
          const bytes = part.subarray(used, used + buffer.length - filled);
          buffer.set(bytes, filled);
          filled += bytes.length;
          used += bytes.length;
          if (filled < buffer.length) break;
          void this.#arrived(http.at, buffer);
          http.at++;
          filled = 0;
          if (http.at <= end) buffer = new Uint8Array(this.#context.chunkLength(http.at));
        }
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#http = undefined;
      this.#notify();
    }
  }

  async #arrived(chunk: number, bytes: Uint8Array): Promise<void> {
    const playable = this.#context.fromOrigin(chunk, bytes);
    if (!this.#context.strict) this.#hand(chunk, bytes);
    if (await playable) {
      this.#hand(chunk, bytes);
      return;
    }
    this.#error = new PlaybackError("mismatch", `chunk ${chunk} from the origin does not match the presentation`);
    this.#notify();
  }

  #hand(chunk: number, bytes: Uint8Array): void {
    if (chunk >= this.#next && !this.#closed) this.#raw.set(chunk, bytes);
    this.#notify();
  }

  #failed(error: unknown): void {
    if (!(error instanceof PlaybackError) || error.code === "aborted") return;
    // As long as neighbours have everything that is missing, the origin is not needed.
    const gaps = this.#gaps();
    const left = minus(
      gaps,
      gaps.flatMap((gap) => this.#context.covered(gap)),
    );
    if (left.length > 0) this.#error = error;
  }
}

/** Ranges without the chunks of others. */
function minus(ranges: readonly ChunkRange[], others: readonly ChunkRange[]): ChunkRange[] {
  const set = new ChunkSet(ranges);
  for (const other of others) set.delete(other);
  return [...set];
}
