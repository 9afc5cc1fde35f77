import type { Engine } from "../engine/engine.ts";
import { startTimes } from "../sw/timeline.ts";

/** Files that begin up to so many segments behind the one that was asked for last may be next, of whichever rendition. */
const SEGMENTS = 3;

/** Follows what the page asks for, to tell it what neighbours have of what it may ask for next. */
export class Course {
  readonly #engine: Engine;
  readonly #starts: readonly (number | undefined)[];
  #next: readonly number[];

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#starts = startTimes(engine.presentation);
    this.#next = this.#from(0, 0);
  }

  /** The page asks for this file. */
  follow(file: number): void {
    const start = this.#starts[file];
    const { duration } = this.#engine.presentation.files[file] ?? {};
    if (start !== undefined && duration !== undefined) this.#next = this.#from(start, duration);
  }

  /** How much of each of these files neighbours have, 0 to 1. */
  covered(): readonly (readonly [file: number, share: number])[] {
    const engine = this.#engine;
    if (engine.stats.neighbours === 0) return [];
    return this.#next.map((file) => {
      const { start, end } = engine.layout.fileChunks(file);
      const covered = engine.covered({ start, end }).reduce((sum, range) => sum + range.end - range.start + 1, 0);
      return [file, covered / (end - start + 1)];
    });
  }

  #from(start: number, duration: number): number[] {
    const files: number[] = [];
    for (const [file, at] of this.#starts.entries()) {
      if (at === undefined) continue;
      const length = this.#engine.presentation.files[file]?.duration ?? 0;
      if (at + length > start && at <= start + SEGMENTS * Math.max(duration, length)) files.push(file);
    }
    return files;
  }
}
