import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import type { Device } from "../link/condition.ts";
import { createRendezvous } from "../link/rendezvous.ts";
import { Eviction } from "../store/eviction.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { locate } from "./locate.ts";
import { Dialler } from "./dialler.ts";
import { EarlyMedia } from "./early-media.ts";
import { Feed } from "./feed.ts";
import type { Port } from "./port.ts";
import { FORWARDED, type News, type OpenMessage, toFailure, type ToHost, type ToPage } from "./protocol.ts";

/** Whoever gets ppsp.json within this time, ms, is near the origin, and will have the first segment before a neighbour can be met. */
const FAST_MS = 60;
/** A viewer who has met nobody for this long, ms, is told so. */
const LONELY_MS = 10_000;

/** Hosts one engine, as the page at the other end of a port says. */
export function serve(port: Port<ToPage, ToHost>): void {
  const host = new EngineHost(port);
  port.onmessage = (message) => host.received(message);
}

class EngineHost {
  readonly #port: Port<ToPage, ToHost>;
  readonly #dialler: Dialler;
  readonly #early = new EarlyMedia((answer) => this.#port.post({ type: "early", answer }, [answer.bytes]));
  readonly #feeds = new Map<number, Feed>();
  readonly #tokens = new Map<number, (message: Extract<ToHost, { type: "token" }>) => void>();
  #nextToken = 0;
  readonly #power = new Power();
  #engine: Engine | undefined;
  #warned = false;
  readonly #closed = new AbortController();

  constructor(port: Port<ToPage, ToHost>) {
    this.#port = port;
    this.#dialler = new Dialler((message) => port.post(message));
  }

  received(message: ToHost): void {
    const engine = this.#engine;
    switch (message.type) {
      case "open":
        this.#port.post({ type: "opening" });
        void this.#open(message);
        return;
      case "early":
        this.#early.ask(message.url);
        return;
      case "drop":
        this.#early.drop(message.url);
        return;
      case "fetch": {
        if (engine === undefined) return;
        // The page has it and is about to show it: neighbours, whose connections only a page can make, can wait for that.
        const shown = this.#early.whole(message.url);
        this.#feed(engine, message);
        if (!shown) engine.join();
        return;
      }
      case "due":
        this.#feeds.get(message.id)?.move(message.due);
        return;
      case "used":
        this.#feeds.get(message.id)?.used(message.bytes);
        return;
      case "abort":
        this.#feeds.get(message.id)?.abort();
        return;
      case "playhead":
        engine?.setPlayhead(message.playhead);
        engine?.join();
        return;
      case "stalls":
        if (engine !== undefined) engine.stalls = message.stalls;
        return;
      case "ping":
        if (engine !== undefined) this.#port.post({ type: "news", news: this.#news(engine) });
        return;
      case "power":
        this.#power.tell(message.charging);
        return;
      case "token":
        this.#tokens.get(message.id)?.(message);
        this.#tokens.delete(message.id);
        return;
      case "close":
        this.#close();
        return;
      default:
        this.#dialler.received(message);
    }
  }

  async #open(message: OpenMessage): Promise<void> {
    const { trackers, memoryLimit, strict, upload } = message;
    this.#early.shows = strict !== true;
    const { maxNeighbours, minViewers, relayOnly, encoding, peerId, accessToken } = message;
    const began = performance.now();
    try {
      const { place, promised, named } = await locate(message);
      const engine = await openEngine({
        presentationUrl: place,
        promised,
        fetch: this.#early.fetch,
        store: new MemoryStore(),
        eviction: (presentation, layout) => new Eviction(presentation, layout),
        rendezvous: ({ policy, trackers: published, iceServers, grant }) =>
          policy.p2p
            ? createRendezvous(
                {
                  trackers: trackers.length > 0 ? [trackers] : named.length > 0 ? [named] : published,
                  iceServers: message.iceServers ?? (iceServers.length > 0 ? iceServers : "tracker"),
                  grant,
                  device: this.#power,
                  farewell: (url, body) => this.#port.post({ type: "farewell", url, body }),
                  warn: (text) => this.#warn(text),
                  ...(maxNeighbours !== undefined && { maxNeighbours }),
                  ...(minViewers !== undefined && { minViewers }),
                  ...(relayOnly !== undefined && { relayOnly }),
                  ...(encoding !== undefined && { encoding }),
                  ...(peerId !== undefined && { peerId }),
                  ...(accessToken !== undefined && {
                    accessToken: accessToken === true ? (url: string) => this.#token(url) : accessToken,
                  }),
                },
                message.webRtc ? this.#dialler.dial : undefined,
              )
            : undefined,
        ...(memoryLimit !== undefined && { memoryLimit }),
        ...(strict !== undefined && { strict }),
        ...(upload !== undefined && { upload }),
        signal: this.#closed.signal,
      });
      this.#opened(engine);
      if (performance.now() - began > FAST_MS) engine.join();
    } catch (error) {
      this.#port.post({ type: "failed", failure: toFailure(error) });
      this.#close();
    }
  }

  #opened(engine: Engine): void {
    this.#engine = engine;
    const { presentation } = engine;
    this.#port.post({ type: "opened", presentation, baseUrl: engine.baseUrl, news: this.#news(engine) });
    for (const name of FORWARDED) {
      engine.on(name, (detail) => this.#port.post({ type: "event", name, detail, news: this.#news(engine) }));
    }
    engine.on("warning", (text) => this.#warn(text));
    engine.on("statschange", () => this.#port.post({ type: "news", news: this.#news(engine) }));
    if (!presentation.policy.p2p) return;
    const lonely = setTimeout(() => {
      // Whatever has been said explains it.
      if (!this.#warned && engine.stats.neighbours === 0)
        this.#warn("Nobody else is watching yet: the video plays over HTTP only.");
    }, LONELY_MS);
    engine.on("close", () => clearTimeout(lonely));
  }

  #feed(engine: Engine, message: Extract<ToHost, { type: "fetch" }>): void {
    const { id } = message;
    const feed = new Feed(engine, message, (bytes, parts) =>
      this.#port.post({ type: "pieces", id, bytes, parts, news: this.#news(engine) }, [bytes]),
    );
    this.#feeds.set(id, feed);
    const ended = (error?: unknown): void => {
      this.#feeds.delete(id);
      this.#port.post({ type: "done", id, ...(error !== undefined && { failure: toFailure(error) }) });
    };
    feed.run().then(() => ended(), ended);
  }

  #news(engine: Engine): News {
    const httpDelayMs = engine.expectedHttpMs(0);
    return {
      stats: { ...engine.stats },
      expecting: engine.expecting,
      httpDelayMs,
      httpMsPerByte: engine.expectedHttpMs(1) - httpDelayMs,
      lineMsPerByte: engine.lineMs(1),
      hashMs: engine.hashMs(),
    };
  }

  #warn(text: string): void {
    this.#warned = true;
    this.#port.post({ type: "warning", text });
  }

  #token(url: string): Promise<string> {
    const id = this.#nextToken++;
    this.#port.post({ type: "token", id, url });
    return new Promise((resolve, reject) => {
      this.#tokens.set(id, ({ token, error }) => {
        if (token !== undefined) resolve(token);
        else reject(new Error(error));
      });
    });
  }

  #close(): void {
    this.#closed.abort();
    this.#early.close();
    this.#engine?.close();
    this.#dialler.close();
    this.#port.post({ type: "closed" });
    this.#port.close();
  }
}

/** This device: its connection as the browser says here, its power as the page says. */
class Power implements Device {
  readonly #battery: Promise<{ charging: boolean }>;
  #know: (battery: { charging: boolean }) => void = () => undefined;
  #known: { charging: boolean } | undefined;

  constructor() {
    this.#battery = new Promise((resolve) => (this.#know = resolve));
  }

  get connection(): Device["connection"] {
    return (globalThis.navigator as Device | undefined)?.connection;
  }

  getBattery(): Promise<{ readonly charging: boolean }> {
    return this.#battery;
  }

  tell(charging: boolean): void {
    this.#known ??= { charging };
    this.#known.charging = charging;
    this.#know(this.#known);
  }
}
