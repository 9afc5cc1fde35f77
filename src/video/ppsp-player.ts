import type Hls from "hls.js";
import type { RemoteEngine } from "../worker/remote-engine.ts";
import { NO_STATS, type EngineStats } from "../engine/stats.ts";
import { type EncodingName, ENCODINGS } from "../link/encoding.ts";
import type { PlayerConfig } from "./config.ts";
import { hasMediaSource, loadHls } from "./load-hls.ts";
import { MediaElement } from "./media-element.ts";
import type { PlayerError } from "./player-error.ts";
import { Session } from "./session.ts";
import { startHost } from "../worker/start.ts";
import { StallMeter } from "./stall-meter.ts";

/** What playing has cost so far, since `src` was set. */
export interface PlayerStats extends EngineStats {
  /** Interruptions after the first frame that the viewer did not ask for. */
  stalls: number;
  /** Time lost in them, ms. */
  stalledMs: number;
  /** From setting `src` to the first frame on screen; undefined until then. */
  timeToFirstFrameMs: number | undefined;
}

/** How often stalls are looked for, ms. */
const SAMPLE_MS = 100;
const OWN_ATTRIBUTES = ["src", "tracker", "presentation", "encoding", "relay-only"] as const;

/**
 * `<ppsp-player src="master.m3u8" tracker="https://tracker.example">`: a `<video>` whose media also comes from the other
 * viewers. It has the interface and the events of `<video>`, and works as one wherever there is no swarm.
 *
 * @attr src HLS playlist, a media file, or a `ppsp:` URL that names one
 * @attr tracker URLs of PPSP trackers, separated by blanks, instead of those in ppsp.json
 * @attr encoding how to write to trackers: json (default) or xml
 * @attr presentation URL of ppsp.json where the playlist does not name it
 * @attr relay-only meet other viewers at a relay only, so that they never learn this viewer's address
 * @fires peerchange when neighbours come or go; `detail` is the engine's
 * @fires chunkrejected when a peer sent a chunk that is not the publisher's
 * @fires contentmismatch when the origin did
 * @fires statschange when `stats` has changed
 * @fires error when playback has ended for good; see `error`
 * @csspart video the inner `<video>`
 */
export class PpspPlayer extends MediaElement {
  static override readonly observedAttributes: readonly string[] = [
    ...MediaElement.observedAttributes,
    ...OWN_ATTRIBUTES,
  ];

  #session: Session | undefined;
  #config: PlayerConfig = {};
  #error: PlayerError | undefined;
  #loadQueued = false;
  #sourceSetAt = 0;
  #firstFrameMs: number | undefined;
  #meter = new StallMeter();
  #sampler: ReturnType<typeof setInterval> | undefined;
  /** Counts of engines that are closed, and of media that came without one. */
  #past: EngineStats = { ...NO_STATS };
  readonly #warned = new Set<string>();

  constructor() {
    super();
    const { video } = this;
    // While hls.js plays, it is the one that knows which errors of the element are final.
    video.addEventListener("error", () => {
      if (this.hls === undefined) this.dispatchEvent(new Event("error"));
    });
    video.addEventListener("waiting", () => this.#meter.waiting(performance.now(), this.#sample()));
    for (const type of ["timeupdate", "playing", "pause", "seeking", "ended", "ratechange"]) {
      video.addEventListener(type, () => this.#meter.sample(performance.now(), this.#sample()));
    }
    video.addEventListener("play", () => this.#session?.start());
  }

  /** URL of an HLS playlist or a media file, or a `ppsp:` URL; reflects the attribute, resolved. */
  get src(): string {
    return resolved(this, "src");
  }
  set src(src: string) {
    this.setAttribute("src", src);
  }

  /** The same as `src`: there is only one source. */
  get currentSrc(): string {
    return this.src;
  }

  /** URLs of trackers, separated by blanks; reflects the attribute. */
  get tracker(): string {
    return this.getAttribute("tracker") ?? "";
  }
  set tracker(tracker: string) {
    this.setAttribute("tracker", tracker);
  }

  /** How to write to trackers; reflects the attribute, which goes before `config`; what is not known counts as not said. */
  get encoding(): EncodingName {
    return this.#encoding ?? this.#config.encoding ?? "json";
  }
  set encoding(encoding: EncodingName) {
    this.setAttribute("encoding", encoding);
  }
  get #encoding(): EncodingName | undefined {
    const said = this.getAttribute("encoding")?.toLowerCase();
    return ENCODINGS.find((name) => name === said);
  }

  /** URL of ppsp.json; reflects the attribute, resolved. */
  get presentation(): string {
    return resolved(this, "presentation");
  }
  set presentation(presentation: string) {
    this.setAttribute("presentation", presentation);
  }

  /** Whether others are met at a relay only; reflects the attribute. */
  get relayOnly(): boolean {
    return this.hasAttribute("relay-only");
  }
  set relayOnly(relayOnly: boolean) {
    this.toggleAttribute("relay-only", relayOnly);
  }

  /** Settings without an attribute; a change takes effect with the next `load()` or `src`. */
  get config(): PlayerConfig {
    return this.#config;
  }
  set config(config: PlayerConfig) {
    this.#config = config;
  }

  /** The engine, once ppsp.json has been read; another one after a return from the back/forward cache. */
  get engine(): RemoteEngine | undefined {
    return this.#session?.engine;
  }

  /** hls.js, where it plays. */
  get hls(): Hls | undefined {
    return this.#session?.hls;
  }

  /** Why playback has ended for good, if it has. */
  get error(): PlayerError | MediaError | null {
    return this.#error ?? (this.hls === undefined ? this.video.error : null);
  }

  /** A copy of the counts at this moment. */
  get stats(): PlayerStats {
    return {
      ...sum(this.#past, this.engine?.stats ?? NO_STATS),
      stalls: this.#meter.stalls,
      stalledMs: Math.round(this.#meter.stalledMs),
      timeToFirstFrameMs: this.#firstFrameMs,
    };
  }

  /** Starts playback; also loads what `preload="none"` held back. @throws DOMException as `<video>` does */
  async play(): Promise<void> {
    // `src` and `config` may have been set just now.
    if (this.#loadQueued) this.load();
    await this.video.play();
  }

  /** Begins anew with the present attributes and config. */
  load(): void {
    this.#loadQueued = false;
    this.#unload();
    const { src, video } = this;
    if (!this.isConnected) return;
    if (src === "") {
      this.#prepare();
      return;
    }
    this.#sourceSetAt = performance.now();
    this.#awaitFirstFrame();
    this.#sampler = setInterval(() => {
      this.#meter.sample(performance.now(), this.#sample());
      if (this.engine) this.engine.stalls = this.#meter.stalls;
    }, SAMPLE_MS);
    const options = {
      src,
      presentation: this.presentation || undefined,
      trackers: this.tracker.split(/\s+/).filter((url) => url !== ""),
      config: { ...this.#config, encoding: this.encoding, ...(this.relayOnly && { relayOnly: true }) },
    };
    this.#session = new Session(video, options, {
      warn: (message) => this.#warn(message),
      engine: (engine) => this.#follow(engine),
      failed: (error) => {
        this.#error = error;
        clearInterval(this.#sampler);
        this.#session?.hide();
        this.dispatchEvent(new Event("error"));
      },
      plainBytes: (bytes) => {
        this.#past.httpBytes += bytes;
        this.dispatchEvent(new CustomEvent("statschange"));
      },
    });
  }

  /** There will be a source: it need not wait for hls.js and the engine's worker then. */
  #prepare(): void {
    if (this.video.preload === "none" || !hasMediaSource()) return;
    // Who plays tries again, and says what is wrong.
    loadHls().catch(() => undefined);
    startHost().catch(() => undefined);
  }

  connectedCallback(): void {
    for (const name of ["src", "tracker", "presentation", "encoding", "relayOnly", "config"] as const) {
      upgrade(this, name);
    }
    addEventListener("pagehide", this.#hide);
    addEventListener("pageshow", this.#show);
    if (this.#session === undefined) this.#queueLoad();
  }

  disconnectedCallback(): void {
    removeEventListener("pagehide", this.#hide);
    removeEventListener("pageshow", this.#show);
    // An element that is only moved is connected again within the same task.
    queueMicrotask(() => {
      if (!this.isConnected) this.#unload();
    });
  }

  override attributeChangedCallback(name: string, before: string | null, value: string | null): void {
    super.attributeChangedCallback(name, before, value);
    if ((OWN_ATTRIBUTES as readonly string[]).includes(name) && before !== value) this.#queueLoad();
  }

  /** Attributes that are set one after the other make one load. */
  #queueLoad(): void {
    if (this.#loadQueued) return;
    this.#loadQueued = true;
    queueMicrotask(() => {
      if (this.#loadQueued && this.isConnected) this.load();
    });
  }

  #unload(): void {
    clearInterval(this.#sampler);
    this.#session?.close();
    this.#session = undefined;
    this.#error = undefined;
    this.#firstFrameMs = undefined;
    this.#meter = new StallMeter();
    this.#past = { ...NO_STATS };
    this.#warned.clear();
    if (this.video.hasAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  #follow(engine: RemoteEngine): void {
    for (const type of ["peerchange", "chunkrejected", "contentmismatch", "statschange"] as const) {
      engine.on(type, (detail: unknown) => this.dispatchEvent(new CustomEvent(type, { detail })));
    }
    engine.on("close", () => {
      this.#past = { ...sum(this.#past, engine.stats), neighbours: 0 };
      this.dispatchEvent(new CustomEvent("peerchange", { detail: { neighbours: 0 } }));
      this.dispatchEvent(new CustomEvent("statschange"));
    });
  }

  #awaitFirstFrame(): void {
    const { video } = this;
    const session = this.#sourceSetAt;
    const shown = (): void => {
      if (this.#sourceSetAt === session) this.#firstFrameMs ??= Math.round(performance.now() - session);
    };
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(shown);
    // Audio alone has no frame; where frames cannot be observed, this comes closest.
    video.addEventListener("playing", shown, { once: true });
  }

  #sample(): Parameters<StallMeter["sample"]>[1] {
    const { currentTime, duration, playbackRate, paused, ended, seeking } = this.video;
    return { currentTime, duration, playbackRate, running: !paused && !ended && !seeking };
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    console.warn(`ppsp-player: ${message}`);
  }

  readonly #hide = (): void => this.#session?.hide();

  readonly #show = (event: PageTransitionEvent): void => {
    if (event.persisted) this.#session?.show();
  };
}

function sum(a: EngineStats, b: EngineStats): EngineStats {
  const total = { ...a };
  for (const name of Object.keys(NO_STATS) as (keyof EngineStats)[]) total[name] = a[name] + b[name];
  return total;
}

/** The absolute URL in an attribute; what is none stays as it is, as with `<video>`. */
function resolved(element: Element, name: string): string {
  const url = element.getAttribute(name) ?? "";
  return url !== "" && URL.canParse(url, element.baseURI) ? new URL(url, element.baseURI).href : url;
}

/** A property that was set before the element was defined hides the accessor: sets it again. */
function upgrade<E extends HTMLElement, K extends keyof E>(element: E, name: K): void {
  if (!Object.hasOwn(element, name)) return;
  const value = element[name];
  delete (element as Partial<E>)[name];
  element[name] = value;
}
