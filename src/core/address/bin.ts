import type { ChunkRange } from "./range.ts";

/**
 * Number of a node in the tree over all chunks, below 2^53 (RFC 7574 §4.2): leaves are the even numbers, a parent is the
 * mean of its children. Arithmetic on doubles, not bitwise, since 32 bits would end at 2^31 chunks.
 */
export type Bin = number;

/** No chunks at all: what the bin of all ones stands for (RFC 7574 §4.2). */
export const EMPTY_RANGE: ChunkRange = Object.freeze({ start: 0, end: -1 });

const WORD = 2 ** 32;

/** Value of the lowest set bit of `n`, an integer from 1 to 2^53. */
const lowestBit = (n: number): number => {
  // Of nearly all contents, and many times faster than what follows.
  if (n < WORD / 2) return n & -n;
  const low = n % WORD;
  return low === 0 ? WORD * lowestBit(n / WORD) : (low & -low) >>> 0;
};

/** Biggest power of two that is not above `n`, an integer from 1 to 2^53. */
const floorPowerOfTwo = (n: number): number =>
  n < WORD ? (1 << (31 - Math.clz32(n))) >>> 0 : WORD * floorPowerOfTwo(Math.floor(n / WORD));

/** How many chunks a bin covers: 2 to the power of its level. */
export const binLength = (bin: Bin): number => lowestBit(bin + 1);

/** Bin of a single chunk, 0 to 2^52-1. */
export const leafBin = (chunk: number): Bin => chunk * 2;

/** Height above the leaves, which are at 0. */
export const binLevel = (bin: Bin): number => Math.log2(binLength(bin));

/** The chunks that a bin covers. */
export const binRange = (bin: Bin): ChunkRange => {
  const length = binLength(bin);
  const start = (bin + 1 - length) / 2;
  return { start, end: start + length - 1 };
};

const isLeftChild = (bin: Bin, length: number): boolean => ((bin + 1 - length) / 2 / length) % 2 === 0;

/** The node above; beyond 2^53 for the rightmost of the highest nodes, so climb only as far as a known root. */
export const binParent = (bin: Bin): Bin => {
  const length = binLength(bin);
  return isLeftChild(bin, length) ? bin + length : bin - length;
};

/** The other child of the same parent. */
export const binSibling = (bin: Bin): Bin => {
  const length = binLength(bin);
  return isLeftChild(bin, length) ? bin + 2 * length : bin - 2 * length;
};

const halfLength = (bin: Bin): number => {
  if (bin % 2 === 0) throw new RangeError(`bin ${bin} is a leaf and has no children`);
  return binLength(bin) / 2;
};

/** Left child. @throws RangeError for a leaf. */
export const binLeft = (bin: Bin): Bin => bin - halfLength(bin);

/** Right child. @throws RangeError for a leaf. */
export const binRight = (bin: Bin): Bin => bin + halfLength(bin);

/** Node number `index`, counted from the left, of layer `level`, counted from the leaves. @throws RangeError from 2^53 on. */
export const binAt = (level: number, index: number): Bin => {
  const bin = 2 * index * 2 ** level + (2 ** level - 1);
  if (!(bin >= 0 && bin <= Number.MAX_SAFE_INTEGER)) throw new RangeError(`no bin ${index} on level ${level}`);
  return bin;
};

/** The bin that covers exactly this range, if there is one. */
export const rangeBin = (range: ChunkRange): Bin | undefined => {
  const { start, end } = range;
  const length = end - start + 1;
  if (!(length >= 1 && length <= 2 ** 53) || floorPowerOfTwo(length) !== length || start % length !== 0)
    return undefined;
  const bin = 2 * start + (length - 1);
  return bin <= Number.MAX_SAFE_INTEGER ? bin : undefined;
};

/** The fewest bins that cover exactly this range, left to right; none for an empty one. @throws RangeError from chunk 2^52 on. */
export const rangeBins = (range: ChunkRange): Bin[] => {
  const bins: Bin[] = [];
  for (let start = range.start; start <= range.end;) {
    const fitting = floorPowerOfTwo(range.end - start + 1);
    const length = start === 0 ? fitting : Math.min(fitting, lowestBit(start));
    const bin = 2 * start + (length - 1);
    if (bin > Number.MAX_SAFE_INTEGER) throw new RangeError(`no bin for chunk ${start}`);
    bins.push(bin);
    start += length;
  }
  return bins;
};

/** The peaks of a content of `chunkCount` chunks: biggest complete subtrees, left to right (RFC 7574 §5.6.1). */
export const peakBins = (chunkCount: number): Bin[] => rangeBins({ start: 0, end: chunkCount - 1 });

/** Top of the smallest tree over `chunkCount` chunks, 1 to 2^53. @throws RangeError for no chunk. */
export const rootBin = (chunkCount: number): Bin => {
  if (!(chunkCount >= 1)) throw new RangeError(`no tree over ${chunkCount} chunks`);
  const peak = floorPowerOfTwo(chunkCount);
  return (peak === chunkCount ? peak : 2 * peak) - 1;
};
