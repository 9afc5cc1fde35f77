/** One viewer's way to the origin: a rate that all its responses share, and a wait before each. */
import type { ServerResponse } from "node:http";
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";

/** How fast a line is. */
export interface LineSettings {
  /** All responses together, kbit/s; Infinity for no limit. */
  readonly kbit: number;
  /** Before each response, ms. */
  readonly delayMs: number;
}

interface Sending {
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly written: (bytes: number) => void;
  at: number;
}

/** How often bytes go out, ms. */
const TICK_MS = 10;
/** What has been saved up while the process was busy is given out later, but not more than this, ms. */
const DEBT_MS = 100;
/** Written at once where there is no limit. */
const PIECE = 65_536;

/** Responses on their way to one viewer. */
export class Line {
  #settings: LineSettings;
  #sending: Sending[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #last = 0;
  #credit = 0;

  constructor(settings: LineSettings) {
    this.#settings = settings;
  }

  /** From now on. */
  set(settings: LineSettings): void {
    this.#settings = settings;
  }

  /** The wait before a response. */
  async delay(): Promise<void> {
    if (this.#settings.delayMs > 0) await wait(this.#settings.delayMs);
  }

  /** Sends a body and ends the response; `written` hears of every piece that goes out. */
  send(response: ServerResponse, body: Buffer, written: (bytes: number) => void): void {
    const sending: Sending = { response, body, written, at: 0 };
    response.on("close", () => this.#remove(sending));
    if (this.#settings.kbit === Infinity) {
      response.on("drain", () => this.#flow(sending));
      return this.#flow(sending);
    }
    this.#sending.push(sending);
    if (this.#timer !== undefined) return;
    this.#last = performance.now();
    this.#credit = 0;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  #flow(sending: Sending): void {
    while (this.#write(sending, PIECE) && !sending.response.writableNeedDrain);
  }

  /** Shares what the time since the last tick allows between all responses, in turns. */
  #tick(): void {
    const now = performance.now();
    const bytesPerMs = this.#settings.kbit / 8;
    this.#credit += Math.min(now - this.#last, DEBT_MS) * bytesPerMs;
    this.#last = now;
    while (this.#credit >= 1) {
      const ready = this.#sending.filter(({ response }) => !response.destroyed && !response.writableNeedDrain);
      if (ready.length === 0) break;
      const share = Math.max(1, Math.floor(this.#credit / ready.length));
      for (const sending of ready) {
        const before = sending.at;
        this.#write(sending, Math.min(share, Math.floor(this.#credit)));
        this.#credit -= sending.at - before;
      }
    }
    // A line that nobody uses saves nothing up.
    this.#credit = Math.min(this.#credit, bytesPerMs * TICK_MS);
  }

  /** Writes up to `most` bytes; false once the response is complete. */
  #write(sending: Sending, most: number): boolean {
    const { response, body, written } = sending;
    if (response.destroyed || sending.at >= body.length) return false;
    const piece = body.subarray(sending.at, sending.at + most);
    if (piece.length > 0) response.write(piece);
    sending.at += piece.length;
    written(piece.length);
    if (sending.at < body.length) return true;
    response.end();
    this.#remove(sending);
    return false;
  }

  #remove(sending: Sending): void {
    this.#sending = this.#sending.filter((other) => other !== sending);
    if (this.#sending.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
