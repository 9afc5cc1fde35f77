import type { ChunkRange } from "../core/address/range.ts";

/** Part of the best rate that is left of it after each measurement in which less was given. */
const DECAY = 0.9;
/** Shorter times give no meaningful rate, ms. */
const SHORTEST_MS = 5_000;

/** Estimates what a peer can upload by what it has uploaded: a lower bound, as nobody may have asked for more. */
export class UploadMeter {
  #bytes = 0;
  #at: number | undefined;
  #best = 0;

  /**
   * Bandwidth, bit/s; 0 as long as nothing was given.
   *
   * @param bytes - all that was uploaded so far
   * @param now - milliseconds
   */
  measure(bytes: number, now: number): number {
    this.#at ??= now;
    const elapsed = now - this.#at;
    if (elapsed < SHORTEST_MS) return Math.round(this.#best);
    const rate = ((bytes - this.#bytes) * 8000) / elapsed;
    this.#best = Math.max(rate, this.#best * DECAY);
    this.#bytes = bytes;
    this.#at = now;
    return Math.round(this.#best);
  }
}

/** The `limit` ranges that are nearest to a chunk, those ahead of it before those behind; ascending. */
export function nearestRanges(ranges: Iterable<ChunkRange>, position: number, limit: number): ChunkRange[] {
  const all = [...ranges];
  if (all.length <= limit) return all;
  const ahead = all.filter(({ end }) => end >= position).slice(0, limit);
  const behind = all.filter(({ end }) => end < position);
  return [...behind.slice(Math.max(0, behind.length - (limit - ahead.length))), ...ahead];
}
