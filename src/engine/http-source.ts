import { PlaybackError } from "./errors.ts";
import type { Clock } from "./ports.ts";

/** Bytes of one resource. */
export interface HttpRequest {
  readonly url: string;
  /** First byte in the resource. */
  readonly offset: number;
  readonly length: number;
  /** Whether these bytes are the whole resource, so that no Range header is needed. */
  readonly whole: boolean;
  readonly signal: AbortSignal;
}

/** No byte for this long ends an attempt, ms. */
const SILENCE_MS = 8_000;
/** Pauses after failed attempts, ms. */
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 8_000;
/** Assumed until the first answer: 100 kB in 400 ms, which is 2 Mbit/s, after 100 ms. */
const FIRST_BYTES = 100_000;
const FIRST_MS = 400;
const FIRST_DELAY_MS = 100;
/** Least weight of a new measure. */
const WEIGHT = 1 / 3;
/** What was measured so long ago counts half as much as what is measured now, ms: where neighbours deliver, the origin is seldom read. */
const HALF_LIFE_MS = 5_000;
/** Assumed of the line alone until the first read has shown it, bytes per ms: 8 Mbit/s, which most viewers have. */
const FIRST_LINE_RATE = 1_000;
/** A read that was over sooner, or shorter, tells nothing of the line, ms and bytes. */
const LINE_MS = 50;
const LINE_BYTES = 16_384;

/** The origin: gives byte ranges, and knows how fast it has been. */
export class HttpSource {
  readonly #fetch: typeof fetch;
  readonly #clock: Clock;
  /** Averages of the latest reads, apart, so that a small one weighs as little as it is. */
  #bytes = FIRST_BYTES;
  #ms = FIRST_MS;
  #delay = FIRST_DELAY_MS;
  /** When a read told of the line, ms; the first one takes the place of what was assumed. */
  #toldAt = -Infinity;
  /** Bytes of all reads so far, and how fast they came of late while any came, bytes per ms. */
  #total = 0;
  #lineRate = FIRST_LINE_RATE;
  #failures = 0;
  #downUntil = 0;

  constructor(fetcher: typeof fetch, clock: Clock) {
    this.#fetch = fetcher;
    this.#clock = clock;
  }

  /** How long so many bytes take, ms. */
  expectedMs(bytes: number): number {
    return this.#delay + (bytes * this.#ms) / this.#bytes;
  }

  /** How long so many bytes take at least, if nothing else is read, ms; without the wait for the first one. */
  lineMs(bytes: number): number {
    return bytes / this.#lineRate;
  }

  /** Time from which on the next attempt makes sense; later than now only after failures. */
  get downUntil(): number {
    return this.#downUntil;
  }

  /** The bytes as they come in, exactly `length` of them. @throws PlaybackError */
  async *read(request: HttpRequest): AsyncGenerator<Uint8Array, void, undefined> {
    const { url, offset, length, whole, signal } = request;
    const abort = new AbortController();
    const cancel = (): void => abort.abort();
    signal.addEventListener("abort", cancel, { once: true });
    let stopWatch = this.#clock.after(SILENCE_MS, cancel);
    const began = this.#clock.now();
    let got = 0;
    let firstByteAt: number | undefined;
    let before = 0;
    try {
      const headers: Record<string, string> = whole ? {} : { Range: `bytes=${offset}-${offset + length - 1}` };
      const response = await this.#fetch(url, { headers, signal: abort.signal });
      if (!response.ok || response.body === null) {
        throw new PlaybackError("http", `${url} answered ${response.status} ${response.statusText}`.trimEnd());
      }
      firstByteAt = this.#clock.now();
      before = this.#total;
      // A server without Range support answers 200 and begins at byte 0.
      let skip = response.status === 206 ? 0 : offset;
      const reader = response.body.getReader();
      while (got < length) {
        const { done, value: part } = await reader.read();
        if (done) throw new PlaybackError("network", `${url} ended after ${got} of ${length} bytes`);
        stopWatch();
        stopWatch = this.#clock.after(SILENCE_MS, cancel);
        const useful = part.subarray(Math.min(skip, part.length), skip + length - got);
        skip = Math.max(0, skip - part.length);
        got += useful.length;
        this.#total += useful.length;
        if (useful.length > 0) yield useful;
      }
      this.#failures = 0;
      this.#downUntil = 0;
    } catch (error) {
      if (signal.aborted) throw new PlaybackError("aborted", `${url} is not needed any more`);
      this.#failed();
      if (error instanceof PlaybackError) throw error;
      throw new PlaybackError("network", `${url} could not be read`, { cause: error });
    } finally {
      if (firstByteAt !== undefined && got > 0)
        this.#measured(got, this.#total - before, firstByteAt - began, this.#clock.now() - firstByteAt);
      stopWatch();
      signal.removeEventListener("abort", cancel);
      abort.abort();
    }
  }

  /** `all`: bytes of all reads in this time. */
  #measured(bytes: number, all: number, delay: number, elapsed: number): void {
    const tells = elapsed >= LINE_MS && bytes >= LINE_BYTES;
    const now = this.#clock.now();
    const weight = tells ? Math.max(WEIGHT, 1 - 0.5 ** ((now - this.#toldAt) / HALF_LIFE_MS)) : WEIGHT;
    if (tells) this.#toldAt = now;
    this.#delay += (delay - this.#delay) * WEIGHT;
    this.#bytes += (bytes - this.#bytes) * weight;
    this.#ms += (Math.max(elapsed, 1) - this.#ms) * weight;
    if (tells) this.#lineRate += (all / elapsed - this.#lineRate) * weight;
  }

  #failed(): void {
    this.#downUntil = this.#clock.now() + Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
  }
}
