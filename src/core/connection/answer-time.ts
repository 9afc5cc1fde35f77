import type { Millis } from "./settings.ts";

const MEAN_WEIGHT = 1 / 8;
const DEVIATION_WEIGHT = 1 / 4;
const MAX_BACK_OFF = 16;

/** How long answers take, and from when on one counts as lost (RFC 6298). */
export class AnswerTime {
  readonly #first: Millis;
  readonly #min: Millis;
  readonly #max: Millis;
  #mean: Millis | undefined;
  #deviation: Millis = 0;
  /** Shortest time of an answer that was surely one. */
  #least: Millis = Infinity;
  #backOff = 1;
  #lostAt: Millis = -Infinity;

  /** `first`: time-out before the first answer; `min`, `max`: its bounds afterwards, ms. */
  constructor(first: Millis, min: Millis, max: Millis) {
    this.#first = first;
    this.#min = min;
    this.#max = max;
  }

  /** Mean of the answer times, ms; undefined before the first. */
  get mean(): Millis | undefined {
    return this.#mean;
  }

  /** 1 as long as answers come; doubles with each time-out in a row, up to 16. */
  get backOff(): number {
    return this.#backOff;
  }

  /** Whether four time-outs came in a row. */
  get hopeless(): boolean {
    return this.#backOff === MAX_BACK_OFF;
  }

  /** Wait after which an answer counts as lost, ms. */
  get timeout(): Millis {
    const estimate = this.#mean === undefined ? this.#first : Math.max(this.#min, this.#mean + 4 * this.#deviation);
    return Math.min(this.#max, estimate * this.#backOff);
  }

  /** An answer came after this time. */
  sample(elapsed: Millis): void {
    this.#least = Math.min(this.#least, elapsed);
    this.#take(elapsed);
  }

  /**
   * An answer came to something that was sent twice. If it came too soon after the second time, it answers the first;
   * otherwise nobody knows (Karn's rule), but it is a sign of life.
   */
  sampleAgain(sinceFirst: Millis, sinceSecond: Millis): void {
    if (this.#least === Infinity || sinceSecond < this.#least / 2) this.#take(sinceFirst);
    else this.alive();
  }

  /** An answer came that says nothing about the time it took. */
  alive(): void {
    this.#backOff = Math.max(1, this.#backOff / 2);
  }

  /** No answer came in time to what was sent at `sentAt`. What left before the last loss was noticed belongs to that loss. */
  lost(sentAt: Millis, now: Millis): void {
    if (sentAt < this.#lostAt) return;
    this.#lostAt = now;
    this.#backOff = Math.min(this.#backOff * 2, MAX_BACK_OFF);
  }

  #take(elapsed: Millis): void {
    this.#backOff = 1;
    if (this.#mean === undefined) {
      this.#mean = elapsed;
      this.#deviation = elapsed / 2;
      return;
    }
    this.#deviation += (Math.abs(this.#mean - elapsed) - this.#deviation) * DEVIATION_WEIGHT;
    this.#mean += (elapsed - this.#mean) * MEAN_WEIGHT;
  }
}
