import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EMPTY_RANGE } from "../../src/core/address/bin.ts";
import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import type { ChunkRange } from "../../src/core/address/range.ts";

const CHUNKS = 64;

const rangeArbitrary: fc.Arbitrary<ChunkRange> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(EMPTY_RANGE) },
  {
    weight: 20,
    arbitrary: fc
      .tuple(fc.nat({ max: CHUNKS - 1 }), fc.nat({ max: 12 }))
      .map(([start, more]) => ({ start, end: Math.min(start + more, CHUNKS - 1) })),
  },
);

const changes = fc.array(fc.tuple(fc.constantFrom("add" as const, "delete" as const), rangeArbitrary), {
  maxLength: 60,
});

const chunksOf = (range: ChunkRange): number[] => {
  const chunks: number[] = [];
  for (let chunk = range.start; chunk <= range.end; chunk++) chunks.push(chunk);
  return chunks;
};

/** The ranges of those chunks for which `holds`. */
const rangesWhere = (within: ChunkRange, holds: (chunk: number) => boolean): ChunkRange[] => {
  const ranges: { start: number; end: number }[] = [];
  for (const chunk of chunksOf(within).filter(holds)) {
    const last = ranges.at(-1);
    if (last?.end === chunk - 1) last.end = chunk;
    else ranges.push({ start: chunk, end: chunk });
  }
  return ranges;
};

const whole = { start: 0, end: CHUNKS - 1 };

describe("ChunkSet", () => {
  test("equals a plain set of numbers after any changes", () => {
    fc.assert(
      fc.property(changes, rangeArbitrary, (steps, asked) => {
        const set = new ChunkSet();
        const model = new Set<number>();
        for (const [change, range] of steps) {
          set[change](range);
          for (const chunk of chunksOf(range)) model[change](chunk);
        }
        const has = (chunk: number): boolean => model.has(chunk);
        const ranges = rangesWhere(whole, has);
        expect([...set]).toEqual(ranges);
        expect(set.size).toBe(model.size);
        expect(set.rangeCount).toBe(ranges.length);
        expect([...set.missing(asked)]).toEqual(rangesWhere(asked, (chunk) => !has(chunk)));
        expect(set.covers(asked)).toBe(chunksOf(asked).every(has));
        expect(set.intersects(asked)).toBe(chunksOf(asked).some(has));
        for (const chunk of chunksOf({ start: -1, end: CHUNKS })) {
          expect(set.has(chunk)).toBe(has(chunk));
          expect(set.rangeAt(chunk)).toEqual(ranges.find(({ start, end }) => start <= chunk && chunk <= end));
          expect(set.next(chunk)).toBe(
            Math.min(...ranges.flatMap(({ start, end }) => (end < chunk ? [] : Math.max(start, chunk)))),
          );
          expect(has(set.nextMissing(chunk))).toBe(false);
          expect(set.covers({ start: chunk, end: set.nextMissing(chunk) - 1 })).toBe(true);
        }
        expect([...new ChunkSet(ranges)]).toEqual(ranges);
      }),
    );
  });

  test("a copy is independent, and clear empties", () => {
    const set = new ChunkSet([{ start: 2, end: 5 }]);
    const copy = set.clone();
    copy.add({ start: 6, end: 9 });
    set.delete({ start: 3, end: 3 });
    expect([...copy]).toEqual([{ start: 2, end: 9 }]);
    expect(copy.size).toBe(8);
    copy.clear();
    expect([copy.size, copy.rangeCount, ...copy]).toEqual([0, 0]);
    expect([...set]).toEqual([
      { start: 2, end: 2 },
      { start: 4, end: 5 },
    ]);
  });

  test("gaps may be filled while they are read", () => {
    const set = new ChunkSet([
      { start: 3, end: 3 },
      { start: 6, end: 6 },
    ]);
    const gaps: ChunkRange[] = [];
    for (const gap of set.missing({ start: 0, end: 9 })) {
      gaps.push(gap);
      set.add(gap);
    }
    expect(gaps).toEqual([
      { start: 0, end: 2 },
      { start: 4, end: 5 },
      { start: 7, end: 9 },
    ]);
    expect([...set]).toEqual([{ start: 0, end: 9 }]);
  });

  test("holds everything that numbers can count", () => {
    const everything = { start: 0, end: Number.MAX_SAFE_INTEGER };
    const set = new ChunkSet([everything, { start: 7, end: 7 }]);
    expect(set.size).toBe(2 ** 53);
    expect(set.covers(everything)).toBe(true);
    expect([...set.missing(everything)]).toEqual([]);
    set.delete({ start: 0, end: Number.MAX_SAFE_INTEGER - 1 });
    expect([...set]).toEqual([{ start: Number.MAX_SAFE_INTEGER, end: Number.MAX_SAFE_INTEGER }]);
  });
});
