/** Between two repaints, ms: smooth to the eye and free. */
const REPAINT_MS = 100;
const BAR_CELLS = 24;

/** "1.5 GB": decimal units, as file managers show them. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

/** A bar with bytes, rate and remaining time on a terminal; nothing where the stream is no terminal. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #total = 0;
  readonly #startedMs = performance.now();
  #done = 0;
  #paintedMs = 0;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** `bytes` more are to be done. */
  expect(bytes: number): void {
    this.#total += bytes;
  }

  /** `bytes` more are done. */
  advance(bytes: number): void {
    this.#done += bytes;
    const now = performance.now();
    if (!this.#stream.isTTY || now - this.#paintedMs < REPAINT_MS) return;
    this.#paintedMs = now;
    const share = this.#total === 0 ? 1 : this.#done / this.#total;
    const perMs = this.#done / Math.max(1, now - this.#startedMs);
    const seconds = Math.ceil((this.#total - this.#done) / perMs / 1000);
    const eta = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    const bar = "█".repeat(Math.round(share * BAR_CELLS)).padEnd(BAR_CELLS, "░");
    const percent = String(Math.floor(share * 100)).padStart(3);
    this.#stream.write(
      `\r\x1b[K${bar} ${percent} %  ${formatBytes(this.#done)}  ${formatBytes(perMs * 1000)}/s  ${eta} left`,
    );
  }

  /** Removes the bar. */
  clear(): void {
    if (this.#stream.isTTY && this.#paintedMs > 0) this.#stream.write("\r\x1b[K");
  }
}
