import type { Millis } from "./settings.ts";

/** Queue that all channels together may cause at our own line, ms: LEDBAT's target for each of them. */
const TARGET_MS = 100;
/** The line is measured over at least this, ms. */
const SPAN_MS = 200;
const WEIGHT = 1 / 4;
/** What was measured is exceeded by this factor at first, and changed by these while the queue is too long, or short although somebody waits. */
const FIRST_FACTOR = 1.5;
const SHRINK = 0.85;
const GROW = 1.15;
const MAX_FACTOR = 8;
/** What has not been acknowledged after so many times what it usually takes does not count: a silent peer keeps nobody else waiting. */
const PATIENCE = 4;
/** A line for which nobody had to wait for so long has room for more, ms. */
const SPARE_MS = 1_000;

/** A channel that may have something to send. */
export interface Sender {
  /** Content bytes that its peer has been given of late. */
  given(now: Millis): number;
  /** Sends a chunk; returns false if there is none, or none that may be sent now. */
  sendOne(): boolean;
}

/** Bytes on their way to a peer. */
export interface Flight {
  readonly at: Millis;
  readonly bytes: number;
}

/** Sums over one measurement: bytes, and bytes × ms. */
interface Measurement {
  readonly since: Millis;
  delivered: number;
  sampled: number;
  travelling: number;
  /** The shortest queue on the way to a peer, ms: ours is no longer, whatever a liar or a busy line says at the other end. */
  queue: Millis;
}

/**
 * Our own line, which all channels share. LEDBAT gives way to others, but each channel's by itself: many of them let a queue
 * grow behind which everybody waits. So together they have no more on its way than the line carries in a round trip and
 * `TARGET_MS`, and next is whom we have given least of late: a newcomer does not wait behind those who have seconds left.
 */
export class Uplink {
  readonly #waiting = new Set<Sender>();
  /** What is on its way, oldest first, and its bytes together with those that are being read for it. */
  readonly #flights = new Set<Flight>();
  #flight = 0;
  /** Infinity until a queue was seen. */
  #limit = Infinity;
  #factor = Infinity;
  /** Bytes per ms that arrive, and how long they travel without a queue of ours, ms. */
  #rate = 0;
  #travel: Millis = 0;
  #measuring: Measurement | undefined;
  /** When somebody had to wait last. */
  #scarceAt: Millis = -Infinity;

  /** Bytes that may be on their way to all peers together. */
  get limit(): number {
    return this.#limit;
  }

  /** Whether nobody had to wait of late. */
  hasSpare(now: Millis): boolean {
    return now - this.#scarceAt > SPARE_MS;
  }

  /** A channel may have something to send. */
  wait(sender: Sender): void {
    this.#waiting.add(sender);
  }

  /** It is closed. */
  forget(sender: Sender): void {
    this.#waiting.delete(sender);
  }

  /** Lets channels send while there is room. */
  serve(now: Millis): void {
    if (this.#flight >= this.#limit) this.#forgive(now);
    while (this.#waiting.size > 0) {
      if (this.#flight >= this.#limit) {
        this.#scarceAt = now;
        return;
      }
      const next = this.#next(now);
      if (!next.sendOne()) this.#waiting.delete(next);
    }
  }

  /** So many bytes more, or fewer, are being read to be sent. */
  reading(bytes: number): void {
    this.#flight += bytes;
  }

  /** Bytes go out. */
  sent(flight: Flight): void {
    this.#flights.add(flight);
    this.#flight += flight.bytes;
  }

  /** They are not on their way any more. */
  ended(flight: Flight): void {
    if (!this.#flights.delete(flight)) return;
    this.#flight -= flight.bytes;
    if (this.#flights.size === 0) this.#measuring = undefined;
  }

  /** Bytes have arrived. */
  delivered(bytes: number): void {
    if (this.#measuring !== undefined) this.#measuring.delivered += bytes;
  }

  /** Bytes were acknowledged, `elapsed` ms after they left, of which they were `queued` for so many. */
  acknowledged(bytes: number, elapsed: Millis, queued: Millis, now: Millis): void {
    this.delivered(bytes);
    const sums = this.#measuring;
    if (sums !== undefined) {
      sums.sampled += bytes;
      sums.travelling += bytes * (elapsed - queued);
      sums.queue = Math.min(sums.queue, queued);
      if (now - sums.since < SPAN_MS) return;
      this.#measured(sums, now);
    }
    if (this.#flight > 0) this.#measuring = { since: now, delivered: 0, sampled: 0, travelling: 0, queue: Infinity };
  }

  #measured({ since, delivered, sampled, travelling, queue }: Measurement, now: Millis): void {
    const rate = delivered / (now - since);
    const travel = travelling / sampled;
    const scarce = this.#scarceAt >= since;
    this.#travel += (travel - this.#travel) * (this.#travel === 0 ? 1 : WEIGHT);
    // What nobody asked for says nothing about the line.
    if (rate > this.#rate || scarce) this.#rate += (rate - this.#rate) * (this.#rate === 0 ? 1 : WEIGHT);
    if (queue > TARGET_MS) this.#factor = this.#factor === Infinity ? FIRST_FACTOR : Math.max(1, this.#factor * SHRINK);
    else if (scarce && queue < TARGET_MS / 2) this.#factor = Math.min(MAX_FACTOR, this.#factor * GROW);
    if (this.#factor === Infinity) return;
    this.#limit = this.#factor * this.#rate * (this.#travel + TARGET_MS);
  }

  #forgive(now: Millis): void {
    const patience = PATIENCE * (this.#travel + TARGET_MS);
    for (const flight of this.#flights) {
      if (now - flight.at < patience) return;
      this.ended(flight);
    }
  }

  /** Of those who wait, at most as many as are served, whom we have given least. */
  #next(now: Millis): Sender {
    let next: Sender | undefined;
    let least = Infinity;
    for (const sender of this.#waiting) {
      const given = this.#waiting.size === 1 ? 0 : sender.given(now);
      if (given >= least) continue;
      next = sender;
      least = given;
    }
    return next!;
  }
}
