import { ChunkSet } from "../address/chunk-set.ts";
import type { ChannelSettings, Millis } from "./settings.ts";

interface Asked {
  readonly at: Millis;
  /** Bytes that had arrived from this peer when the chunk was asked for. */
  readonly received: number;
}

/** Weights of RFC 6298 for mean and deviation of the answer time. */
const MEAN_WEIGHT = 1 / 8;
const DEVIATION_WEIGHT = 1 / 4;
/** Answer time assumed before the first answer, ms. */
const FIRST_TIMEOUT_MS = 2_000;
/** Chunks asked for before the peer's rate is known. */
const FIRST_OUTSTANDING = 8;
/** REQUESTs in flight cover this much of the peer's rate beyond the round trip, ms. */
const AHEAD_MS = 500;

/** What we have asked one peer for, how fast it answers, and what it failed to deliver. */
export class Download {
  /** Chunks that this peer was asked for and let pass their time; asked elsewhere first from now on. */
  readonly late = new ChunkSet();
  readonly #asked = new Map<number, Asked>();
  readonly #settings: ChannelSettings;
  #received = 0;
  #mean: Millis | undefined;
  #deviation: Millis = 0;
  #backOff = 1;
  #rate = 0;

  constructor(settings: ChannelSettings) {
    this.#settings = settings;
  }

  /** Chunks asked for and not answered yet. */
  get outstanding(): number {
    return this.#asked.size;
  }

  /** Content bytes per ms that this peer delivers; 0 while unknown. */
  get rate(): number {
    return this.#rate;
  }

  /** Whether a chunk is asked for here. */
  isAsked(chunk: number): boolean {
    return this.#asked.has(chunk);
  }

  /** The chunks from `start` to `end` that are asked for here. */
  asked(start: number, end: number): number[] {
    return [...this.#asked.keys()].filter((chunk) => chunk >= start && chunk <= end);
  }

  /** How many more chunks may be asked for: enough REQUESTs to cover rate × round trip, fewer after silence. */
  room(chunkSize: number): number {
    const wanted =
      this.#rate === 0
        ? FIRST_OUTSTANDING
        : Math.ceil((this.#rate * (Math.min(this.#mean ?? 0, AHEAD_MS) + AHEAD_MS)) / chunkSize) + 2;
    const limit = Math.min(this.#settings.maxOutstanding, Math.max(2, Math.floor(wanted / this.#backOff)));
    return Math.max(0, limit - this.#asked.size);
  }

  /** When one more chunk asked for now would be here. */
  expected(chunkSize: number, now: Millis): Millis {
    return now + (this.#rate === 0 ? 0 : (this.#asked.size * chunkSize) / this.#rate + (this.#mean ?? 0) / 2);
  }

  /** A REQUEST for this chunk goes out. */
  ask(chunk: number, now: Millis): void {
    this.#asked.set(chunk, { at: now, received: this.#received });
  }

  /** A chunk arrived; returns whether it was asked for here, also if it is late. */
  arrived(chunk: number, bytes: number, now: Millis): boolean {
    const asked = this.#asked.get(chunk);
    if (asked === undefined) {
      if (!this.late.has(chunk)) return false;
      this.late.delete({ start: chunk, end: chunk });
      this.#received += bytes;
      return true;
    }
    this.#asked.delete(chunk);
    this.#received += bytes;
    this.#backOff = 1;
    const elapsed = Math.max(now - asked.at, 0.1);
    const rate = (this.#received - asked.received) / elapsed;
    this.#rate += (rate - this.#rate) * (this.#rate === 0 ? 1 : MEAN_WEIGHT);
    if (this.#mean === undefined) {
      this.#mean = elapsed;
      this.#deviation = elapsed / 2;
    } else {
      this.#deviation += (Math.abs(this.#mean - elapsed) - this.#deviation) * DEVIATION_WEIGHT;
      this.#mean += (elapsed - this.#mean) * MEAN_WEIGHT;
    }
    return true;
  }

  /** The chunk is no longer asked for here. Returns whether it was. */
  release(chunk: number): boolean {
    return this.#asked.delete(chunk);
  }

  /** Gives up everything that is outstanding and returns it. */
  releaseAll(): number[] {
    const chunks = [...this.#asked.keys()];
    this.#asked.clear();
    return chunks;
  }

  /** When the oldest REQUEST runs out of time; Infinity without one. */
  get timeoutAt(): Millis {
    for (const asked of this.#asked.values()) return asked.at + this.#timeout();
    return Infinity;
  }

  /** Takes out the chunks whose time is up, and remembers them as late. */
  expire(now: Millis): number[] {
    const timeout = this.#timeout();
    const expired: number[] = [];
    for (const [chunk, asked] of this.#asked) {
      if (asked.at + timeout > now) break;
      expired.push(chunk);
    }
    for (const chunk of expired) {
      this.#asked.delete(chunk);
      this.late.add({ start: chunk, end: chunk });
    }
    if (expired.length > 0) this.#backOff = Math.min(this.#backOff * 2, 16);
    return expired;
  }

  #timeout(): Millis {
    const { minRequestMs, maxRequestMs } = this.#settings;
    const estimate = this.#mean === undefined ? FIRST_TIMEOUT_MS : this.#mean + 4 * this.#deviation;
    return Math.min(maxRequestMs, Math.max(minRequestMs, estimate) * this.#backOff);
  }
}
