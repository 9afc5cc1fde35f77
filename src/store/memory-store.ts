import { rangeLength, type ChunkRange } from "../core/address/range.ts";
import type { ChunkStore } from "../engine/ports.ts";

/** Chunks in memory; what is put is kept by reference. */
export class MemoryStore implements ChunkStore {
  readonly #chunks = new Map<number, Uint8Array>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  put(chunk: number, data: Uint8Array): void {
    this.#size += data.length - (this.#chunks.get(chunk)?.length ?? 0);
    this.#chunks.set(chunk, data);
  }

  get(chunk: number): Uint8Array | undefined {
    return this.#chunks.get(chunk);
  }

  delete(chunks: ChunkRange): void {
    // Whichever is shorter: the range, which may be the whole content, or what is held.
    if (rangeLength(chunks) <= this.#chunks.size) {
      for (let chunk = chunks.start; chunk <= chunks.end; chunk++) this.#drop(chunk);
    } else {
      for (const chunk of this.#chunks.keys()) if (chunk >= chunks.start && chunk <= chunks.end) this.#drop(chunk);
    }
  }

  clear(): void {
    this.#chunks.clear();
    this.#size = 0;
  }

  #drop(chunk: number): void {
    this.#size -= this.#chunks.get(chunk)?.length ?? 0;
    this.#chunks.delete(chunk);
  }
}
