import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { binLevel, binRange, type Bin } from "../../core/address/bin.ts";
import type { ChunkRange } from "../../core/address/range.ts";
import type { HashCode } from "../../core/codec/messages.ts";
import { sameHash } from "../../core/integrity/hashes.ts";
import type { MerkleTree } from "../../core/integrity/tree.ts";
import { CommandError, systemReason } from "../publish/command-error.ts";
import { hashFiles } from "../publish/hash-files.ts";

/** How a file is hashed. */
export interface HashOptions {
  readonly chunkSize: number;
  readonly hash: HashCode;
  readonly signal: AbortSignal;
  /** Called as bytes are done. */
  readonly advance?: (bytes: number) => void;
}

/** Length of a file, bytes; undefined if there is none. @throws CommandError for what is no file, or out of reach */
export async function fileLength(path: string): Promise<number | undefined> {
  try {
    const info = await stat(path);
    if (info.isFile()) return info.size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CommandError(systemReason(error), path);
  }
  throw new CommandError("is no file", path);
}

/** The hash tree over a file of `length` bytes. @throws CommandError if it cannot be read; the signal's reason */
export function hashFile(path: string, length: number, options: HashOptions): Promise<MerkleTree> {
  const files = [{ uri: encodeURIComponent(basename(path)), length }];
  return hashFiles({ folder: dirname(path), files, advance: () => undefined, ...options });
}

/**
 * What an earlier run left in a file, as the tree over its bytes. None of it counts until a node of it equals a proven
 * node of the swarm's tree: then all chunks below are right. Each chunk that is fetched proves the siblings on its way to
 * the root, so a few fetched chunks find out all that is there, without a record beside the file.
 */
export class Leftover {
  readonly #tree: MerkleTree;
  readonly #compared = new Set<Bin>();

  constructor(tree: MerkleTree) {
    this.#tree = tree;
  }

  /** Takes over into `tree` what the hashes prove that came with `chunk`; returns the chunks that are right. */
  adopt(tree: MerkleTree, chunk: number): ChunkRange[] {
    const bins = [...tree.peaks().map(({ bin }) => bin), ...tree.uncles(chunk)];
    return bins.filter((bin) => this.#take(tree, bin)).map(binRange);
  }

  #take(tree: MerkleTree, bin: Bin): boolean {
    if (this.#compared.has(bin)) return false;
    const proven = tree.get(bin);
    if (proven === undefined) return false;
    this.#compared.add(bin);
    const own = this.#tree.get(bin);
    if (own === undefined || !sameHash(own, proven)) return false;
    // The bins of a subtree are consecutive numbers around its top.
    const reach = 2 ** binLevel(bin) - 1;
    for (let below = bin - reach; below <= bin + reach; below++) tree.set(below, this.#tree.get(below)!);
    return true;
  }
}
