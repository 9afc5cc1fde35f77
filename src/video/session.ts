import type Hls from "hls.js";
import type { HlsConfig, LoaderStats, ManifestLoadedData } from "hls.js";
import { SESSION_DATA_ID } from "../core/content/presentation.ts";
import type { RemoteEngine } from "../worker/remote-engine.ts";
import { startHost } from "../worker/start.ts";
import type { PlayerConfig } from "./config.ts";
import { EarlyPlaylist, OWN_WAYS } from "./early-playlist.ts";
import { askFirstMedia } from "./first-media.ts";
import { fragmentLoader, type LoaderHost } from "./hls-loader.ts";
import { hasMediaSource, loadHls, type HlsClass } from "./load-hls.ts";
import { openSwarm, type Warn } from "./open-swarm.ts";
import { PlayerError } from "./player-error.ts";
import { Recovery } from "./recovery.ts";
import { resolveSource, type Source } from "./source.ts";
import { SwarmEntry } from "./swarm-entry.ts";

/** What is played; `src` may be a `ppsp:` URL. */
export interface SessionOptions extends Source {
  readonly config: PlayerConfig;
}

/** What a session tells its element. */
export interface SessionEvents {
  readonly warn: Warn;
  /** An engine is there; after a return from the back/forward cache it is a new one. */
  engine(engine: RemoteEngine): void;
  /** Playback has ended for good. */
  failed(error: PlayerError): void;
  /** `httpBytes` has grown without an engine. */
  plainBytes(bytes: number): void;
}

/** What hls.js does with a URL that is one media file is to fail; the browser plays it. */
const SINGLE_FILE = /\.(mp4|m4v|m4a|webm|mov|ogv)$/i;

/** One source in one media element, from `src` to the next `src`: hls.js, the engine, and what happens when either fails. */
export class Session {
  readonly #video: HTMLVideoElement;
  #options: SessionOptions;
  readonly #events: SessionEvents;
  #hls: Hls | undefined;
  #early: EarlyPlaylist | undefined;
  #recovery: Recovery | undefined;
  readonly #entry: SwarmEntry;
  #closed = false;

  constructor(video: HTMLVideoElement, options: SessionOptions, events: SessionEvents) {
    this.#video = video;
    this.#events = events;
    this.#options = options;
    this.#entry = new SwarmEntry({
      open: (presentation, opening) => {
        const { trackers, config, promised } = this.#options;
        return openSwarm({ ...config, presentation, trackers, promised }, opening);
      },
      opened: (engine) => events.engine(engine),
      warn: (message) => this.#warn(message),
    });
    let path: string;
    try {
      this.#options = { ...options, ...resolveSource(options) };
      path = new URL(this.#options.src).pathname;
    } catch (error) {
      queueMicrotask(() => this.#failed(new PlayerError("unsupported", text(error))));
      return;
    }
    const { src } = this.#options;
    if (SINGLE_FILE.test(path)) this.#playFile();
    else if (hasMediaSource()) this.#loadHls();
    else if (video.canPlayType("application/vnd.apple.mpegurl") !== "") {
      this.#warn("This browser has no Media Source Extensions: it plays HLS itself, over HTTP only.");
      video.src = src;
    } else {
      queueMicrotask(() => this.#failed(new PlayerError("unsupported", "This browser cannot play HLS.")));
    }
  }

  get hls(): Hls | undefined {
    return this.#hls;
  }

  get engine(): RemoteEngine | undefined {
    return this.#entry.engine;
  }

  /** Begins to load media where `preload="none"` held it back; otherwise hls.js would drop what it is loading. */
  start(): void {
    if (this.#hls?.config.autoStartLoad !== false) return;
    this.#hls.config.autoStartLoad = true;
    this.#hls.startLoad();
  }

  /** The page is hidden, for good or in the back/forward cache: neighbours and tracker learn it now, not by a timeout. */
  hide(): void {
    this.#entry.hide();
  }

  /** The page came back from the back/forward cache; a session that has ended, as after a fatal error, stays out. */
  show(): void {
    if (!this.#closed) this.#entry.show();
  }

  /** Ends playback and leaves the swarm. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#early?.close();
    this.#recovery?.close();
    this.#hls?.destroy();
    this.hide();
  }

  #playFile(): void {
    const { presentation, trackers, src } = this.#options;
    if (presentation !== undefined || trackers.length > 0) {
      this.#warn("A single media file plays over HTTP only here: publish it as HLS, or use the Service Worker.");
    }
    this.#video.src = src;
  }

  /** Asks for all that can be asked for before hls.js is there, and for hls.js. */
  #loadHls(): void {
    const { src, config, presentation } = this.#options;
    this.#early = EarlyPlaylist.ask(src, config.hls);
    // Without one there is a warning when an engine is to be opened.
    startHost().catch(() => undefined);
    const place = beside(src);
    if (presentation !== undefined) this.#entry.name(presentation);
    else if (place !== undefined) this.#entry.guess(place);
    loadHls().then(
      (HlsJs) => {
        if (this.#closed) return;
        if (HlsJs.isSupported()) this.#playHls(HlsJs);
        else this.#failed(new PlayerError("unsupported", "This browser cannot play HLS."));
      },
      (error: unknown) => this.#failed(new PlayerError("network", "hls.js could not be loaded.", { cause: error })),
    );
  }

  #playHls(HlsJs: HlsClass): void {
    const { src, config, presentation } = this.#options;
    let playlistTtfb = Infinity;
    const host: LoaderHost = {
      playhead: this.#video,
      engine: () => this.#entry.awaited,
      early: {
        // Where the page says how to send requests, none is sent ahead.
        ask: (url) => OWN_WAYS.every((way) => config.hls?.[way] === undefined) && this.#entry.early?.ask(url),
        answer: (url) => this.#entry.early?.answer(url),
        askedAt: (url) => this.#entry.early?.askedAt(url),
        drop: (url) => this.#entry.early?.drop(url),
      },
      ttfbEstimate: () => hls.ttfbEstimate,
      playlistTtfb: () => playlistTtfb,
      plainBytes: (bytes) => this.#events.plainBytes(bytes),
      engineFailed: (error) => this.#warn(`The engine failed: the video plays over HTTP. ${text(error)}`),
    };
    const hls: Hls = new HlsJs({
      ...hlsDefaults(HlsJs, this.#video),
      ...(this.#early && { pLoader: this.#early.loader(HlsJs.DefaultConfig.loader) }),
      ...config.hls,
      fLoader: fragmentLoader(host),
    });
    const answered = ({ loading: { start, first } }: LoaderStats): void => {
      playlistTtfb = Math.min(playlistTtfb, Math.max(0, first - start));
    };
    hls.on(HlsJs.Events.MANIFEST_LOADED, (_event, { stats }) => answered(stats));
    hls.on(HlsJs.Events.LEVEL_LOADED, (_event, { stats }) => answered(stats));
    askFirstMedia(HlsJs, hls, host);
    this.#hls = hls;
    this.#recovery = new Recovery(HlsJs, hls, src, {
      neighbours: () => this.engine?.stats.neighbours ?? 0,
      gaveUp: (error) => this.#failed(error),
    });
    if (presentation === undefined) {
      hls.once(HlsJs.Events.MANIFEST_LOADED, (_event, data) => this.#findPresentation(data));
    }
    hls.on(HlsJs.Events.FRAG_CHANGED, (_event, { frag }) => {
      const [begin] = frag.byteRange;
      const file = begin === undefined ? this.engine?.fileAt(frag.url) : this.engine?.fileAt(frag.url, begin);
      if (file !== undefined) this.engine?.setPlayhead({ file });
    });
    hls.loadSource(src);
    hls.attachMedia(this.#video);
  }

  #findPresentation(data: ManifestLoadedData): void {
    const uri = data.sessionData?.[SESSION_DATA_ID]?.["URI"];
    this.#entry.name(uri === undefined ? undefined : new URL(uri, data.url || this.#options.src).href);
  }

  #failed(error: PlayerError): void {
    if (this.#closed) return;
    this.#events.failed(error);
    this.close();
  }

  #warn(message: string): void {
    if (!this.#closed) this.#events.warn(message);
  }
}

function hlsDefaults(HlsJs: HlsClass, video: HTMLVideoElement): Partial<HlsConfig> {
  const { fragLoadPolicy } = HlsJs.DefaultConfig;
  const { errorRetry } = fragLoadPolicy.default;
  return {
    // It may have been played before hls.js was there.
    autoStartLoad: video.preload !== "none" || video.autoplay || !video.paused,
    // hls.js never returns to a rendition that failed once. An origin that was away for a moment is back after a minute.
    errorPenaltyExpireMs: 60_000,
    fragLoadPolicy: {
      default: {
        ...fragLoadPolicy.default,
        errorRetry: errorRetry && {
          ...errorRetry,
          // hls.js gives a rendition up when a connection fails (status 0); a second try costs a second.
          shouldRetry: (_config, count, _isTimeout, response, retry) => retry || (response?.code === 0 && count < 2),
        },
      },
    },
  };
}

/** Where `ppsp publish` puts ppsp.json; a server that wants a signed query may want another one there. */
function beside(src: string): string | undefined {
  const url = new URL(src);
  return url.search === "" ? new URL("ppsp.json", url).href : undefined;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
