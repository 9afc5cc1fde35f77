import type { ChunkRange } from "./range.ts";

/**
 * A set of chunks, kept as sorted, disjoint ranges that never touch: what a peer holds, wants or was asked for.
 * Looking up costs O(log ranges); changing it costs O(ranges) at worst and nothing extra at its end. Empty ranges
 * (`end < start`) are accepted everywhere and hold no chunk. Who lets a remote peer fill one bounds its `rangeCount`.
 */
export class ChunkSet {
  /** Starts and ends side by side, because a splice of plain numbers is one memory move. */
  #starts: number[] = [];
  #ends: number[] = [];
  #size = 0;

  constructor(ranges: Iterable<ChunkRange> = []) {
    for (const range of ranges) this.add(range);
  }

  /** How many chunks are in the set. */
  get size(): number {
    return this.#size;
  }

  /** How many ranges the set consists of: what it costs. */
  get rangeCount(): number {
    return this.#starts.length;
  }

  /** Puts chunks in; those already there make no difference. */
  add(range: ChunkRange): void {
    let { start, end } = range;
    if (end < start) return;
    // Ranges that touch the new one are merged with it, hence one chunk more on both sides.
    const from = this.#endingFrom(start - 1);
    const to = this.#startingAfter(end + 1, from);
    if (to > from) {
      start = Math.min(start, this.#starts[from]!);
      end = Math.max(end, this.#ends[to - 1]!);
    }
    this.#replace(from, to, start, end);
  }

  /** Takes chunks out; those not there make no difference. */
  delete(range: ChunkRange): void {
    const { start, end } = range;
    if (end < start) return;
    const from = this.#endingFrom(start);
    const to = this.#startingAfter(end, from);
    if (to === from) return;
    const left = this.#starts[from]!;
    const right = this.#ends[to - 1]!;
    if (left < start) {
      this.#replace(from, to, left, start - 1);
      if (right > end) this.#replace(from + 1, from + 1, end + 1, right);
    } else if (right > end) {
      this.#replace(from, to, end + 1, right);
    } else {
      this.#remove(from, to);
    }
  }

  /** Whether this chunk is in the set. */
  has(chunk: number): boolean {
    return this.#starts[this.#endingFrom(chunk)]! <= chunk;
  }

  /** The first chunk from this one on that is in the set; Infinity if none is. */
  next(chunk: number): number {
    const start = this.#starts[this.#endingFrom(chunk)];
    return start === undefined ? Infinity : Math.max(start, chunk);
  }

  /** The first chunk from this one on that is not in the set. */
  nextMissing(chunk: number): number {
    const index = this.#endingFrom(chunk);
    return this.#starts[index]! <= chunk ? this.#ends[index]! + 1 : chunk;
  }

  /** Whether all these chunks are in the set; true for none. */
  covers(range: ChunkRange): boolean {
    if (range.end < range.start) return true;
    const index = this.#endingFrom(range.start);
    return this.#starts[index]! <= range.start && this.#ends[index]! >= range.end;
  }

  /** Whether any of these chunks is in the set; false for none. */
  intersects(range: ChunkRange): boolean {
    return range.end >= range.start && this.#starts[this.#endingFrom(range.start)]! <= range.end;
  }

  /** The biggest complete interval around a chunk, as HAVE and ACK announce it (RFC 7574 §4.3.1), if it is in the set. */
  rangeAt(chunk: number): ChunkRange | undefined {
    const index = this.#endingFrom(chunk);
    const start = this.#starts[index];
    return start !== undefined && start <= chunk ? { start, end: this.#ends[index]! } : undefined;
  }

  /** The gaps within a range, ascending. */
  missing(within: ChunkRange): ChunkRange[] {
    const gaps: ChunkRange[] = [];
    let next = within.start;
    for (let index = this.#endingFrom(next); next <= within.end; index++) {
      const start = this.#starts[index] ?? Infinity;
      if (start > next) gaps.push({ start: next, end: Math.min(start - 1, within.end) });
      next = (this.#ends[index] ?? Infinity) + 1;
    }
    return gaps;
  }

  /** The parts of a range that are in the set, ascending. */
  present(within: ChunkRange): ChunkRange[] {
    const parts: ChunkRange[] = [];
    for (let index = this.#endingFrom(within.start); this.#starts[index]! <= within.end; index++)
      parts.push({
        start: Math.max(this.#starts[index]!, within.start),
        end: Math.min(this.#ends[index]!, within.end),
      });
    return parts;
  }

  /** The ranges, ascending; the set must not be changed meanwhile. */
  *[Symbol.iterator](): IterableIterator<ChunkRange> {
    for (let index = 0; index < this.#starts.length; index++) {
      yield { start: this.#starts[index]!, end: this.#ends[index]! };
    }
  }

  /** Takes everything out. */
  clear(): void {
    this.#starts = [];
    this.#ends = [];
    this.#size = 0;
  }

  /** An independent copy. */
  clone(): ChunkSet {
    const copy = new ChunkSet();
    copy.#starts = this.#starts.slice();
    copy.#ends = this.#ends.slice();
    copy.#size = this.#size;
    return copy;
  }

  /** Index of the first range that ends at this chunk or later; `rangeCount` if none does. */
  #endingFrom(chunk: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! < chunk) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the first range, counted from `from`, that starts after this chunk. */
  #startingAfter(chunk: number, from: number): number {
    let index = from;
    while (this.#starts[index]! <= chunk) index++;
    return index;
  }

  /** Puts one range in the place of the ranges `from` to `to` - 1, which may be none. */
  #replace(from: number, to: number, start: number, end: number): void {
    if (to > from) {
      this.#remove(from + 1, to);
      this.#size -= this.#ends[from]! - this.#starts[from]! + 1;
      this.#starts[from] = start;
      this.#ends[from] = end;
    } else if (from === this.#starts.length) {
      this.#starts.push(start);
      this.#ends.push(end);
    } else {
      this.#starts.splice(from, 0, start);
      this.#ends.splice(from, 0, end);
    }
    this.#size += end - start + 1;
  }

  #remove(from: number, to: number): void {
    if (to === from) return;
    for (let index = from; index < to; index++) this.#size -= this.#ends[index]! - this.#starts[index]! + 1;
    this.#starts.splice(from, to - from);
    this.#ends.splice(from, to - from);
  }
}
