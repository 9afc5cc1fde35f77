import type { HlsPerformanceTiming, HlsProgressivePerformanceTiming } from "hls.js";
import type { PieceSource } from "../engine/delivery.ts";

/**
 * How a load is fetched at this moment: from the origin, for want of neighbours; the same, but neighbours may turn up at any moment;
 * as fast as it can be; or not, since there is time.
 */
export type Pace = "alone" | "expecting" | "hurry" | "leisure";

/** What a server sends at once comes together with the first byte: no time after that is counted for it, bytes (RFC 6928 §2). */
const FIRST_FLIGHT = 14_600;

/**
 * Measures one load so that hls.js's bandwidth estimator learns the truth about the line to the origin and nothing else.
 *
 * hls.js takes one sample per fragment, `stats.loaded` over the time from `loading.start` to the end less the time to
 * first byte, and it abandons a load whose rate so far is below what the buffer needs.
 * - *Alone*, while every byte comes from the origin as fast as it can, a load is told as it was, except for the time that
 *   hashes take on the same line.
 * - *With neighbours* a load is told as it would have been alone: what has come took as long as the origin's line needs
 *   for it, however it came; so also before they are there, since the machine is busy calling them. So neither a burst from a peer, which may be gone for the next segment, makes the line look faster, nor
 *   does a slow peer, or waiting by choice for a deadline that is far away, make it look slower.
 * - What has not come counts for as long as it has been waited for, unless by choice.
 * - *Bytes from the cache* took no network. They are left out of `networkBytes`, which is what the loader reports as
 *   loaded, and a load without any other bytes has the time to first byte that hls.js already believes in: no sample.
 *
 * It stands in for `stats.loading`, which hls.js reads while the load runs: `start` and `first` move.
 */
export class LoadClock implements HlsProgressivePerformanceTiming {
  /** Bytes that crossed the network. */
  networkBytes = 0;
  readonly #now: () => number;
  readonly #ttfbEstimate: () => number;
  readonly #lineMs: (bytes: number) => number;
  readonly #pace: () => Pace;
  readonly #asideMs: () => number;
  readonly #mostTtfb: number;
  /** Time up to which everything is counted, and at what pace since then. */
  #mark: number;
  #since: Pace;
  /** Not all of it has come from the origin as fast as it can. */
  #beside = false;
  #hurriedMs = 0;
  /** … of it since the latest bytes. */
  #waitedMs = 0;
  /** What the bytes so far would have taken alone. */
  #dueMs = 0;
  #ttfb: number | undefined;
  #end = 0;

  constructor(options: {
    /** `performance.now`. */
    readonly now: () => number;
    /** When the origin was asked, if that was before now, ms. */
    readonly began?: number | undefined;
    /** The time to first byte cannot have been longer, ms: of what was asked for before, more may have come by the time that anybody looks. */
    readonly mostTtfb?: number | undefined;
    /** What hls.js believes of the time to first byte, ms. */
    readonly ttfbEstimate: () => number;
    /** How long bytes take from the origin at this moment, ms, once it has begun to answer. */
    readonly lineMs: (bytes: number) => number;
    /** How long the line has been busy with what is not media since the load began, ms. */
    readonly asideMs?: () => number;
    readonly pace: () => Pace;
  }) {
    const { now, ttfbEstimate, lineMs, pace, asideMs = () => 0, began = now(), mostTtfb = Infinity } = options;
    this.#now = now;
    this.#ttfbEstimate = ttfbEstimate;
    this.#lineMs = lineMs;
    this.#pace = pace;
    this.#asideMs = asideMs;
    this.#mostTtfb = mostTtfb;
    this.#mark = began;
    this.#since = pace();
    this.#count();
  }

  /** When the load would have begun, ms. */
  get start(): number {
    this.#count();
    const spentMs = this.#alone() ? Math.max(0, this.#hurriedMs - this.#asideMs()) : this.#dueMs + this.#waitedMs;
    return this.#mark - spentMs - (this.#ttfb ?? 0);
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

  /** What hls.js is to take for the time of parsing: beside neighbours none, as what the machine has to do for them is not the line's time. */
  parsing(): HlsPerformanceTiming | undefined {
    if (this.#alone()) return undefined;
    const end = this.#end;
    // hls.js assigns, and counts a load until this end.
    return {
      start: 0,
      get end() {
        return end;
      },
      set end(_now) {
        return;
      },
    };
  }

  /** Notes bytes that have just arrived; `early`: they had been fetched before this load began. */
  received(bytes: number, source: PieceSource, early = false): void {
    this.#count();
    if (source === "cache") return;
    if (source === "peer" || early) this.#beside = true;
    if (this.#ttfb === undefined) {
      this.#ttfb = this.#beside ? this.#ttfbEstimate() : Math.min(this.#hurriedMs, this.#mostTtfb);
      this.#hurriedMs = this.#beside ? 0 : this.#hurriedMs - this.#ttfb;
    }
    const atOnce = Math.min(bytes, Math.max(0, FIRST_FLIGHT - this.networkBytes));
    this.networkBytes += bytes;
    this.#dueMs += this.#lineMs(bytes - atOnce);
    this.#waitedMs = 0;
  }

  /** Stops the clock. */
  stop(): void {
    this.#count();
    this.#ttfb ??= this.#ttfbEstimate();
    this.#end = this.#mark;
  }

  #count(): void {
    if (this.#end > 0) return;
    const now = this.#now();
    if (this.#since !== "leisure") {
      this.#hurriedMs += now - this.#mark;
      this.#waitedMs += now - this.#mark;
    }
    this.#mark = now;
    this.#since = this.#pace();
    if (this.#since === "hurry" || this.#since === "leisure") this.#beside = true;
  }

  /** Whether the load is told as it was. */
  #alone(): boolean {
    return !this.#beside && this.#since !== "expecting";
  }
}
