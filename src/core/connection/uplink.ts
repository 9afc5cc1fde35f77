import type { Millis } from "./settings.ts";

/** Queue that all channels together may cause at our own line, ms: LEDBAT's target for each of them, and what a part of a chunk may add. */
const TARGET_MS = 130;
/** Two chunks may always be on their way where they take no longer than this, ms: where only one is, less than what the line carries is seen. */
const PAIR_MS = 300;
/** The line is measured over at least this, ms. */
const SPAN_MS = 200;
const WEIGHT = 1 / 4;
/**
 * What has not been acknowledged after so many times what it usually takes does not count: nobody else waits for a silent peer, nor
 * for one whose ACKs stand behind seconds of its own chunks.
 */
const PATIENCE = 2;
/** A line for which nobody had to wait for so long has room for more, ms. */
const SPARE_MS = 1_000;

/** A channel that may have something to send. */
export interface Sender {
  /** Sends a chunk; returns false if there is none, or none that may be sent now, or the channel is closed. */
  sendOne(): boolean;
}

/** Bytes on their way to a peer. */
export interface Flight {
  readonly at: Millis;
  readonly bytes: number;
}

/**
 * Our own line, which all channels share. LEDBAT gives way to others, but each channel's by itself: many of them let a queue
 * grow behind which everybody waits. So together they have no more on its way than the line carries in a round trip and
 * `TARGET_MS`, one chunk at least, and next is whom we have given least of late: a newcomer does not wait behind those who have seconds
 * left. Our own ACKs and REQUESTs do wait behind what is on its way.
 */
export class Uplink<Channel extends Sender = Sender> {
  readonly #chunkSize: number;
  readonly #given: (sender: Channel, now: Millis) => number;
  readonly #waiting = new Set<Channel>();
  /** What is on its way, oldest first, and its bytes. */
  readonly #flights = new Set<Flight>();
  #flight = 0;
  /** Bytes that may be on their way to all peers together; Infinity until a queue was seen. */
  limit = Infinity;
  /** Bytes per ms that arrive, and how long they travel without a queue of ours, ms. */
  #rate = 0;
  #travel: Millis = 0;
  /** Since when is measured, at the earliest since something is on its way; bytes that have arrived since then. */
  #since: Millis = 0;
  #delivered = 0;
  /** The shortest queue on the way to a peer, ms: ours is no longer, whatever a liar or a busy line says at the other end. */
  #queue: Millis = Infinity;
  /** When somebody had to wait last. */
  #scarceAt: Millis = -Infinity;

  /** `given`: how much a channel's peer was given of late. */
  constructor(chunkSize: number, given: (sender: Channel, now: Millis) => number) {
    this.#chunkSize = chunkSize;
    this.#given = given;
  }

  /** Whether nobody had to wait of late. */
  hasSpare(now: Millis): boolean {
    return now - this.#scarceAt > SPARE_MS;
  }

  /** A channel may have something to send. */
  wait(sender: Channel): void {
    this.#waiting.add(sender);
  }

  /** Lets channels send while there is room; `reading`: bytes that are being read to be sent. */
  serve(now: Millis, reading: () => number): void {
    while (this.#waiting.size > 0) {
      const used = this.#flight + reading();
      if (used === 0 || used + this.#chunkSize <= this.limit) {
        const next = this.#next(now);
        if (!next.sendOne()) this.#waiting.delete(next);
      } else if (now < this.wakeAt) {
        this.#scarceAt = now;
        return;
      } else {
        const [oldest] = this.#flights;
        this.ended(oldest!);
      }
    }
  }

  /** Bytes go out. */
  sent(flight: Flight): void {
    if (this.#flights.size === 0) {
      this.#since = flight.at;
      this.#delivered = 0;
    }
    this.#flights.add(flight);
    this.#flight += flight.bytes;
  }

  /** They are not on their way any more. */
  ended(flight: Flight): void {
    if (!this.#flights.delete(flight)) return;
    this.#flight -= flight.bytes;
  }

  /** Bytes were acknowledged, `elapsed` ms after they left, of which they were `queued` for so many. */
  acknowledged(bytes: number, elapsed: Millis, queued: Millis, now: Millis): void {
    this.#delivered += bytes;
    this.#travel = follow(this.#travel, elapsed - queued);
    this.#queue = Math.min(this.#queue, queued);
    const span = now - this.#since;
    if (span < SPAN_MS) return;
    this.#measure(span);
    this.#since = now;
    this.#delivered = 0;
    this.#queue = Infinity;
  }

  #measure(span: Millis): void {
    const rate = this.#delivered / span;
    const scarce = this.#scarceAt >= this.#since;
    // What nobody asked for says nothing about the line.
    if (rate > this.#rate || scarce) this.#rate = follow(this.#rate, rate);
    if (this.#queue <= TARGET_MS && this.limit === Infinity) return;
    this.limit = Math.max(this.#rate * (this.#travel + TARGET_MS), Math.min(2 * this.#chunkSize, this.#rate * PAIR_MS));
  }

  /** When the oldest that is on its way does not count any more; Infinity while nobody waits for that. */
  get wakeAt(): Millis {
    const [oldest] = this.#flights;
    return oldest === undefined || this.#waiting.size === 0
      ? Infinity
      : oldest.at + PATIENCE * (this.#travel + TARGET_MS);
  }

  /** Of those who wait, at most one for each channel, whom we have given least. */
  #next(now: Millis): Channel {
    let next: Channel | undefined;
    let least = Infinity;
    for (const sender of this.#waiting) {
      const given = this.#given(sender, now);
      if (next !== undefined && given >= least) continue;
      next = sender;
      least = given;
    }
    return next!;
  }
}

/** A mean that follows its samples; the first one is taken as it is. */
const follow = (mean: number, sample: number): number => mean + (sample - mean) * (mean === 0 ? 1 : WEIGHT);
