import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as bins from "../../src/core/address/bin.ts";
import { rangeLength } from "../../src/core/address/range.ts";

/** The figure of RFC 7574 §4.2, built as it says: leaves are even, a parent is the mean of its children. */
const modelTree = (levels: number): { bin: number; start: number; end: number; level: number }[][] => {
  const layers = [Array.from({ length: 2 ** levels }, (_, i) => ({ bin: 2 * i, start: i, end: i, level: 0 }))];
  for (let level = 1; level <= levels; level++) {
    const below = layers[level - 1]!;
    layers.push(
      Array.from({ length: below.length / 2 }, (_, i) => {
        const [left, right] = [below[2 * i]!, below[2 * i + 1]!];
        return { bin: (left.bin + right.bin) / 2, start: left.start, end: right.end, level };
      }),
    );
  }
  return layers;
};

const safeRange = (highest: number) =>
  fc
    .tuple(fc.maxSafeNat(), fc.maxSafeNat())
    .map(([a, b]) => ({ start: Math.min(a, b) % highest, end: Math.max(a, b) % highest }))
    .filter(({ start, end }) => start <= end);

/** Any node whose number and whose sibling's and parent's numbers are safe integers. */
const anyBin = fc
  .nat({ max: 50 })
  .chain((level) => fc.tuple(fc.constant(level), fc.bigInt({ min: 0n, max: 2n ** (50n - BigInt(level)) - 1n })))
  .map(([level, index]) => ({ level, index: Number(index), bin: bins.binAt(level, Number(index)) }));

describe("bins", () => {
  test("equal the tree that is built from its definition", () => {
    const layers = modelTree(8);
    for (const layer of layers) {
      for (const [index, { bin, start, end, level }] of layer.entries()) {
        expect(bins.binAt(level, index)).toBe(bin);
        expect(bins.binLevel(bin)).toBe(level);
        expect(bins.binRange(bin)).toEqual({ start, end });
        expect(bins.rangeBin({ start, end })).toBe(bin);
        expect(bins.rangeBins({ start, end })).toEqual([bin]);
        if (level === 0) expect(bins.leafBin(start)).toBe(bin);
        if (level > 0) {
          const [left, right] = [layers[level - 1]![2 * index]!.bin, layers[level - 1]![2 * index + 1]!.bin];
          expect([bins.binLeft(bin), bins.binRight(bin)]).toEqual([left, right]);
          expect([bins.binParent(left), bins.binParent(right)]).toEqual([bin, bin]);
          expect([bins.binSibling(left), bins.binSibling(right)]).toEqual([right, left]);
        }
      }
    }
  });

  test("relate to each other up to 2^51", () => {
    fc.assert(
      fc.property(anyBin, ({ level, index, bin }) => {
        const range = bins.binRange(bin);
        expect(BigInt(bin)).toBe((2n * BigInt(index) + 1n) * 2n ** BigInt(level) - 1n);
        expect(bins.binLevel(bin)).toBe(level);
        expect(rangeLength(range)).toBe(2 ** level);
        expect(bins.rangeBin(range)).toBe(bin);
        const parent = bins.binParent(bin);
        expect(bins.binLevel(parent)).toBe(level + 1);
        expect([bin, bins.binSibling(bin)].sort((a, b) => a - b)).toEqual([
          bins.binLeft(parent),
          bins.binRight(parent),
        ]);
      }),
    );
  });

  test("rangeBins covers a range exactly, left to right, with as few bins as can be", () => {
    fc.assert(
      fc.property(safeRange(2 ** 52), (range) => {
        let next = range.start;
        const cover = bins.rangeBins(range);
        for (const bin of cover) {
          const { start, end } = bins.binRange(bin);
          expect(start).toBe(next);
          next = end + 1;
        }
        expect(next).toBe(range.end + 1);
        // No two neighbours could be one: siblings would have been their parent.
        for (const [i, bin] of cover.entries()) expect(cover[i + 1]).not.toBe(bins.binSibling(bin));
        expect(bins.rangeBin(range)).toBe(cover.length === 1 ? cover[0] : undefined);
      }),
    );
  });

  test("peaks and root belong to the smallest tree over the chunks", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (count) => {
        const peaks = bins.peakBins(count);
        const levels = peaks.map(bins.binLevel);
        expect(levels).toEqual([...new Set(levels)].sort((a, b) => b - a));
        expect(peaks.reduce((sum, peak) => sum + rangeLength(bins.binRange(peak)), 0)).toBe(count);
        const { start, end } = bins.binRange(bins.rootBin(count));
        expect(start).toBe(0);
        expect(end + 1).toBeGreaterThanOrEqual(count);
        expect((end + 1) / 2).toBeLessThan(count);
      }),
    );
  });

  test("the ends of what numbers can count", () => {
    const highest = Number.MAX_SAFE_INTEGER;
    expect(bins.rangeBin({ start: 0, end: highest })).toBe(highest);
    expect(bins.binRange(highest)).toEqual({ start: 0, end: highest });
    expect(bins.binLevel(highest)).toBe(53);
    expect(bins.rangeBin({ start: 2 ** 52, end: 2 ** 52 })).toBeUndefined();
    expect(() => bins.rangeBins({ start: 2 ** 52, end: 2 ** 52 })).toThrow(RangeError);
    expect(() => bins.binAt(0, 2 ** 52)).toThrow(RangeError);
    expect(() => bins.binLeft(4)).toThrow(RangeError);
    expect(() => bins.binRight(4)).toThrow(RangeError);
    expect(() => bins.rootBin(0)).toThrow(RangeError);
    expect(bins.peakBins(0)).toEqual([]);
    expect(bins.rangeBin(bins.EMPTY_RANGE)).toBeUndefined();
    expect(bins.rangeBins(bins.EMPTY_RANGE)).toEqual([]);
  });
});
