import type { PresentationFile } from "./presentation.ts";
import { decodedPath } from "./uri.ts";

/** Which file entry is meant by a URI relative to ppsp.json. */
export class Directory {
  readonly #files: readonly PresentationFile[];
  /** File indices by decoded URI, by ascending offset. */
  readonly #byUri = new Map<string, number[]>();

  constructor(files: readonly PresentationFile[]) {
    this.#files = files;
    files.forEach(({ uri }, file) => {
      const key = decodedPath(uri) ?? uri;
      const entries = this.#byUri.get(key);
      if (entries === undefined) this.#byUri.set(key, [file]);
      else entries.push(file);
    });
    for (const entries of this.#byUri.values()) entries.sort((a, b) => this.#offset(a) - this.#offset(b));
  }

  /**
   * The file entry for a URI relative to ppsp.json, without query: the one that holds byte `offset` of the resource, or
   * without `offset` the one that is the whole resource. A whole resource also answers for every offset inside it.
   */
  find(uri: string, offset?: number): number | undefined {
    const entries = this.#byUri.get(decodedPath(uri) ?? uri) ?? [];
    const whole = entries.find((file) => this.#files[file]!.offset === undefined);
    if (offset === undefined) return whole;
    // Ranges may overlap, as an init section does that is repeated: the one that starts last is meant.
    const range = entries.findLast((file) => this.#files[file]!.offset !== undefined && this.#offset(file) <= offset);
    const held = [range, whole].find(
      (file) => file !== undefined && offset < this.#offset(file) + this.#files[file]!.length,
    );
    return held;
  }

  #offset(file: number): number {
    return this.#files[file]!.offset ?? 0;
  }
}
