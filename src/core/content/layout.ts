import type { ChunkRange } from "../address/range.ts";
import { chunksIn, type Presentation } from "./presentation.ts";

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
  /** First byte of each file in the content, all files one behind the other, then the content's length. */
  readonly #bytes: Float64Array;

  constructor(presentation: Presentation) {
    const { files, swarm } = presentation;
    this.#presentation = presentation;
    this.#starts = new Float64Array(files.length + 1);
    this.#bytes = new Float64Array(files.length + 1);
    files.forEach(({ length }, file) => {
      this.#starts[file + 1] = this.#starts[file]! + chunksIn(length, swarm.chunkSize);
      this.#bytes[file + 1] = this.#bytes[file]! + length;
    });
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
    const file = lastUpTo(this.#starts, chunk);
    const { chunkSize } = this.#presentation.swarm;
    const offset = (chunk - this.#starts[file]!) * chunkSize;
    return { file, offset, length: Math.min(chunkSize, this.#file(file).length - offset) };
  }

  /** First byte of a chunk in the content, whose files follow one another; of the chunk count, the content's length. */
  offsetOf(chunk: number): number {
    if (chunk === this.chunkCount) return this.#bytes.at(-1)!;
    const { file, offset } = this.locate(chunk);
    return this.#bytes[file]! + offset;
  }

  /** The chunk that holds a byte of the content. @throws RangeError if it has no such byte */
  chunkAt(byte: number): number {
    if (!(byte >= 0 && byte < this.#bytes.at(-1)!)) throw new RangeError(`no byte ${byte}`);
    const file = lastUpTo(this.#bytes, byte);
    return this.#starts[file]! + Math.floor((byte - this.#bytes[file]!) / this.#presentation.swarm.chunkSize);
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

  #file(file: number): Presentation["files"][number] {
    const entry = this.#presentation.files[file];
    if (entry === undefined) throw new RangeError(`no file ${file}`);
    return entry;
  }
}

/** Index of the last start that is not above `value`, of ascending starts and, as the last element, their end. */
function lastUpTo(starts: Float64Array, value: number): number {
  let index = 0;
  for (let above = starts.length - 1; above - index > 1;) {
    const middle = (index + above) >> 1;
    if (starts[middle]! <= value) index = middle;
    else above = middle;
  }
  return index;
}
