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
  /** Bytes of the whole resource, where that is known: a server that has more or fewer has another one. */
  readonly size?: number;
  /** Nothing waits for it: that it fails does not mean that the origin is away. @defaultValue false */
  readonly aside?: boolean;
  readonly signal: AbortSignal;
}

/** An answer that was asked for before the engine wanted it. */
export interface EarlyResponse extends Response {
  /** On the engine's clock, ms. */
  readonly askedAt: number;
  /** When it began to come. */
  readonly answeredAt: number;
}

/** No byte for this long ends an attempt, ms. */
const SILENCE_MS = 8_000;
/** Statuses below 500 that may pass by themselves (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4). */
const PASSING = new Set([408, 425, 429]);
/** Pauses after failed attempts, ms. */
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 8_000;
/** Assumed of an answer until reads have told of the line, bytes per ms and ms: 2 Mbit/s after 100 ms, so that nobody counts on more. */
const FIRST_RATE = 250;
const FIRST_DELAY_MS = 100;
/** Weight of a new measure of the delay. */
const WEIGHT = 1 / 3;
/** Assumed of the line itself until then, bytes per ms: 8 Mbit/s, which most viewers have. */
const FIRST_LINE_RATE = 1_000;
/** What was seen of the line so long ago counts half as much as what is seen now, ms … */
const HALF_LIFE_MS = 1_000;
/** … but all of it together at least as much as this, ms, however long ago it was: less tells nothing. */
const LEAST_MS = 50;
/** Fewer bytes are no measure at all. */
const LEAST_BYTES = 16_384;

/** The origin: gives byte ranges, and knows how fast it has been. */
export class HttpSource {
  readonly #fetch: typeof fetch;
  readonly #clock: Clock;
  #delay = FIRST_DELAY_MS;
  /** Answers that come in now. */
  #coming = 0;
  /** Bytes that have come of late, and the time in which any came, ms. */
  #bytes = 0;
  #ms = 0;
  #countedAt: number;
  /** Bytes so far that tell of the line. */
  #told = 0;
  #failures = 0;
  #downUntil = 0;

  constructor(fetcher: typeof fetch, clock: Clock) {
    this.#fetch = fetcher;
    this.#clock = clock;
    this.#countedAt = clock.now();
  }

  /** How long so many bytes take, ms. */
  expectedMs(bytes: number): number {
    const lineMs = this.lineMs(bytes);
    return this.#delay + (this.#told < LEAST_BYTES ? bytes / FIRST_RATE : lineMs);
  }

  /** How long so many bytes take once they begin to come, if nothing else is read, ms. */
  lineMs(bytes: number): number {
    this.#count(0);
    return this.#told < LEAST_BYTES ? bytes / FIRST_LINE_RATE : (bytes * this.#ms) / this.#bytes;
  }

  /** Time from which on the next attempt makes sense; later than now only after failures. */
  get downUntil(): number {
    return this.#downUntil;
  }

  /** The bytes as they come in, exactly `length` of them. @throws PlaybackError; `mismatch` where the resource has another size */
  async *read(request: HttpRequest): AsyncGenerator<Uint8Array, void, undefined> {
    const { url, offset, length, whole, size, aside, signal } = request;
    const abort = new AbortController();
    const cancel = (): void => abort.abort();
    signal.addEventListener("abort", cancel, { once: true });
    let stopWatch = this.#clock.after(SILENCE_MS, cancel);
    const began = this.#clock.now();
    let got = 0;
    let begun = false;
    /** That it fails does not mean that the origin is away. */
    let excused = aside ?? false;
    try {
      const headers: Record<string, string> = whole ? {} : { Range: `bytes=${offset}-${offset + length - 1}` };
      const response = await this.#fetch(url, { headers, signal: abort.signal });
      if (!response.ok || response.body === null) {
        excused ||= response.status < 500 && !PASSING.has(response.status);
        throw new PlaybackError("http", `${url} answered ${response.status} ${response.statusText}`.trimEnd());
      }
      this.#delay += (this.#clock.now() - began - this.#delay) * WEIGHT;
      const { askedAt = began, answeredAt } = response as Partial<EarlyResponse>;
      if (size !== undefined && !fits(response, size)) {
        excused = true;
        throw new PlaybackError("mismatch", `${url} has not the ${size} bytes that were published`);
      }
      // A server without Range support answers 200 and begins at byte 0.
      let skip = response.status === 206 ? 0 : offset;
      const reader = response.body.getReader();
      while (got < length) {
        const { done, value: part } = await reader.read();
        if (done) {
          // What is cut off ends with an error: this is all that there is.
          excused = true;
          throw new PlaybackError("mismatch", `${url} ended after ${got} of ${length} bytes`);
        }
        stopWatch();
        stopWatch = this.#clock.after(SILENCE_MS, cancel);
        const useful = part.subarray(Math.min(skip, part.length), skip + length - got);
        skip = Math.max(0, skip - part.length);
        got += useful.length;
        if (begun) this.#count(part.length);
        else this.#begins(part.length, askedAt, length < LEAST_BYTES ? undefined : answeredAt);
        begun = true;
        if (useful.length > 0) yield useful;
      }
      this.#failures = 0;
      this.#downUntil = 0;
    } catch (error) {
      if (signal.aborted) throw new PlaybackError("aborted", url);
      if (!excused) this.#failed();
      if (error instanceof PlaybackError) throw error;
      throw new PlaybackError("network", `${url} could not be read`, { cause: error });
    } finally {
      // What was on its way when nobody wanted it any more is no pause of the line.
      if (begun && --this.#coming === 0) this.#countedAt = this.#clock.now();
      stopWatch();
      signal.removeEventListener("abort", cancel);
      abort.abort();
    }
  }

  /**
   * An answer comes in. Its first bytes had been on their way before anybody looked, but not longer than since they were asked
   * for: where that alone is faster than all before, as where a whole segment comes in one piece, it tells of the line. What has
   * come since `answeredAt`, before it was wanted, is read all at once, and counts from then.
   */
  #begins(bytes: number, askedAt: number, answeredAt: number | undefined): void {
    if (answeredAt !== undefined && this.#coming === 0) {
      this.#coming++;
      this.#countedAt = answeredAt;
      this.#count(bytes);
      return;
    }
    const known = this.lineMs(bytes);
    const ms = this.#clock.now() - askedAt;
    if (bytes >= LEAST_BYTES && ms < known) {
      this.#bytes += bytes;
      this.#ms += ms;
      this.#told += bytes;
    }
    this.#coming++;
  }

  /** Counts what has come, and the time up to now. */
  #count(bytes: number): void {
    const now = this.#clock.now();
    const elapsed = now - this.#countedAt;
    this.#countedAt = now;
    const kept = Math.max(0.5 ** (elapsed / HALF_LIFE_MS), Math.min(1, LEAST_MS / this.#ms));
    this.#bytes *= kept;
    this.#ms *= kept;
    if (this.#coming === 0) return;
    this.#bytes += bytes;
    this.#ms += elapsed;
    this.#told += bytes;
  }

  #failed(): void {
    this.#downUntil = this.#clock.now() + Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
  }
}

/**
 * Whether a resource may have this size, as far as the answer tells: what is compressed on its way has another length there, at
 * most a little longer, and other origins need not say that it is (RFC 9110 §8.6, §14.4).
 */
function fits({ status, headers }: Response, size: number): boolean {
  const range = /\/(\d+)$/.exec(headers.get("content-range") ?? "");
  if (status === 206) return range === null || Number(range[1]) === size;
  return headers.has("content-encoding") || Number(headers.get("content-length") ?? 0) <= size * 1.001 + 64;
}
