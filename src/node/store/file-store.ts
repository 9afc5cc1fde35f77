import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { ChunkStore } from "../../engine/ports.ts";
import { CommandError, systemReason } from "../publish/command-error.ts";

/**
 * Chunks of one file, each at its offset. Reads and writes are synchronous: they end in the system's page cache, and a
 * chunk is in the file before anybody hears of it. What is verified is for the caller to know.
 */
export class FileStore implements Pick<ChunkStore, "get" | "put"> {
  readonly #fd: number;
  readonly #chunkSize: number;
  #length: number;

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
  }

  /** The bytes of a chunk; undefined if the file does not have them, or cannot be read. */
  get(chunk: number): Uint8Array | undefined {
    const offset = chunk * this.#chunkSize;
    const data = Buffer.allocUnsafe(Math.max(0, Math.min(this.#chunkSize, this.#length - offset)));
    try {
      const read = readSync(this.#fd, data, 0, data.length, offset);
      if (read === 0 || (this.#length !== Infinity && read < data.length)) return undefined;
      return data.subarray(0, read);
    } catch {
      return undefined;
    }
  }

  /** Writes a chunk at its offset. @throws Error of the system, such as a full disk */
  put(chunk: number, data: Uint8Array): void {
    for (let done = 0; done < data.length;)
      done += writeSync(this.#fd, data, done, data.length - done, chunk * this.#chunkSize + done);
  }

  /** The content's length is known now; cuts off what an earlier file had behind it. @throws Error of the system */
  setLength(length: number): void {
    this.#length = length;
    ftruncateSync(this.#fd, length);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
