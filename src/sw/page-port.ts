import type { FetchRequest, Piece } from "../engine/delivery.ts";
import { PlaybackError } from "../engine/errors.ts";
import type { Presentation } from "../core/content/presentation.ts";
import type { Playhead } from "../engine/ports.ts";
import { Pacer } from "./pacer.ts";
import { locate } from "./range.ts";
import { resourceUrl, type Answer, type Ask, type ToPage, type ToWorker } from "./protocol.ts";

/** Ping the worker this often while it streams, ms; Firefox gives it 30 s. */
const KEEP_ALIVE_MS = 10_000;
/** Most bytes that wait for the worker's credit, per request: some pieces make one message. */
const QUEUE_BYTES = 256 * 1024;
/** Players whose requests are followed. */
const MOST_PLAYERS = 16;

/** The part of an engine that is needed here. */
export interface Engine {
  readonly presentation: Presentation;
  readonly baseUrl: string;
  fileAt(url: string, offset?: number): number | undefined;
  fetch(file: number, request: FetchRequest): AsyncIterable<Piece>;
  setPlayhead(playhead: Playhead): void;
}

/** Answers the Service Worker's requests for one presentation from this page's engine. */
export class PagePort {
  readonly #engine: Engine;
  readonly #presentation: string;
  readonly #registration: ServiceWorkerRegistration;
  readonly #pacers = new Map<string, Pacer>();
  readonly #streams = new Set<AbortController>();
  readonly #keepAlive: ReturnType<typeof setInterval>;
  #closed = false;

  /** `presentation` is the absolute URL of ppsp.json. */
  constructor(engine: Engine, presentation: string, registration: ServiceWorkerRegistration) {
    this.#engine = engine;
    this.#presentation = presentation;
    this.#registration = registration;
    const container = navigator.serviceWorker;
    container.addEventListener("message", this.#received);
    container.addEventListener("controllerchange", this.announce);
    container.startMessages();
    this.#keepAlive = setInterval(() => {
      if (this.#streams.size > 0) this.#send({ ppsp: "keep-alive" });
    }, KEEP_ALIVE_MS);
    this.announce();
  }

  /** Tells the worker to ask no more, and ends what it still waits for. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const container = navigator.serviceWorker;
    container.removeEventListener("message", this.#received);
    container.removeEventListener("controllerchange", this.announce);
    clearInterval(this.#keepAlive);
    this.#send({ ppsp: "leave", presentation: this.#presentation });
    for (const stream of this.#streams) stream.abort();
  }

  #send(message: ToWorker): void {
    this.#registration.active?.postMessage(message);
  }

  /** Tells the worker what this page answers for; also after the page may have been frozen or too busy to answer. */
  readonly announce = (): void => {
    if (this.#closed) return;
    const { presentation, baseUrl } = this.#engine;
    const urls = new Set(presentation.files.map(({ uri }) => resourceUrl(new URL(uri, baseUrl).href)));
    if (navigator.serviceWorker.controller === null) this.#send({ ppsp: "claim" });
    this.#send({ ppsp: "serve", presentation: this.#presentation, urls: [...urls] });
  };

  readonly #received = (event: MessageEvent<ToPage>): void => {
    const message = event.data;
    if (message.ppsp === "roll-call") this.announce();
    else if (message.ppsp === "get" && message.presentation === this.#presentation) {
      const [port] = event.ports;
      if (port !== undefined) this.#answer(message, port);
    }
  };

  #answer({ url, range, client }: Extract<ToPage, { ppsp: "get" }>, port: MessagePort): void {
    const outlet = new Outlet(port, this.announce);
    const file = range === undefined ? this.#engine.fileAt(url) : this.#engine.fileAt(url, range.first);
    const entry = file === undefined ? undefined : this.#engine.presentation.files[file];
    const part = entry === undefined ? undefined : locate(entry, range);
    if (file === undefined || entry === undefined || part === undefined) {
      outlet.say({ type: "refuse" });
      return;
    }
    const total = entry.offset === undefined ? entry.length : undefined;
    outlet.say({ type: "head", first: (entry.offset ?? 0) + part.offset, length: part.length, total });
    void this.#stream(file, { ...part, url }, this.#pacer(client), outlet);
  }

  #pacer(client: string): Pacer {
    const pacer = this.#pacers.get(client) ?? new Pacer(this.#engine.presentation);
    this.#pacers.delete(client);
    this.#pacers.set(client, pacer);
    for (const oldest of this.#pacers.keys()) {
      if (this.#pacers.size <= MOST_PLAYERS) break;
      this.#pacers.delete(oldest);
    }
    return pacer;
  }

  async #stream(
    file: number,
    request: Pick<FetchRequest, "offset" | "length" | "url">,
    pacer: Pacer,
    outlet: Outlet,
  ): Promise<void> {
    const { abort } = outlet;
    this.#streams.add(abort);
    pacer.requested(file, performance.now());
    this.#engine.setPlayhead({ file });
    const deadline = (): number => {
      const now = performance.now();
      return now + pacer.slackMs(file, now);
    };
    try {
      for await (const { bytes } of this.#engine.fetch(file, { ...request, deadline, signal: abort.signal })) {
        await outlet.write(bytes);
      }
      pacer.delivered(file, performance.now());
      outlet.end("end");
    } catch (error) {
      // The worker counts the bytes and fetches the rest itself, but not what was refused.
      outlet.end(error instanceof PlaybackError && error.code === "mismatch" ? "fail" : "end");
    } finally {
      this.#streams.delete(abort);
    }
  }
}

/** The page's end of one response: keeps a few bytes ready and hands them over when the worker has credit. */
class Outlet {
  readonly #port: MessagePort;
  readonly #late: () => void;
  /** Of the response. */
  readonly abort = new AbortController();
  #waiting: Uint8Array[] = [];
  #size = 0;
  #credit = 0;
  #last: "end" | "fail" | undefined;
  #drained: (() => void) | undefined;

  /** `late` is called when the worker had given the page up before it answered. */
  constructor(port: MessagePort, late: () => void) {
    this.#port = port;
    this.#late = late;
    this.abort.signal.addEventListener("abort", () => this.#drained?.());
    port.onmessage = (event: MessageEvent<Ask>) => this.#asked(event.data);
  }

  /** Queues bytes; settles when there is room for more. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#waiting.push(bytes);
    this.#size += bytes.length;
    this.#flush();
    if (this.#size >= QUEUE_BYTES && !this.abort.signal.aborted) {
      await new Promise<void>((resolve) => (this.#drained = resolve));
    }
  }

  /** Posts an answer. */
  say(answer: Answer, transfer: Transferable[] = []): void {
    this.#port.postMessage(answer, transfer);
  }

  /** Says this after what is queued. */
  end(last: "end" | "fail"): void {
    this.#last = last;
    this.#flush();
  }

  #asked(ask: Ask): void {
    if (ask.type === "pull") {
      this.#credit++;
      this.#flush();
    } else if (ask.type === "ping") this.say({ type: "pong" });
    else {
      this.abort.abort();
      this.#port.close();
      if (ask.type === "late") this.#late();
    }
  }

  #flush(): void {
    if (this.#credit > 0 && this.#size > 0) {
      this.#credit--;
      // The engine's store keeps its pieces, so what is transferred has to be a copy.
      const joined = new Uint8Array(this.#size);
      let at = 0;
      for (const bytes of this.#waiting) {
        joined.set(bytes, at);
        at += bytes.length;
      }
      this.#waiting = [];
      this.#size = 0;
      this.say({ type: "bytes", bytes: joined.buffer }, [joined.buffer]);
      this.#drained?.();
    }
    if (this.#last !== undefined && this.#size === 0) this.say({ type: this.#last });
  }
}
