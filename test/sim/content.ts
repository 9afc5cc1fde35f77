import { createHash } from "node:crypto";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { binLeft, binRight } from "../../src/core/address/bin.ts";
import { hashFunction, sameHash, type HashFunction } from "../../src/core/integrity/hashes.ts";
import { MerkleTree } from "../../src/core/integrity/tree.ts";
import type { SwarmOptions } from "../../src/core/swarm/swarm.ts";

/** A seeded generator of numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Content with its tree, shared by the simulated peers. */
export interface Content {
  readonly chunks: readonly Uint8Array[];
  readonly options: SwarmOptions;
  readonly tree: MerkleTree;
}

/** Made-up content of `length` bytes in chunks of `chunkSize`. */
export function makeContent(
  length: number,
  chunkSize: number,
  random: () => number,
  hash: HashCode = HashCode.sha256,
): Content {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random() * 256;
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < length; at += chunkSize) chunks.push(bytes.subarray(at, Math.min(at + chunkSize, length)));
  const tree = MerkleTree.fromLeaves(
    hashFunction(hash),
    chunks.map((chunk) => digest(hash, chunk)),
  );
  return {
    chunks,
    tree,
    options: {
      metadata: {
        id: tree.root(),
        chunkSize,
        variableSize: false,
        addressing: ChunkAddressing.chunk32,
        hash,
        chunkCount: chunks.length,
      },
    },
  };
}

const prefix = (hash: Uint8Array): number => hash[0]! | (hash[1]! << 8) | (hash[2]! << 16) | (hash[3]! << 24);

const NODE_HASH = ["sha1", "sha224", "sha256", "sha384", "sha512"] as const;

/** Hash of a chunk, as the host of a real peer computes it. */
export function digest(hash: HashCode, data: Uint8Array): Uint8Array {
  return createHash(NODE_HASH[hash]).update(data).digest();
}

/** What a peer has of a tree that all share: a proven hash is the publisher's. */
class SharedTree extends MerkleTree {
  readonly #hashes: readonly (Uint8Array | undefined)[];
  /** 1 for each bin whose hash this peer has. */
  readonly #present: Uint8Array;

  constructor(hashes: readonly (Uint8Array | undefined)[], hash: HashFunction, chunkCount: number) {
    super(hash, chunkCount);
    this.#hashes = hashes;
    this.#present = new Uint8Array(hashes.length);
  }

  override has(bin: number): boolean {
    return this.#present[bin] === 1;
  }

  override get(bin: number): Uint8Array | undefined {
    return this.has(bin) ? this.#hashes[bin] : undefined;
  }

  override set(bin: number, hash: Uint8Array): void {
    const own = this.#hashes[bin];
    if (own === undefined || (own !== hash && !sameHash(own, hash)))
      throw new RangeError(`bin ${bin} has another hash`);
    this.#present[bin] = 1;
  }
}

/** Bytes kept free before each known chunk, for what stands before it in a datagram. */
const HEADROOM = 4_096;

/**
 * The publisher's chunks and their hashes, for thousands of simulated peers that all receive the same. Nobody copies them: a
 * datagram with such a chunk is the very memory of it, its head written before it when it arrives. So what a peer got is the
 * publisher's chunk if it is that memory, or equal to it byte by byte, and the hash of equal bytes is known. Anything else,
 * such as what a misbehaving peer has changed, is copied, compared and hashed.
 */
export class KnownChunks {
  readonly #content: Content;
  readonly #chunks: readonly Buffer[];
  readonly #memory: ReadonlySet<ArrayBufferLike>;
  /** By bin. */
  readonly #hashes: readonly (Uint8Array | undefined)[];
  /** Nodes of the tree by the first octets of their left child. */
  readonly #parents = new Map<number, { left: Uint8Array; right: Uint8Array; parent: Uint8Array }>();

  constructor(content: Content) {
    this.#content = content;
    this.#chunks = content.chunks.map((chunk) => {
      const memory = Buffer.from(new ArrayBuffer(HEADROOM + chunk.length));
      memory.set(chunk, HEADROOM);
      return memory.subarray(HEADROOM);
    });
    this.#memory = new Set(this.#chunks.map(({ buffer }) => buffer));
    const { tree } = content;
    this.#hashes = Array.from({ length: 2 * tree.chunkCount - 1 }, (_, bin) => tree.get(bin));
    for (let bin = 1; bin < 2 * tree.chunkCount; bin += 2) {
      if (!tree.isFilled(bin)) continue;
      const left = tree.get(binLeft(bin))!;
      this.#parents.set(prefix(left), { left, right: tree.get(binRight(bin))!, parent: tree.get(bin)! });
    }
  }

  /** The tree's hash function, which hashes only what is not in the tree. */
  get hash(): HashFunction {
    const own = hashFunction(this.#content.options.metadata.hash);
    return {
      ...own,
      pair: (left, right) => {
        const known = this.#parents.get(prefix(left));
        const same = known !== undefined && sameHash(known.left, left) && sameHash(known.right, right);
        return same ? known.parent : own.pair(left, right);
      },
    };
  }

  /** An empty tree for one peer, which keeps no hashes but those of the publisher. */
  tree(): MerkleTree {
    return new SharedTree(this.#hashes, this.hash, this.#content.tree.chunkCount);
  }

  /** The publisher's bytes of a chunk that is proven, and so the same. */
  bytes(chunk: number): Uint8Array {
    return this.#chunks[chunk]!;
  }

  /**
   * A datagram; undefined if the payload is not the memory of a known chunk. The head in front of it is good until the next
   * such datagram: an endpoint keeps views on DATA alone.
   */
  frame(head: Uint8Array, payload: Uint8Array): Uint8Array | undefined {
    if (head.length > HEADROOM || !this.#memory.has(payload.buffer)) return undefined;
    const datagram = new Uint8Array(payload.buffer, HEADROOM - head.length, head.length + payload.length);
    datagram.set(head);
    return datagram;
  }

  /** Hash of what came in as a chunk. */
  digest(chunk: number, data: Uint8Array): Uint8Array {
    const { tree, options } = this.#content;
    const own = this.#chunks[chunk];
    const same = own !== undefined && own.buffer === data.buffer && own.length === data.length;
    return same || own?.equals(data) === true ? tree.get(2 * chunk)! : digest(options.metadata.hash, data);
  }
}
