import type { Millis } from "./settings.ts";

/** Queueing delay that we allow ourselves to cause, ms: RFC 6817 §2.5, "MUST be 100 milliseconds or less". */
const TARGET_MS = 100;
/** How fast the window follows the delay; at most 1 (RFC 6817 §2.5). */
const GAIN = 1;
/** Minima of the one-way delay are kept for this many minutes, so that a new route or a drifting clock is noticed (RFC 6817 §2.4.2). */
const BASE_HISTORY = 10;
const MINUTE_MS = 60_000;
/** After so many impossible samples in a row it is the base that is wrong, as after a clock was set. */
const REFUSALS = 8;
/** Latest samples, none older than a round trip, of which the least counts: one late wake-up of the peer is no queue. */
const CURRENT_FILTER = 4;
/** The window never falls below this many segments … (RFC 6817 §2.5, MIN_CWND) */
const MIN_SEGMENTS = 2;
/** … nor grows beyond what is in flight by more than these: what was never tried is not known to fit (ALLOWED_INCREASE). */
const ALLOWED_SEGMENTS = 1;
/** First window, bytes: RFC 6928's, which RFC 6817's INIT_CWND of 2 is the lower end of. */
const FIRST_WINDOW = 14_600;
/** Part of the target at which slow start ends, so that it does not overshoot. */
const SLOW_START_END = 0.75;

/** Delay-based congestion control of one path (RFC 6817): a window in bytes that yields to everybody else's traffic. */
export class Ledbat {
  readonly #segment: number;
  readonly #limit: number;
  /** Least one-way delay of each of the last minutes, ms, newest last; its zero point is anywhere, since clocks differ. */
  readonly #base: number[] = [];
  #minute = -Infinity;
  /** The latest samples, as far as they were left out. */
  readonly #refused: number[] = [];
  readonly #current: { readonly delay: number; readonly at: Millis }[] = [];
  #window: number;
  /** Below it the window doubles with each round trip: slow start (RFC 5681 §3.1). */
  #threshold = Infinity;
  #lostAt: Millis = -Infinity;

  /** `segment`: bytes that are sent at a time; `limit`: bytes that the window never exceeds; `first`: those that it begins with. */
  constructor(segment: number, limit: number, first = Math.min(10 * segment, FIRST_WINDOW)) {
    this.#segment = segment;
    this.#limit = Math.max(limit, MIN_SEGMENTS * segment);
    this.#window = Math.min(this.#limit, Math.max(MIN_SEGMENTS * segment, first));
  }

  /** Bytes that may be unacknowledged. */
  get window(): number {
    return this.#window;
  }

  /** What the latest samples say about the queues on the way, ms. */
  get queueing(): Millis {
    if (this.#current.length === 0) return 0;
    return Math.max(0, Math.min(...this.#current.map(({ delay }) => delay)) - Math.min(...this.#base));
  }

  /**
   * `bytes` of `flight` are acknowledged with this one-way delay, ms. `elapsed` is the time since they left: a queue that is
   * longer than that is none, and such a sample is left out (ACK.2 of RFC 7574 §13.6.4).
   */
  acknowledged(bytes: number, flight: number, delay: number, elapsed: Millis, now: Millis): void {
    const taken = this.#sample(delay, elapsed, now);
    // Slow start heeds the latest sample alone, since what it has already sent is one more window.
    if (taken && delay - Math.min(...this.#base) > SLOW_START_END * TARGET_MS)
      this.#threshold = Math.min(this.#threshold, this.#window);
    const slowStart = this.#window < this.#threshold;
    const offTarget = (TARGET_MS - this.queueing) / TARGET_MS;
    const grown = this.#window + (slowStart ? bytes : (GAIN * offTarget * bytes * this.#segment) / this.#window);
    const allowed = Math.max(this.#window, flight + (slowStart ? bytes : ALLOWED_SEGMENTS * this.#segment));
    this.#set(Math.min(grown, allowed));
  }

  /** Data that left at `sentAt` is lost: half the window, once for all that left before the last loss was noticed. */
  lost(sentAt: Millis, now: Millis): void {
    if (sentAt < this.#lostAt) return;
    this.#lostAt = now;
    this.#set(this.#window / 2);
    this.#threshold = this.#window;
  }

  /** Nothing was acknowledged for a whole time-out: begin again with the least. */
  silent(): void {
    this.#set(0);
  }

  #set(window: number): void {
    this.#window = Math.min(this.#limit, Math.max(MIN_SEGMENTS * this.#segment, window));
  }

  /** Returns whether the sample counts. */
  #sample(delay: number, elapsed: Millis, now: Millis): boolean {
    const minute = Math.floor(now / MINUTE_MS);
    if (minute - this.#minute >= BASE_HISTORY) this.#base.length = 0;
    const least = this.#base.length === 0 ? delay : Math.min(...this.#base);
    if (delay - least > elapsed) {
      if (this.#refused.push(delay) < REFUSALS) return false;
      this.#base.length = this.#current.length = 0;
      this.#minute = -Infinity;
    }
    const lowest = Math.min(delay, ...this.#refused);
    this.#refused.length = 0;
    if (minute === this.#minute) {
      const last = this.#base.length - 1;
      this.#base[last] = Math.min(this.#base[last]!, delay);
    } else {
      this.#minute = minute;
      this.#base.push(lowest);
      if (this.#base.length > BASE_HISTORY) this.#base.shift();
    }
    this.#current.push({ delay, at: now });
    while (this.#current.length > CURRENT_FILTER || this.#current[0]!.at < now - elapsed) this.#current.shift();
    return true;
  }
}
