/** Chunks `start` to `end`, both inclusive, counted from 0 (RFC 7574 §4.1.1). */
export interface ChunkRange {
  readonly start: number;
  readonly end: number;
}

/** How many chunks a range covers. */
export const rangeLength = (range: ChunkRange): number => range.end - range.start + 1;

/** Chunk numbers, in any order, as the fewest ranges, ascending. */
export function toRanges(chunks: Iterable<number>): ChunkRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const chunk of [...chunks].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && chunk === last.end + 1) last.end = chunk;
    else ranges.push({ start: chunk, end: chunk });
  }
  return ranges;
}
