/** What a media element shows at one moment. */
export interface PlaybackSample {
  /** Seconds of media. */
  readonly currentTime: number;
  /** Seconds of media; NaN when unknown. */
  readonly duration: number;
  readonly playbackRate: number;
  /** The viewer wants it to run: not paused, not ended, not seeking. */
  readonly running: boolean;
}

/** Lost time below this is the granularity of media clocks and timers, ms. */
const JITTER_MS = 150;
/** Without a sample for this long the tab or the machine slept, ms. */
const SLEEP_MS = 3000;
/** The last moments of media often lack a frame or an audio packet, seconds. */
const TAIL_S = 0.5;
/** A smooth stretch is forgotten after this time, ms, so that two clocks that differ by a hair do not add up to a stall. */
const FORGET_MS = 5000;

/**
 * Counts stalls and the time lost in them, by the element's own `waiting` events and by comparing the media clock with
 * the wall clock, because either alone misses some: browsers may freeze without an event, and may announce what lasts
 * too short to be sampled. The wait for the first frame, for a seek, and after `play` is none.
 */
export class StallMeter {
  stalls = 0;
  /** Wall time that played no media although it should have, ms. */
  stalledMs = 0;
  /** Where the present smooth or stalled stretch began; undefined until media has been seen to advance. */
  #anchor: { readonly at: number; readonly media: number } | undefined;
  #last: { readonly at: number; readonly media: number; readonly rate: number } | undefined;
  #stalled = false;

  /** The element said `waiting`. `now` in ms. */
  waiting(now: number, sample: PlaybackSample): void {
    this.sample(now, sample);
    if (this.#anchor === undefined || this.#stalled || sample.currentTime > sample.duration - TAIL_S) return;
    this.#anchor = { at: now, media: sample.currentTime };
    this.#begin();
  }

  /** To be called several times a second while the element exists, and at its events. `now` in ms. */
  sample(now: number, { currentTime, playbackRate, running, duration }: PlaybackSample): void {
    const last = this.#last;
    const rate = playbackRate || 1;
    this.#last = { at: now, media: currentTime, rate };
    const played = last === undefined ? 0 : (currentTime - last.media) * 1000;
    const passed = last === undefined ? 0 : now - last.at;
    // Media that was played at another rate says nothing at this one.
    const changed = last !== undefined && last.rate !== rate;
    const jumped = played < 0 || played > passed * rate + 1000;
    if (!running || changed || jumped || passed > SLEEP_MS) {
      this.#settle(now);
      this.#anchor = undefined;
      return;
    }
    if (this.#anchor === undefined) {
      if (played > 0) this.#anchor = { at: now, media: currentTime };
      return;
    }
    const lost = this.#lost(now, currentTime, rate);
    if (this.#stalled) {
      // Over as soon as media advances about as fast as time does again.
      if (passed > 0 && played >= passed * rate * 0.5) {
        this.#settle(now, lost);
        this.#anchor = { at: now, media: currentTime };
      }
    } else if (lost > JITTER_MS && currentTime <= duration - TAIL_S) {
      this.#begin();
    } else if (now - this.#anchor.at > FORGET_MS) {
      this.#anchor = { at: now, media: currentTime };
    }
  }

  #lost(now: number, media: number, rate: number): number {
    const anchor = this.#anchor;
    return anchor === undefined ? 0 : Math.max(0, now - anchor.at - ((media - anchor.media) * 1000) / rate);
  }

  #begin(): void {
    this.#stalled = true;
    this.stalls++;
  }

  #settle(now: number, lost = this.#anchor === undefined ? 0 : now - this.#anchor.at): void {
    if (this.#stalled) this.stalledMs += lost;
    this.#stalled = false;
  }
}
