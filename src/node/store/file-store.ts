import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { ChunkStore } from "../../engine/ports.ts";
import { CommandError, systemReason } from "../publish/command-error.ts";

/** What is written at a time where chunks come one behind the other, bytes. */
const BEHIND = 262_144;
/** What is read at a time for chunks smaller than that, bytes, and how many such blocks are kept. */
const BLOCK = 65_536;
const BLOCKS = 64;

/**
 * Chunks of one file, each at its offset. Reads and writes are synchronous and in large blocks, since they end in the
 * system's page cache; the last few chunks that were put may still be on their way there. What is verified is for the
 * caller to know.
 */
export class FileStore implements Pick<ChunkStore, "get" | "put"> {
  readonly #fd: number;
  readonly #chunkSize: number;
  #length: number;
  /** Whether nothing is to be cut off at the file's end. */
  #cut = true;
  /** Chunks that are not written yet, one behind the other, from byte `#behindAt` of the file. */
  readonly #behind = Buffer.allocUnsafe(BEHIND);
  #behindAt = 0;
  #behindLength = 0;
  /** Blocks of a file that nobody writes, the oldest first; undefined where we write. */
  readonly #blocks: Map<number, Uint8Array> | undefined;
  /** What a file that nobody writes looked like when it was opened; undefined where we write. */
  readonly #version: string | undefined;
  #changed = false;

  /** Opens a file, `length` bytes long if known, to read or to write, which makes it if need be. @throws CommandError */
  constructor(path: string, mode: "read" | "write", chunkSize: number, length = Infinity) {
    try {
      // "a+" would append wherever one writes; this makes the file and leaves what is in it.
      if (mode === "write") closeSync(openSync(path, "a"));
      this.#fd = openSync(path, mode === "write" ? "r+" : "r");
    } catch (error) {
      throw new CommandError(systemReason(error), path);
    }
    this.#chunkSize = chunkSize;
    this.#length = length;
    if (mode === "read") this.#version = this.#stamp();
    if (mode === "read" && BLOCK % chunkSize === 0) this.#blocks = new Map();
  }

  /** Whether somebody was seen to write to a file that was opened to be read; nothing is read from it any more. */
  get isChanged(): boolean {
    return this.#changed;
  }

  /** The bytes of a chunk; undefined if the file does not have them, or cannot be read. */
  get(chunk: number): Uint8Array | undefined {
    if (this.#changed) return undefined;
    const offset = chunk * this.#chunkSize;
    const length = Math.max(0, Math.min(this.#chunkSize, this.#length - offset));
    try {
      const data =
        this.#blocks === undefined ? this.#read(offset, length) : this.#inBlock(this.#blocks, offset, length);
      if (this.#changed) return undefined;
      return data.length === 0 || (this.#length !== Infinity && data.length < length) ? undefined : data;
    } catch {
      return undefined;
    }
  }

  /** Writes a chunk at its offset, now or a little later. @throws Error of the system, such as a full disk */
  put(chunk: number, data: Uint8Array): void {
    const offset = chunk * this.#chunkSize;
    const follows = offset === this.#behindAt + this.#behindLength && this.#behindLength + data.length <= BEHIND;
    if (!follows) {
      this.flush();
      this.#behindAt = offset;
    }
    this.#behind.set(data, this.#behindLength);
    this.#behindLength += data.length;
  }

  /** The content's length is known now; `flush` cuts off what an earlier file had behind it. */
  setLength(length: number): void {
    this.#length = length;
    this.#cut = false;
  }

  /** Frees the file; what is not flushed is lost. */
  close(): void {
    closeSync(this.#fd);
  }

  /** Writes what is still on its way; what could not be written stays so. @throws Error of the system */
  flush(): void {
    const length = this.#behindLength;
    for (let done = 0; done < length;)
      done += writeSync(this.#fd, this.#behind, done, length - done, this.#behindAt + done);
    this.#behindLength = 0;
    if (this.#cut) return;
    ftruncateSync(this.#fd, this.#length);
    this.#cut = true;
  }

  #read(offset: number, length: number): Uint8Array {
    this.flush();
    const data = Buffer.allocUnsafe(length);
    const read = readSync(this.#fd, data, 0, length, offset);
    // Afterwards, so that what was written before or meanwhile is noticed.
    this.#changed = this.#version !== undefined && this.#version !== this.#stamp();
    return data.subarray(0, read);
  }

  #stamp(): string {
    const { size, mtimeNs } = fstatSync(this.#fd, { bigint: true });
    return `${size} ${mtimeNs}`;
  }

  #inBlock(blocks: Map<number, Uint8Array>, offset: number, length: number): Uint8Array {
    const at = offset - (offset % BLOCK);
    let block = blocks.get(at);
    if (block === undefined) {
      block = this.#read(at, BLOCK);
      const [oldest] = blocks.keys();
      if (blocks.size >= BLOCKS && oldest !== undefined) blocks.delete(oldest);
      blocks.set(at, block);
    }
    return block.subarray(offset - at, offset - at + length);
  }
}
