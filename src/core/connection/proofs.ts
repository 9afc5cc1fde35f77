import { binLevel, binParent, binRange, binSibling, leafBin, peakBins, rangeBin, type Bin } from "../address/bin.ts";
import type { ChunkRange } from "../address/range.ts";
import type { Integrity } from "../codec/messages.ts";
import type { MerkleTree } from "../integrity/tree.ts";
import type { Verdict, Verifier } from "../integrity/verifier.ts";
import { MAX_PENDING_HASHES } from "./settings.ts";

/** Hashes that are kept without looking whether they are proven: a few datagrams' worth, since each neighbour has as many. */
const FIRST_SWEEP = 16;

/**
 * Unproven hashes from one peer, kept until a chunk proves them (RFC 7574 §5.3: "remember all the hashes"). They are
 * never mixed with another peer's, so that a liar can spoil only what it sends itself.
 */
export class Proofs {
  readonly #hashes = new Map<Bin, Uint8Array>();
  /** The latest INTEGRITY messages that could be the peaks: contiguous from chunk 0, ever smaller. */
  #run: { bin: Bin; hash: Uint8Array }[] = [];
  /** What is proven under the peaks of this peer, where nobody knows yet how many chunks there are. */
  #claim: Verifier | undefined;
  /** A chunk that is no node of the tree leads to them: there are no fewer layers. Only one as long as two hashes could be a node. */
  #grounded = false;
  /** The last chunk leads to them: it is no padding, so there are no fewer chunks (RFC 7574 §5.6.2). */
  #ended = false;
  /** How many hashes make it worth while to look for those that are proven by now. */
  #sweepAt = FIRST_SWEEP;
  /** Whether the run has changed since it was tried: each try costs hashing. */
  #untried = false;

  /** The hashes by bin. */
  get hashes(): ReadonlyMap<Bin, Uint8Array> {
    return this.#hashes;
  }

  /** Keeps the hash of an INTEGRITY message; one whose range is not a node of the tree is ignored. */
  add(message: Integrity, verifier: Verifier): void {
    const bin = rangeBin(message.chunks);
    if (bin === undefined) return;
    if (verifier.tree === undefined) this.#extendRun(bin, message);
    else if (verifier.tree.has(bin)) return;
    // A copy, because the hash is a view that would keep its whole datagram alive.
    this.#hashes.delete(bin);
    this.#hashes.set(bin, new Uint8Array(message.hash));
    if (this.#hashes.size >= this.#sweepAt) this.#sweep(verifier.tree);
    if (this.#hashes.size <= MAX_PENDING_HASHES) return;
    const [oldest] = this.#hashes.keys();
    if (oldest !== undefined) this.#hashes.delete(oldest);
  }

  /**
   * Whether the hashes at hand lead from a chunk to a proven node, so that checking it decides. Asked before anything is
   * hashed: a peer that leaves out one hash would otherwise make us compute all others again and again.
   */
  #decides(tree: MerkleTree, chunk: number): boolean {
    if (chunk >= tree.chunkCount) return true;
    for (let bin = leafBin(chunk); !tree.has(bin); bin = binParent(bin)) {
      const sibling = binSibling(bin);
      if (!tree.has(sibling) && !this.#hashes.has(sibling)) return false;
    }
    return true;
  }

  /**
   * Tries what came so far as the peaks of the content (RFC 7574 §5.6.2). Where the chunk count is not known, they are this
   * peer's claim only, until chunks have settled it: others' chunks must not be measured by a liar's.
   */
  tryPeaks(verifier: Verifier): void {
    if (verifier.tree !== undefined || !this.#untried) return;
    this.#untried = false;
    const peaks = [...this.#run];
    const chunkCount = verifier.countUnder(peaks);
    if (chunkCount === undefined) return;
    if (verifier.expectedCount !== undefined) verifier.verifyPeaks(peaks);
    // Who is honest never says another number: a tree for each that a liar says would cost memory.
    else this.#claim ??= verifier.claiming(peaks, chunkCount);
  }

  /** How many chunks there are, as this peer says. */
  get claimedCount(): number | undefined {
    return this.#claim?.chunkCount;
  }

  /** Checks a chunk of `length` bytes by its hash and what came from this peer. */
  prove(verifier: Verifier, chunk: number, leaf: Uint8Array, length: number): Verdict {
    this.tryPeaks(verifier);
    const under = verifier.tree === undefined ? this.#claim : verifier;
    const tree = under?.tree;
    if (tree === undefined || !this.#decides(tree, chunk)) return "missing";
    const verdict = under!.verify(chunk, leaf, this.#hashes);
    if (under === verifier || verdict !== "verified") return verdict;
    this.#grounded ||= length !== 2 * tree.hash.size;
    this.#ended ||= chunk === tree.chunkCount - 1;
    if (!this.#grounded || !this.#ended) return "missing";
    verifier.adopt(under!);
    return verdict;
  }

  /** Forgets what is in the tree; amortised over the hashes that were added since the last time. */
  #sweep(tree: MerkleTree | undefined): void {
    for (const bin of this.#hashes.keys()) if (tree?.has(bin) === true) this.#hashes.delete(bin);
    this.#sweepAt = Math.max(FIRST_SWEEP, 2 * this.#hashes.size);
  }

  #extendRun(bin: Bin, { chunks, hash }: Integrity): void {
    if (chunks.start === 0) {
      const first = this.#run[0];
      // Below the left-most peak, a node at chunk 0 is only an uncle.
      if (first !== undefined && chunks.end < binRange(first.bin).end) return;
      this.#run = [];
    }
    const last = this.#run.at(-1);
    const end = last === undefined ? -1 : binRange(last.bin).end;
    if (chunks.start !== end + 1 || (last !== undefined && binLevel(bin) >= binLevel(last.bin))) return;
    this.#run.push({ bin, hash: new Uint8Array(hash) });
    this.#untried = true;
  }
}

/**
 * The hashes that a peer lacks for verifying `chunk`, highest first (RFC 7574 §5.3, §5.4), peaks before all others while
 * it has none. `assumed(range)` says whether the peer holds a chunk in `range` or one is on its way to it: from any chunk
 * under a node's parent the peer has derived, or was sent, that node.
 */
export function missingProof(
  tree: MerkleTree,
  chunk: number,
  needsPeaks: boolean,
  assumed: (range: ChunkRange) => boolean,
): Integrity[] {
  const peaks = needsPeaks ? peakBins(tree.chunkCount).map((bin) => integrity(tree, bin)) : [];
  const uncles: Integrity[] = [];
  // Upwards, since a node that is assumed answers for all above it.
  for (
    let bin = leafBin(chunk), parent = binParent(bin);
    tree.isFilled(parent);
    bin = parent, parent = binParent(bin)
  ) {
    if (assumed(binRange(parent))) break;
    uncles.push(integrity(tree, binSibling(bin)));
  }
  return [...peaks, ...uncles.reverse()];
}

function integrity(tree: MerkleTree, bin: Bin): Integrity {
  const hash = tree.get(bin);
  if (hash === undefined) throw new RangeError(`bin ${bin} is not in the tree`);
  return { type: "INTEGRITY", chunks: binRange(bin), hash };
}
