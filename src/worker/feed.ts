import type { Engine } from "../engine/engine.ts";
import { epochMs, type Part, type ToHost } from "./protocol.ts";

/** A batch waits for more for this long, ms, … */
const WAIT_MS = 250;
/** … or until it is so large, bytes: a segment is a handful of messages, whoever sends it. */
const BATCH_BYTES = 512 * 1024;
/** Bytes that the page has not used yet: as much as a large segment, so that a player never waits for this. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** Gives the page what it asked for, in few large pieces; the first one at once, since it tells when bytes began to come. */
export class Feed {
  readonly #engine: Pick<Engine, "fetch">;
  readonly #message: Extract<ToHost, { type: "fetch" }>;
  readonly #send: (bytes: ArrayBuffer, parts: readonly Part[]) => void;
  readonly #abort = new AbortController();
  #due: number;
  #pieces: Uint8Array[] = [];
  #parts: Part[] = [];
  #size = 0;
  #first = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Bytes sent and not used. */
  #away = 0;
  #wake: () => void = () => undefined;

  constructor(
    engine: Pick<Engine, "fetch">,
    message: Extract<ToHost, { type: "fetch" }>,
    send: (bytes: ArrayBuffer, parts: readonly Part[]) => void,
  ) {
    this.#engine = engine;
    this.#message = message;
    this.#send = send;
    this.#due = message.due;
  }

  /** When the last byte is needed, ms since 1970. */
  move(due: number): void {
    this.#due = due;
  }

  used(bytes: number): void {
    this.#away -= bytes;
    this.#wake();
  }

  abort(): void {
    this.#abort.abort();
    this.#wake();
  }

  /** Settles when all has been sent. @throws PlaybackError */
  async run(): Promise<void> {
    const { file, offset, length, url } = this.#message;
    const request = {
      offset,
      length,
      deadline: () => performance.now() + Math.max(0, this.#due - epochMs()),
      signal: this.#abort.signal,
      ...(url !== undefined && { url }),
    };
    try {
      for await (const { bytes, source, early } of this.#engine.fetch(file, request)) {
        this.#pieces.push(bytes);
        this.#size += bytes.length;
        const last = this.#parts.at(-1);
        if (last?.source === source && last.early === early)
          this.#parts[this.#parts.length - 1] = { ...last, length: last.length + bytes.length };
        else this.#parts.push({ length: bytes.length, source, early });
        if (this.#first || this.#size >= BATCH_BYTES) this.#flush();
        else this.#timer ??= setTimeout(() => this.#flush(), WAIT_MS);
        while (this.#away + this.#size > WINDOW_BYTES && !this.#abort.signal.aborted)
          await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      this.#flush();
    } finally {
      clearTimeout(this.#timer);
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#size === 0 || this.#abort.signal.aborted) return;
    this.#first = false;
    const joined = new Uint8Array(this.#size);
    let at = 0;
    for (const piece of this.#pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    const parts = this.#parts;
    this.#away += this.#size;
    this.#pieces = [];
    this.#parts = [];
    this.#size = 0;
    this.#send(joined.buffer, parts);
  }
}
