import {
  binAt,
  binLevel,
  binParent,
  binRange,
  binSibling,
  leafBin,
  peakBins,
  rangeBins,
  type Bin,
} from "../address/bin.ts";
import { rangeLength } from "../address/range.ts";
import { MAX_CHUNKS } from "../content/presentation.ts";
import { sameHash, type HashFunction } from "./hashes.ts";
import { isChunkCount, MerkleTree, rootOfPeaks, type TreeNode } from "./tree.ts";

/** What became of a hash: proven, not decidable yet, or contradicted by what is proven (or by its own proof). */
export type Verdict = "verified" | "missing" | "mismatch";

/** What to verify against. */
export interface VerifierOptions {
  /** Merkle root, trusted. */
  readonly root: Uint8Array;
  readonly hash: HashFunction;
  /** Absent: found from the peaks (RFC 7574 §5.6), for fixed-size chunks only. */
  readonly chunkCount?: number;
  /** Makes the tree that proven hashes go to. @defaultValue one with memory of its own */
  readonly tree?: ((chunkCount: number) => MerkleTree) | undefined;
}

/** More peaks than any tree within MAX_CHUNKS has. */
const MAX_PEAKS = Math.log2(MAX_CHUNKS) + 1;

/**
 * Checks chunks of static content against its root hash (RFC 7574 §5.2), and keeps the proven part of the tree. Nothing
 * unproven is ever stored. No method throws on what a peer may send.
 *
 * With an unknown chunk count peaks may claim another one than the content has, since the root hash does not say how high the tree is
 * (the RFC's scheme does not separate leaves from inner nodes), nor which of its nodes are padding: see Proofs. Give the count wherever the metadata has it.
 */
export class Verifier {
  readonly #root: Uint8Array;
  readonly #hash: HashFunction;
  /** How many chunks the content has, if that was given. */
  readonly expectedCount: number | undefined;
  readonly #makeTree: (chunkCount: number) => MerkleTree;
  #tree: MerkleTree | undefined;

  /** @throws RangeError for a root of the wrong size or an impossible chunk count */
  constructor({ root, hash, chunkCount, tree = (count) => new MerkleTree(hash, count) }: VerifierOptions) {
    if (root.length !== hash.size) throw new RangeError(`a root of ${root.length} bytes instead of ${hash.size}`);
    this.#root = root;
    this.#hash = hash;
    this.expectedCount = chunkCount;
    this.#makeTree = tree;
    if (chunkCount === undefined) return;
    if (!isChunkCount(chunkCount)) throw new RangeError(`content of ${chunkCount} chunks`);
    const [peak, ...others] = peakBins(chunkCount);
    if (peak !== undefined && others.length === 0) this.verifyPeaks([{ bin: peak, hash: root }]);
  }

  /** How many chunks the content has; undefined until the peaks are proven. With a single peak that is from the start. */
  get chunkCount(): number | undefined {
    return this.#tree?.chunkCount;
  }

  /** The proven nodes, to read; undefined until the peaks are proven. */
  get tree(): MerkleTree | undefined {
    return this.#tree;
  }

  /** Takes the content's peaks, left to right, if they are well-formed and give the root (RFC 7574 §5.6.1, §5.6.2). */
  verifyPeaks(peaks: readonly TreeNode[]): boolean {
    const count = this.countUnder(peaks);
    if (count === undefined) return false;
    if (this.#tree === undefined) {
      this.#tree = this.#makeTree(count);
      for (const { bin, hash } of peaks) this.#tree.set(bin, hash);
    }
    return true;
  }

  /** How many chunks there are under such peaks; undefined if they cannot be the content's. */
  countUnder(peaks: readonly TreeNode[]): number | undefined {
    if (peaks.length === 0 || peaks.length > MAX_PEAKS) return undefined;
    const count = contiguousCount(peaks);
    if (count === undefined || !isChunkCount(count) || (this.expectedCount ?? count) !== count) return undefined;
    if (peaks.some(({ hash }) => hash.length !== this.#hash.size)) return undefined;
    if (this.#tree !== undefined && this.#tree.chunkCount !== count) return undefined;
    return sameHash(rootOfPeaks(this.#hash, peaks), this.#root) ? count : undefined;
  }

  /** A verifier for the same root under peaks that give it, but may be those of another chunk count than the content's. */
  claiming(peaks: readonly TreeNode[], chunkCount: number): Verifier {
    const claim = new Verifier({ root: this.#root, hash: this.#hash, chunkCount, tree: this.#makeTree });
    claim.verifyPeaks(peaks);
    return claim;
  }

  /** Takes over what was proven under a claim that is the content's chunk count. */
  adopt(claim: Verifier): void {
    this.#tree = claim.tree;
  }

  /**
   * Climbs from a chunk's hash, with siblings from the tree or else from `hashes`, to the first proven node. Only if that
   * one agrees are the nodes on the way stored.
   */
  verify(chunk: number, leafHash: Uint8Array, hashes: ReadonlyMap<Bin, Uint8Array>): Verdict {
    if (this.#tree === undefined) return "missing";
    if (!Number.isSafeInteger(chunk) || chunk < 0 || chunk >= this.#tree.chunkCount) return "mismatch";
    return this.#climb(this.#tree, leafBin(chunk), leafHash, hashes);
  }

  /** Like `verifyNodes`, for the hashes of consecutive chunks. */
  verifyLeaves(firstChunk: number, leaves: readonly Uint8Array[]): Verdict {
    return this.verifyNodes(0, firstChunk, leaves);
  }

  /**
   * Checks the hashes of consecutive nodes of one layer, as read from ppsp.mhash: `first` counts nodes of the layer. All
   * are stored, with everything between them and proven nodes, or none: "missing" if some lead to no proven node.
   */
  verifyNodes(level: number, first: number, hashes: readonly Uint8Array[]): Verdict {
    const tree = this.#tree;
    if (tree === undefined) return "missing";
    if (hashes.length === 0) return "verified";
    if (!tree.isFilled(binAt(level, first + hashes.length - 1))) return "mismatch";
    if (hashes.some((hash) => hash.length !== this.#hash.size)) return "mismatch";
    const computed = new Map<Bin, Uint8Array>();
    hashes.forEach((hash, i) => computed.set(binAt(level, first + i), hash));
    const tops = rangeBins({ start: first, end: first + hashes.length - 1 }).map((top) => {
      // A node of the tree whose leaves are the nodes of this layer, as a node of the whole tree.
      const { start } = binRange(top);
      const width = rangeLength(binRange(top));
      return binAt(level + binLevel(top), start / width);
    });
    for (const top of tops) this.#subtree(top, level, computed);
    // First all are decided and then stored, so that a bad group leaves no trace.
    const verdicts = tops.map((top) => this.#climb(tree, top, computed.get(top)!, computed, false));
    if (verdicts.includes("mismatch")) return "mismatch";
    if (verdicts.includes("missing")) return "missing";
    for (const top of tops) this.#climb(tree, top, computed.get(top)!, computed);
    for (const [bin, hash] of computed) tree.set(bin, hash);
    return "verified";
  }

  /** Adds the hashes of `top` and of everything between it and layer `level` to `computed`. */
  #subtree(top: Bin, level: number, computed: Map<Bin, Uint8Array>): Uint8Array {
    const known = computed.get(top);
    if (known !== undefined) return known;
    const half = 2 ** (binLevel(top) - 1);
    const hash = this.#hash.pair(
      this.#subtree(top - half, level, computed),
      this.#subtree(top + half, level, computed),
    );
    computed.set(top, hash);
    return hash;
  }

  #climb(
    tree: MerkleTree,
    from: Bin,
    fromHash: Uint8Array,
    hashes: ReadonlyMap<Bin, Uint8Array>,
    store = true,
  ): Verdict {
    const way: TreeNode[] = [];
    let bin = from;
    let hash = fromHash;
    for (;;) {
      const proven = tree.get(bin);
      if (proven !== undefined) {
        if (!sameHash(proven, hash)) return "mismatch";
        if (store) for (const node of way) tree.set(node.bin, node.hash);
        return "verified";
      }
      const sibling = binSibling(bin);
      const siblingHash = tree.get(sibling) ?? hashes.get(sibling);
      if (siblingHash === undefined) return "missing";
      if (siblingHash.length !== this.#hash.size || hash.length !== this.#hash.size) return "mismatch";
      way.push({ bin, hash }, { bin: sibling, hash: siblingHash });
      hash = sibling > bin ? this.#hash.pair(hash, siblingHash) : this.#hash.pair(siblingHash, hash);
      bin = binParent(bin);
    }
  }
}

/** How many chunks are under peaks that are contiguous from chunk 0 and ever smaller; undefined if they are not. */
function contiguousCount(peaks: readonly TreeNode[]): number | undefined {
  let count = 0;
  let level = Infinity;
  for (const { bin } of peaks) {
    if (!Number.isSafeInteger(bin) || bin < 0 || binLevel(bin) >= level) return undefined;
    level = binLevel(bin);
    if (binRange(bin).start !== count) return undefined;
    count = binRange(bin).end + 1;
  }
  return count;
}
