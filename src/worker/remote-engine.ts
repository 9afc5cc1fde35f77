import { Directory } from "../core/content/directory.ts";
import type { Presentation } from "../core/content/presentation.ts";
import type { FetchRequest, Piece } from "../engine/delivery.ts";
import { PlaybackError } from "../engine/errors.ts";
import { Emitter } from "../engine/events.ts";
import type { EngineEvents } from "../engine/options.ts";
import type { Playhead } from "../engine/ports.ts";
import type { EngineStats } from "../engine/stats.ts";
import type { Port } from "./port.ts";
import { type EngineMessage, epochMs, fromFailure, type News, type ToHost, type ToPage } from "./protocol.ts";

/** Deadlines are said again this often while something is fetched, ms. */
export const LOOK_MS = 250;
/** … if they have moved by more than this, ms. */
const MOVED_MS = 50;

/** A host that is silent for so many looks while something is fetched is asked whether it is there, … */
const PING_LOOKS = 4;
/** … and is not if it has said nothing after as many again. Looks, not ms: whoever freezes the page freezes these. */
export const LOST_LOOKS = 12;

/** A fetch that runs. */
interface Running {
  readonly deadline: () => number;
  due: number;
  readonly pieces: Piece[];
  ended: boolean;
  failure: Error | undefined;
  wake: () => void;
}

/** A presentation's engine as its page sees it: it runs at the other end of a port, and what it counts arrives up to 250 ms late. */
export class RemoteEngine {
  readonly presentation: Presentation;
  readonly baseUrl: string;
  /** Counts so far. */
  readonly stats: EngineStats;
  readonly #directory: Directory;
  readonly #port: Port<ToHost, ToPage>;
  readonly #emitter = new Emitter<EngineEvents>();
  readonly #running = new Map<number, Running>();
  #news: News;
  #nextId = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #stalls = 0;
  #closed = false;
  #lost = false;
  /** Looks since the host has said anything. */
  #silence = 0;

  constructor(port: Port<ToHost, ToPage>, { presentation, baseUrl, news }: Extract<ToPage, { type: "opened" }>) {
    this.#port = port;
    this.presentation = presentation;
    this.baseUrl = baseUrl;
    this.#directory = new Directory(presentation.files);
    this.#news = news;
    this.stats = { ...news.stats };
  }

  /** Whether neighbours may turn up at any moment. */
  get expecting(): boolean {
    return this.#news.expecting;
  }

  /** How long bytes take from the origin, ms. */
  expectedHttpMs(bytes: number): number {
    return this.#news.httpDelayMs + bytes * this.#news.httpMsPerByte;
  }

  /** How long bytes take from the origin once they begin to come, ms, if nothing else is read. */
  lineMs(bytes: number): number {
    return bytes * this.#news.lineMsPerByte;
  }

  /** How long the hashes that have come from the origin have taken its line, ms. */
  hashMs(): number {
    return this.#news.hashMs;
  }

  /** Whether it is closed because its host has fallen silent: the browser may end a worker without a word. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Stalls that the player has counted; the engine only hands them on to the tracker. */
  set stalls(stalls: number) {
    if (stalls === this.#stalls || this.#closed) return;
    this.#stalls = stalls;
    this.#port.post({ type: "stalls", stalls });
  }

  /** The file for an absolute URL, its query ignored, or for the byte range that starts at `offset` of that resource. */
  fileAt(url: string, offset?: number): number | undefined {
    if (!URL.canParse(url)) return undefined;
    const { origin, pathname } = new URL(url);
    const base = new URL(".", this.baseUrl);
    if (origin !== base.origin || !pathname.startsWith(base.pathname)) return undefined;
    return this.#directory.find(pathname.slice(base.pathname.length), offset);
  }

  /** Bytes of a file, in order, from whoever can give them in time. @throws PlaybackError, RangeError for bytes it does not have */
  async *fetch(file: number, request: FetchRequest): AsyncGenerator<Piece, void, undefined> {
    const entry = this.presentation.files[file];
    if (entry === undefined) throw new RangeError(`no file ${file}`);
    if (this.#closed) throw new PlaybackError("aborted", "the engine is closed");
    const { offset = 0, deadline, signal, url } = request;
    const length = request.length ?? entry.length - offset;
    if (!(offset >= 0 && length > 0 && offset + length <= entry.length))
      throw new RangeError(`no bytes ${offset} to ${offset + length - 1} in file ${file}`);
    const id = this.#nextId++;
    const due = toEpoch(deadline());
    const running: Running = { deadline, due, pieces: [], ended: false, failure: undefined, wake: () => undefined };
    this.#running.set(id, running);
    if (this.#timer === undefined) {
      this.#silence = 0;
      this.#timer = setInterval(() => this.#look(), LOOK_MS);
    }
    const abort = (): void => {
      running.failure ??= new PlaybackError("aborted", "the request was taken back");
      running.wake();
    };
    signal?.addEventListener("abort", abort);
    if (signal?.aborted === true) abort();
    this.#port.post({ type: "fetch", id, file, offset, length, url, due });
    try {
      for (;;) {
        if (running.failure !== undefined) throw running.failure;
        const piece = running.pieces.shift();
        if (piece !== undefined) {
          yield piece;
          if (!running.ended) this.#port.post({ type: "used", id, bytes: piece.bytes.length });
        } else if (running.ended) return;
        else await new Promise<void>((resolve) => (running.wake = resolve));
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#running.delete(id);
      if (this.#running.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
      if (!running.ended && !this.#closed) this.#port.post({ type: "abort", id });
    }
  }

  /** Says what is being played, so that memory is freed of what is least useful. */
  setPlayhead(playhead: Playhead): void {
    if (!this.#closed) this.#port.post({ type: "playhead", playhead });
  }

  /** Adds a listener; returns a function that removes it. */
  on<Name extends keyof EngineEvents>(name: Name, listener: (detail: EngineEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Says goodbye to everybody and frees all memory. Idempotent, safe on `pagehide`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#port.post({ type: "close" });
    for (const running of this.#running.values()) {
      running.failure ??= new PlaybackError("aborted", "the engine is closed");
      running.wake();
    }
    this.stats.neighbours = 0;
    this.#emitter.emit("close", undefined);
  }

  /** Takes what the host says. */
  received(message: EngineMessage): void {
    this.#silence = 0;
    switch (message.type) {
      case "pieces": {
        if (!this.#closed) this.#learn(message.news);
        const running = this.#running.get(message.id);
        if (running === undefined) return;
        let at = 0;
        for (const { length, source, early } of message.parts) {
          running.pieces.push({ bytes: new Uint8Array(message.bytes, at, length), source, early });
          at += length;
        }
        running.wake();
        return;
      }
      case "done": {
        const running = this.#running.get(message.id);
        if (running === undefined) return;
        running.ended = true;
        if (message.failure !== undefined) running.failure ??= fromFailure(message.failure);
        running.wake();
        return;
      }
      case "news":
        if (this.#closed) return;
        this.#learn(message.news);
        this.#emitter.emit("statschange", this.stats);
        return;
      case "warning":
        this.#emitter.emit("warning", message.text);
        return;
      case "event":
        if (this.#closed) return;
        this.#learn(message.news);
        this.#emitter.emit(message.name, message.detail as never);
        return;
    }
  }

  #learn(news: News): void {
    this.#news = news;
    Object.assign(this.stats, news.stats);
  }

  #look(): void {
    this.#silence++;
    if (this.#silence === PING_LOOKS) this.#port.post({ type: "ping" });
    if (this.#silence === LOST_LOOKS) {
      this.#lost = true;
      this.close();
      return;
    }
    for (const [id, running] of this.#running) {
      const due = toEpoch(running.deadline());
      if (running.ended || Math.abs(Math.max(due, epochMs()) - Math.max(running.due, epochMs())) < MOVED_MS) continue;
      running.due = due;
      this.#port.post({ type: "due", id, due });
    }
  }
}

/** A time of `performance.now` as ms since 1970. */
function toEpoch(time: number): number {
  return performance.timeOrigin + time;
}
