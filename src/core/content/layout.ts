import type { ChunkRange } from "../address/range.ts";
import { chunksIn, type Presentation } from "./presentation.ts";
import { decodedPath } from "./uri.ts";

/** Where a chunk is: `length` bytes from byte `offset` of a file entry (not of the resource that the entry is a part of). */
export interface ChunkPlace {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
}

/** Which chunks are which bytes of which file. Every file starts a new chunk, and its last chunk may be short. */
export class Layout {
  readonly chunkCount: number;
  readonly #presentation: Presentation;
  /** First chunk of each file, then the chunk count. */
  readonly #starts: Float64Array;
  /** File indices by decoded URI, by ascending offset. */
  readonly #byUri = new Map<string, number[]>();

  constructor(presentation: Presentation) {
    const { files, swarm } = presentation;
    this.#presentation = presentation;
    this.#starts = new Float64Array(files.length + 1);
    files.forEach(({ uri, length }, file) => {
      this.#starts[file + 1] = this.#starts[file]! + chunksIn(length, swarm.chunkSize);
      const key = decodedPath(uri) ?? uri;
      const entries = this.#byUri.get(key);
      if (entries === undefined) this.#byUri.set(key, [file]);
      else entries.push(file);
    });
    for (const entries of this.#byUri.values()) entries.sort((a, b) => this.#offset(a) - this.#offset(b));
    this.chunkCount = this.#starts[files.length]!;
  }

  /** The chunks of a file. @throws RangeError if there is no such file */
  fileChunks(file: number): ChunkRange {
    this.#file(file);
    return { start: this.#starts[file]!, end: this.#starts[file + 1]! - 1 };
  }

  /** Bytes of a chunk. @throws RangeError if there is no such chunk */
  chunkSize(chunk: number): number {
    return this.locate(chunk).length;
  }

  /** Where a chunk is. @throws RangeError if there is no such chunk */
  locate(chunk: number): ChunkPlace {
    if (!Number.isInteger(chunk) || chunk < 0 || chunk >= this.chunkCount) throw new RangeError(`no chunk ${chunk}`);
    // The last file that starts at or before the chunk.
    let file = 0;
    for (let above = this.#starts.length - 1; above - file > 1;) {
      const middle = (file + above) >> 1;
      if (this.#starts[middle]! <= chunk) file = middle;
      else above = middle;
    }
    const { chunkSize } = this.#presentation.swarm;
    const offset = (chunk - this.#starts[file]!) * chunkSize;
    return { file, offset, length: Math.min(chunkSize, this.#file(file).length - offset) };
  }

  /** The chunks that overlap `length` bytes from byte `offset` of a file entry. @throws RangeError if it has no such bytes */
  chunksOf(file: number, offset: number, length: number): ChunkRange {
    if (!(offset >= 0 && length > 0 && offset + length <= this.#file(file).length)) {
      throw new RangeError(`no bytes ${offset} to ${offset + length - 1} in file ${file}`);
    }
    const { chunkSize } = this.#presentation.swarm;
    const start = this.#starts[file]!;
    return {
      start: start + Math.floor(offset / chunkSize),
      end: start + Math.floor((offset + length - 1) / chunkSize),
    };
  }

  /**
   * The file entry for a URI relative to ppsp.json, without query: the one that holds byte `offset` of the resource, or
   * without `offset` the one that is the whole resource. A whole resource also answers for every offset inside it.
   */
  find(uri: string, offset?: number): number | undefined {
    const entries = this.#byUri.get(decodedPath(uri) ?? uri) ?? [];
    const whole = entries.find((file) => this.#file(file).offset === undefined);
    if (offset === undefined) return whole;
    // Ranges may overlap, as an init section does that is repeated: the one that starts last is meant.
    const range = entries.findLast((file) => this.#file(file).offset !== undefined && this.#offset(file) <= offset);
    const held = [range, whole].find(
      (file) => file !== undefined && offset < this.#offset(file) + this.#file(file).length,
    );
    return held;
  }

  #offset(file: number): number {
    return this.#file(file).offset ?? 0;
  }

  #file(file: number): Presentation["files"][number] {
    const entry = this.#presentation.files[file];
    if (entry === undefined) throw new RangeError(`no file ${file}`);
    return entry;
  }
}
