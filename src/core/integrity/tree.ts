import { binAt, binLength, binLevel, binParent, binSibling, leafBin, peakBins, type Bin } from "../address/bin.ts";
import { MAX_CHUNKS } from "../content/presentation.ts";
import type { HashFunction } from "./hashes.ts";

/** A node of the tree with its hash. */
export interface TreeNode {
  readonly bin: Bin;
  readonly hash: Uint8Array;
}

/** Whether a tree can be over this many chunks. */
export const isChunkCount = (count: number): boolean => Number.isInteger(count) && count >= 1 && count <= MAX_CHUNKS;

/** Bins in one page of storage: 8 KiB of SHA-256. */
const PAGE_BINS = 256;

/**
 * The hashes of a Merkle tree over `chunkCount` chunks (RFC 7574 §5.1), filled nodes only: the hashes over the content's
 * end follow from the peaks. Flat, by bin number; memory is taken page by page as hashes arrive, so that a peer which
 * claims a huge content costs nothing, and a viewer of one rendition does not pay for all.
 */
export class MerkleTree {
  readonly hash: HashFunction;
  readonly chunkCount: number;
  /** A page holds the hashes of PAGE_BINS bins, then one bit for each that is present. */
  readonly #pages: (Uint8Array | undefined)[] = [];

  /** @throws RangeError unless 1 ≤ chunkCount ≤ MAX_CHUNKS */
  constructor(hash: HashFunction, chunkCount: number) {
    if (!isChunkCount(chunkCount)) throw new RangeError(`a tree over ${chunkCount} chunks`);
    this.hash = hash;
    this.chunkCount = chunkCount;
  }

  /** The complete tree over these chunk hashes. */
  static fromLeaves(hash: HashFunction, leaves: readonly Uint8Array[]): MerkleTree {
    const tree = new MerkleTree(hash, leaves.length);
    leaves.forEach((leaf, chunk) => tree.set(leafBin(chunk), leaf));
    tree.complete();
    return tree;
  }

  /** Whether the hash of `bin` is here. */
  has(bin: Bin): boolean {
    const page = this.#pages[Math.floor(bin / PAGE_BINS)];
    if (page === undefined) return false;
    const at = bin % PAGE_BINS;
    return (page[PAGE_BINS * this.hash.size + (at >> 3)]! & (1 << (at & 7))) !== 0;
  }

  /** A view of the hash of `bin`, for reading only. */
  get(bin: Bin): Uint8Array | undefined {
    if (!this.has(bin)) return undefined;
    const at = (bin % PAGE_BINS) * this.hash.size;
    return this.#pages[Math.floor(bin / PAGE_BINS)]!.subarray(at, at + this.hash.size);
  }

  /** Stores a copy of a hash that is known to be right. @throws RangeError for a bin that is not filled, or a wrong size */
  set(bin: Bin, hash: Uint8Array): void {
    const { size } = this.hash;
    if (hash.length !== size) throw new RangeError(`a hash of ${hash.length} bytes instead of ${size}`);
    if (!this.isFilled(bin)) throw new RangeError(`bin ${bin} is not filled by ${this.chunkCount} chunks`);
    const page = (this.#pages[Math.floor(bin / PAGE_BINS)] ??= new Uint8Array(PAGE_BINS * size + PAGE_BINS / 8));
    const at = bin % PAGE_BINS;
    page.set(hash, at * size);
    page[PAGE_BINS * size + (at >> 3)]! |= 1 << (at & 7);
  }

  /** Whether all leaves under `bin` are chunks of the content (RFC 7574 §5.6.1, "filled node"). */
  isFilled(bin: Bin): boolean {
    if (!Number.isSafeInteger(bin) || bin < 0) return false;
    return (bin + binLength(bin) + 1) / 2 <= this.chunkCount;
  }

  /** Computes every inner node from the leaves. @throws RangeError if a leaf is missing */
  complete(): void {
    for (let level = 1; 2 ** level <= this.chunkCount; level++) {
      for (let index = 0; (index + 1) * 2 ** level <= this.chunkCount; index++) {
        const left = this.#known(binAt(level - 1, 2 * index));
        this.set(binAt(level, index), this.hash.pair(left, this.#known(binAt(level - 1, 2 * index + 1))));
      }
    }
  }

  /** The peaks, left to right (RFC 7574 §5.6.1). @throws RangeError if one is not here yet */
  peaks(): TreeNode[] {
    return peakBins(this.chunkCount).map((bin) => ({ bin, hash: this.#known(bin) }));
  }

  /** The root hash (RFC 7574 §5.1). @throws RangeError if a peak is not here yet */
  root(): Uint8Array {
    return rootOfPeaks(this.hash, this.peaks());
  }

  /** The nodes that prove `chunk` against its peak: the sibling of every node from below the peak down to the leaf. */
  uncles(chunk: number): Bin[] {
    if (!Number.isInteger(chunk) || chunk < 0 || chunk >= this.chunkCount) throw new RangeError(`no chunk ${chunk}`);
    const uncles: Bin[] = [];
    for (let bin = leafBin(chunk); this.isFilled(binParent(bin)); bin = binParent(bin)) uncles.push(binSibling(bin));
    return uncles.reverse();
  }

  #known(bin: Bin): Uint8Array {
    const hash = this.get(bin);
    if (hash === undefined) throw new RangeError(`the hash of bin ${bin} is not known`);
    return hash;
  }
}

/** The root hash over peaks, left to right, with zeros in place of what is not there (RFC 7574 §5.6.1, lemma). */
export function rootOfPeaks(hash: HashFunction, peaks: readonly TreeNode[]): Uint8Array {
  const right = peaks.at(-1);
  if (right === undefined) throw new RangeError("no peaks");
  const zero = new Uint8Array(hash.size);
  let root = right.hash;
  let level = binLevel(right.bin);
  for (const peak of peaks.slice(0, -1).reverse()) {
    for (; level < binLevel(peak.bin); level++) root = hash.pair(root, zero);
    root = hash.pair(peak.hash, root);
    level++;
  }
  return root;
}
