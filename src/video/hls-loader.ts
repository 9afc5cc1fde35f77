import type {
  FragmentLoaderConstructor,
  FragmentLoaderContext,
  HlsConfig,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderStats,
} from "hls.js";
import { locate } from "../sw/range.ts";
import type { EarlyAnswer } from "../worker/protocol.ts";
import type { RemoteEngine } from "../worker/remote-engine.ts";
import type { EarlyRequests } from "./early-requests.ts";
import { after } from "./after.ts";
import { slackMs, type Playhead } from "./deadline.ts";
import { LoadClock } from "./load-clock.ts";

/** What the fragment loader needs to know about the player around it. */
export interface LoaderHost {
  /** The engine of this presentation, if there is to be one; resolves without one when it is not worth waiting for any more. */
  engine(): RemoteEngine | Promise<RemoteEngine | undefined> | undefined;
  /** What is asked of the origin until then. */
  readonly early: Pick<EarlyRequests, "ask" | "answer" | "askedAt" | "drop">;
  readonly playhead: Playhead;
  /** What hls.js believes of the time to first byte, ms. */
  ttfbEstimate(): number;
  /** The shortest time to first byte of a playlist so far, ms; Infinity before there is one. */
  playlistTtfb(): number;
  /** Media bytes came from the origin without the engine. */
  plainBytes(bytes: number): void;
  /** The engine failed in a way that is its own fault; the origin took over. */
  engineFailed(error: unknown): void;
}

/** The bytes of a file that a fragment asks for, relative to the file's own start. */
interface Source {
  readonly engine: RemoteEngine;
  readonly file: number;
  readonly offset: number;
  readonly length: number;
}

/** A load is in hurry when the origin could not be through this long before it is needed, ms: until then the engine may take its time, in any order. */
const LAST_MS = 600;
/** Who is alone does not wait for neighbours when less than twice the time that the origin needs is left, plus this, ms. */
const MARGIN_MS = 1000;
/** What was asked for early may be here so soon, ms, before the engine has any work with it; who has met a neighbour does not wait for that. */
const EARLY_MS = 50;
/** What is shown is given to the engine, which only shares it, this much later, ms: until then two cores have enough to do with the picture. */
const SHOWN_MS = 200;
/** What is needed after a first segment that is shown waits until the engine has it, which knows the line then, but not longer than this, ms. */
const SHARED_MS = 500;
/** How often a load is checked for being too slow, ms. */
const WATCH_MS = 500;

/**
 * An hls.js `fLoader` that takes segments, init sections and byte ranges from the engine where it knows them, and leaves
 * everything else to the loader that hls.js is configured with.
 */
export function fragmentLoader(host: LoaderHost): FragmentLoaderConstructor {
  const first: First = { shared: undefined };
  return class extends SwarmLoader {
    constructor(config: HlsConfig) {
      super(host, first, config);
    }
  };
}

/** The first segment, as all loads know it. */
interface First {
  /** Settles when the engine has what is shown; undefined where nothing is. */
  shared: Promise<unknown> | undefined;
}

class SwarmLoader implements Loader<FragmentLoaderContext> {
  context: FragmentLoaderContext | null = null;
  stats: LoaderStats;
  readonly #host: LoaderHost;
  readonly #first: First;
  readonly #plain: Loader<FragmentLoaderContext>;
  #plainRuns = false;
  /** hls.js has been given what came early. */
  #shown = false;
  /** Settles when everything is done, after hls.js has what it asked for. */
  #ended: Promise<void> | undefined;
  #callbacks: LoaderCallbacks<FragmentLoaderContext> | undefined;
  readonly #abort = new AbortController();

  constructor(host: LoaderHost, first: First, config: HlsConfig) {
    this.#host = host;
    this.#first = first;
    this.#plain = new config.loader(config) as Loader<FragmentLoaderContext>;
    // hls.js keeps this very object as the fragment's stats, before it calls load().
    this.stats = this.#plain.stats;
  }

  load(
    context: FragmentLoaderContext,
    config: LoaderConfiguration,
    callbacks: LoaderCallbacks<FragmentLoaderContext>,
  ): void {
    this.context = context;
    this.#callbacks = callbacks;
    this.#ended = this.#load(context, config).catch((error: unknown) => this.#failed(error, context, config));
  }

  abort(): void {
    const callbacks = this.#callbacks;
    const context = this.context;
    if (callbacks === undefined || context === null) return;
    if (this.#plainRuns) {
      this.#plain.abort();
      return;
    }
    this.#stop();
    // hls.js 1.7.4 answers the abort of an init section by aborting the fragment that it has begun since, and then waits for that
    // one for ever (base-stream-controller's loadInitSegmentIfNeeded): it happens where the level is set while the first one loads.
    if (context.frag.sn !== "initSegment") callbacks.onAbort?.(this.stats, context, null);
  }

  destroy(): void {
    this.#stop();
    this.#plain.destroy();
    this.context = null;
  }

  /** Ends the load if it still runs; after this no callback is called. */
  #stop(): LoaderCallbacks<FragmentLoaderContext> | undefined {
    const callbacks = this.#callbacks;
    if (callbacks === undefined) return undefined;
    this.#callbacks = undefined;
    if (!this.#plainRuns) {
      if (this.context !== null) this.#host.early.drop(this.context.url);
      this.stats.aborted = true;
      this.#abort.abort();
    }
    return callbacks;
  }

  async #load(context: FragmentLoaderContext, config: LoaderConfiguration): Promise<void> {
    const { early } = this.#host;
    const url = context.url;
    const opening = this.#host.engine();
    if (opening instanceof Promise && !context.rangeEnd) early.ask(url);
    const shown = early.answer(url)?.then((answer) => this.#show(answer, context));
    const engine = await opening;
    if (engine !== undefined && shown !== undefined) await Promise.race([shown, met(engine), after(EARLY_MS)]);
    if (this.#shown) await after(SHOWN_MS);
    else if (engine !== undefined) await this.#first.shared;
    if (this.#callbacks === undefined && !this.#shown) return;
    const source = engine === undefined ? undefined : find(engine, context);
    if (source !== undefined) await this.#loadFromEngine(source, context, config);
    else if (this.#shown) this.#host.plainBytes(this.stats.loaded);
    else this.#loadPlain(context, config);
    // Neighbours may have had all of it.
    early.drop(url);
  }

  /** What has come as a whole is played at once. The engine, which shares it, is still asked for it. */
  #show({ bytes, askedAt, firstByteAt, endedAt }: EarlyAnswer, context: FragmentLoaderContext): void {
    const callbacks = this.#callbacks;
    if (callbacks === undefined || this.#plainRuns) return;
    this.#callbacks = undefined;
    this.#shown = true;
    // An init section is too little to tell of the line, and the segment behind it may be waited for.
    if (context.frag.sn !== "initSegment") this.#first.shared = Promise.race([this.#ended, after(SHARED_MS)]);
    const { stats } = this;
    const { timeOrigin } = performance;
    const start = askedAt - timeOrigin;
    // A busy worker may have looked late: what had come by then would make the line look faster than it is.
    const first = Math.min(firstByteAt - timeOrigin, start + this.#host.playlistTtfb());
    stats.loading = { start, first, end: endedAt - timeOrigin };
    stats.loaded = stats.total = bytes.byteLength;
    callbacks.onProgress?.(stats, context, bytes, null);
    callbacks.onSuccess({ url: context.url, data: bytes, code: 200 }, stats, context, null);
  }

  #loadPlain(context: FragmentLoaderContext, config: LoaderConfiguration): void {
    const callbacks = this.#callbacks;
    if (callbacks === undefined) return;
    this.#host.early.drop(context.url);
    this.#plainRuns = true;
    this.#plain.load(context, config, {
      ...callbacks,
      onSuccess: (response, stats, ...rest) => {
        this.#host.plainBytes(stats.loaded);
        callbacks.onSuccess(response, stats, ...rest);
      },
      onAbort: (stats, ...rest) => {
        this.#host.plainBytes(stats.loaded);
        callbacks.onAbort?.(stats, ...rest);
      },
    });
  }

  async #loadFromEngine(source: Source, context: FragmentLoaderContext, config: LoaderConfiguration): Promise<void> {
    const { stats } = this;
    const { engine, file, offset, length } = source;
    const host = this.#host;
    // An init section has no time of its own: it is needed with the next segment.
    const start = context.frag.sn === "initSegment" ? undefined : (context.part ?? context.frag).start;
    const slack = (): number => slackMs(host.playhead, start);
    let filled = 0;
    const hashMs = engine.hashMs();
    const askedAt = host.early.askedAt(context.url);
    const clock = new LoadClock({
      now: () => performance.now(),
      began: askedAt,
      mostTtfb: askedAt === undefined ? undefined : host.playlistTtfb(),
      ttfbEstimate: () => host.ttfbEstimate(),
      lineMs: (bytes) => engine.lineMs(bytes),
      asideMs: () => engine.hashMs() - hashMs,
      pace: () => {
        const expected = engine.expectedHttpMs(length - filled);
        if (engine.stats.neighbours > 0) return slack() < expected + LAST_MS ? "hurry" : "leisure";
        if (!engine.expecting) return "alone";
        return slack() < 2 * expected + MARGIN_MS ? "expecting" : "leisure";
      },
    });
    if (!this.#shown) {
      stats.loading = clock;
      stats.total = length;
    }
    const watch = setInterval(() => {
      const { maxLoadTimeMs, maxTimeToFirstByteMs } = config.loadPolicy;
      const limit = clock.started ? maxLoadTimeMs : maxTimeToFirstByteMs;
      if (clock.hurriedMs > limit) this.#stop()?.onTimeout(stats, context, null);
    }, WATCH_MS);
    try {
      const data = new Uint8Array(length);
      const request = {
        offset,
        length,
        deadline: () => performance.now() + slack(),
        signal: this.#abort.signal,
        // With its signed query.
        url: context.url,
      };
      for await (const piece of engine.fetch(file, request)) {
        // The engine is only to share it.
        if (this.#shown) continue;
        data.set(piece.bytes, filled);
        filled += piece.bytes.length;
        clock.received(piece.bytes.length, piece.source, piece.early);
        stats.loaded = clock.networkBytes;
      }
      if (this.#shown) return;
      if (filled !== length) throw new RangeError(`engine gave ${filled} of ${length} bytes`);
      clock.stop();
      stats.parsing = clock.parsing() ?? stats.parsing;
      const callbacks = this.#callbacks;
      this.#callbacks = undefined;
      callbacks?.onProgress?.(stats, context, data.buffer, null);
      callbacks?.onSuccess({ url: context.url, data: data.buffer, code: 200 }, stats, context, null);
    } catch (error) {
      this.#failed(error, context, config);
    } finally {
      clearInterval(watch);
    }
  }

  #failed(error: unknown, context: FragmentLoaderContext, config: LoaderConfiguration): void {
    if (this.#callbacks === undefined) return;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "network" || code === "mismatch") {
      const callbacks = this.#stop();
      const text = error instanceof Error ? error.message : String(error);
      callbacks?.onError({ code: 0, text }, context, null, this.stats);
      return;
    }
    // The engine was closed under the load, or is broken, or the origin refused it what it may not refuse hls.js, whose requests the
    // page can change (xhrSetup): the plain loader knows what to do and what to say.
    if (code !== "aborted" && code !== "http") this.#host.engineFailed(error);
    this.stats.loading = { start: 0, first: 0, end: 0 };
    this.stats.loaded = this.stats.total = 0;
    this.#loadPlain(context, config);
  }
}

/** Settles when somebody comes who may have what is asked for. */
function met(engine: RemoteEngine): Promise<undefined> {
  // Somebody is there; but what has come as a whole already is shown first.
  if (engine.stats.neighbours > 0) return after(0);
  return new Promise((resolve) => {
    const stop = engine.on("peerchange", ({ neighbours }) => {
      if (neighbours === 0) return;
      stop();
      resolve(undefined);
    });
  });
}

/** The file that holds all bytes of a fragment request, if the engine knows one. */
function find(engine: RemoteEngine, { url, rangeStart = 0, rangeEnd = 0 }: FragmentLoaderContext): Source | undefined {
  const range = rangeEnd > rangeStart ? { first: rangeStart, last: rangeEnd - 1 } : undefined;
  const file = range === undefined ? engine.fileAt(url) : engine.fileAt(url, range.first);
  const entry = file === undefined ? undefined : engine.presentation.files[file];
  const part = entry === undefined ? undefined : locate(entry, range);
  return file === undefined || part === undefined ? undefined : { engine, file, ...part };
}
