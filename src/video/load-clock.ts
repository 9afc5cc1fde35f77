import type { HlsProgressivePerformanceTiming } from "hls.js";
import type { PieceSource } from "../engine/delivery.ts";

/** What hls.js believes about the network at this moment. */
export interface NetworkEstimate {
  /** bit/s. */
  readonly bandwidth: number;
  /** Time to first byte, ms. */
  readonly ttfb: number;
}

/**
 * Measures one load so that hls.js's bandwidth estimator learns the truth about the network and nothing else.
 *
 * hls.js takes one sample per fragment, `stats.loaded` over the time from `loading.start` to the end less the time to
 * first byte, and it abandons a load whose rate so far is below what the buffer needs. Both would be fooled by a swarm:
 * - *Bytes from the cache* took no network. They are left out of `networkBytes`, which is what the loader reports as
 *   loaded, and a load without any other bytes has the time to first byte that hls.js already believes in: no sample.
 * - *Time spent by choice.* While a deadline is far away the engine waits for slow peers although the origin could
 *   answer at once. Such leisure tells nothing of a slow network. So it counts at most as long as its bytes would have
 *   taken: those from the origin at the rate that the engine measures for it, those from peers at that or at hls.js's
 *   own estimate, whichever is faster.
 * - *Bursts from peers.* A neighbour may give at once what the origin would need seconds for, but only of what it has, and only
 *   as long as it is there. So bytes from peers never count as faster than that either.
 * - *Bytes that were fetched ahead* took their time before the load began. They count as at leisure, with the time that they
 *   would have taken: it is neither a fast network nor a cache that gives them at once.
 * - *Hurry.* Once every byte is fetched as fast as it can be, time counts in full, whatever the source.
 * - *Hashes* come over the same line as the first segment; the time that they take is not that segment's.
 *
 * It stands in for `stats.loading`, which hls.js reads while the load runs: `start` and `first` move forward as long as
 * time is not counted.
 */
export class LoadClock implements HlsProgressivePerformanceTiming {
  /** Bytes that crossed the network. */
  networkBytes = 0;
  readonly #now: () => number;
  readonly #estimate: () => NetworkEstimate;
  readonly #originMs: (bytes: number) => number;
  readonly #isHurried: () => boolean;
  readonly #asideMs: () => number;
  /** Time up to which everything is counted, and whether it was in hurry since then. */
  #mark: number;
  #hurried: boolean;
  #hurriedMs = 0;
  #leisureMs = 0;
  /** What all bytes, and those that came at leisure, would have taken from the origin, or by the estimate. */
  #dueMs = 0;
  #leisureDueMs = 0;
  #fromPeers = false;
  #ttfb: number | undefined;
  #end = 0;

  constructor(options: {
    /** `performance.now`. */
    readonly now: () => number;
    readonly estimate: () => NetworkEstimate;
    /** How long bytes take from the origin, ms, once it has begun to answer. */
    readonly originMs: (bytes: number) => number;
    /** How long the line has been busy with what is not media since the load began, ms. */
    readonly asideMs?: () => number;
    /** Whether at this moment bytes are fetched as fast as they can be. */
    readonly isHurried: () => boolean;
  }) {
    const { now, estimate, originMs, isHurried, asideMs = () => 0 } = options;
    this.#now = now;
    this.#estimate = estimate;
    this.#originMs = originMs;
    this.#isHurried = isHurried;
    this.#asideMs = asideMs;
    this.#mark = now();
    this.#hurried = isHurried();
  }

  /** When the load would have begun if it had never been at leisure, ms; moves while it is. */
  get start(): number {
    this.#count();
    const spentMs = Math.max(0, this.#hurriedMs - this.#asideMs()) + Math.min(this.#leisureMs, this.#leisureDueMs);
    return this.#mark - (this.#fromPeers ? Math.max(spentMs, this.#dueMs) : spentMs) - (this.#ttfb ?? 0);
  }

  /** When the first byte would have come, ms; 0 until one has. */
  get first(): number {
    return this.#ttfb === undefined ? 0 : this.start + this.#ttfb;
  }

  /** When the load ended, ms; 0 while it runs. */
  get end(): number {
    return this.#end;
  }

  /** Time in hurry without the time before the first byte from the network, ms. */
  get hurriedMs(): number {
    this.#count();
    return this.#hurriedMs;
  }

  /** Whether any byte has come from the network. */
  get started(): boolean {
    return this.networkBytes > 0;
  }

  /** Notes bytes that have just arrived; `early`: they had been fetched before this load began. */
  received(bytes: number, source: PieceSource, early = false): void {
    this.#count();
    if (source === "cache") return;
    if (this.networkBytes === 0) {
      this.#ttfb = this.#hurried && !early ? this.#hurriedMs : this.#estimate().ttfb;
      this.#hurriedMs = 0;
      this.#leisureMs = 0;
    }
    this.networkBytes += bytes;
    const originMs = this.#originMs(bytes);
    const due = source === "http" ? originMs : Math.min(originMs, (bytes * 8000) / this.#estimate().bandwidth);
    this.#dueMs += due;
    if (source === "peer") this.#fromPeers = true;
    if (this.#hurried && !early) return;
    this.#leisureDueMs += due;
    if (early) this.#leisureMs += due;
  }

  /** Stops the clock. */
  stop(): void {
    this.#count();
    this.#ttfb ??= this.#estimate().ttfb;
    this.#end = this.#mark;
  }

  #count(): void {
    if (this.#end > 0) return;
    const now = this.#now();
    if (this.#hurried) this.#hurriedMs += now - this.#mark;
    else this.#leisureMs += now - this.#mark;
    this.#mark = now;
    this.#hurried = this.#isHurried();
  }
}
