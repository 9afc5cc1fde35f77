import { hash as digest } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { leafBin } from "../../core/address/bin.ts";
import { HashCode } from "../../core/codec/messages.ts";
import { chunksIn, type PresentationFile } from "../../core/content/presentation.ts";
import { hashSize } from "../../core/codec/datagram.ts";
import { merkle, type HashFunction } from "../../core/integrity/hashes.ts";
import { MerkleTree } from "../../core/integrity/tree.ts";
import { CommandError, systemReason } from "./command-error.ts";
import { shown } from "./asset.ts";

/** Bytes read at a time; two such blocks are in memory, one being hashed while the next is read. */
const BLOCK_BYTES = 2 ** 20;

const NODE_NAMES: Readonly<Record<HashCode, string>> = {
  [HashCode.sha1]: "sha1",
  [HashCode.sha224]: "sha224",
  [HashCode.sha256]: "sha256",
  [HashCode.sha384]: "sha384",
  [HashCode.sha512]: "sha512",
};

/** Hash of a chunk by Node's own, fast implementation. */
export const chunkHash = (code: HashCode, chunk: Uint8Array): Uint8Array => digest(NODE_NAMES[code], chunk, "buffer");

/** The hash function of a code by Node's own implementation. */
export const nodeHash = (code: HashCode): HashFunction => merkle(code, hashSize(code), (data) => chunkHash(code, data));

/** What `hashFiles` goes through. */
export interface HashJob {
  readonly folder: string;
  readonly files: readonly PresentationFile[];
  readonly chunkSize: number;
  readonly hash: HashCode;
  readonly signal: AbortSignal;
  /** Called as bytes are done. */
  readonly advance: (bytes: number) => void;
}

/**
 * The hash tree over all files. Reads them once, one after the other; memory is two blocks and two hashes per chunk.
 * @throws CommandError if a file cannot be read or got shorter; the signal's reason
 */
export async function hashFiles({ folder, files, chunkSize, hash, signal, advance }: HashJob): Promise<MerkleTree> {
  const count = files.reduce((sum, { length }) => sum + chunksIn(length, chunkSize), 0);
  const tree = new MerkleTree(nodeHash(hash), count);
  const blockBytes = Math.floor(BLOCK_BYTES / chunkSize) * chunkSize;
  const blocks = [Buffer.alloc(blockBytes), Buffer.alloc(blockBytes)] as const;
  let chunk = 0;
  for (const file of files) {
    const path = join(folder, decodeURIComponent(file.uri));
    const handle = await open(path).catch((error: unknown) => {
      throw new CommandError(systemReason(error), shown(path));
    });
    try {
      const end = (file.offset ?? 0) + file.length;
      const readAt = (position: number, which: 0 | 1): Promise<Buffer> =>
        readBlock(handle, blocks[which].subarray(0, Math.min(blockBytes, end - position)), position, path);
      let which: 0 | 1 = 0;
      let next: Promise<Buffer> | undefined = readAt(file.offset ?? 0, which);
      for (let position = file.offset ?? 0; position < end; position += blockBytes) {
        const block: Buffer = await next;
        signal.throwIfAborted();
        which = which === 0 ? 1 : 0;
        if (position + blockBytes < end) next = readAt(position + blockBytes, which);
        for (let at = 0; at < block.length; at += chunkSize) {
          tree.set(leafBin(chunk++), chunkHash(hash, block.subarray(at, at + chunkSize)));
        }
        advance(block.length);
      }
    } finally {
      await handle.close();
    }
  }
  tree.complete();
  return tree;
}

async function readBlock(handle: FileHandle, block: Buffer, position: number, path: string): Promise<Buffer> {
  for (let filled = 0; filled < block.length;) {
    const { bytesRead } = await handle
      .read(block, filled, block.length - filled, position + filled)
      .catch((error: unknown) => {
        throw new CommandError(systemReason(error), shown(path));
      });
    if (bytesRead === 0) throw new CommandError("the file got shorter while it was read", shown(path));
    filled += bytesRead;
  }
  return block;
}
