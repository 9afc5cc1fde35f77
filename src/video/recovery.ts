import type Hls from "hls.js";
import type { ErrorData } from "hls.js";
import type { HlsClass } from "./load-hls.ts";
import { PlayerError } from "./player-error.ts";

/** What recovery needs to know, and what it ends in. */
export interface RecoveryHost {
  /** Neighbours in the swarm now: while there are any, a dead origin is no reason to give up. */
  neighbours(): number;
  /** Nothing helped. Called once. */
  gaveUp(error: PlayerError): void;
}

/** First pause before loading is tried again, ms; doubles up to the longest. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
/** Attempts after network errors in a row, without a neighbour: about half a minute. */
const NETWORK_ATTEMPTS = 7;
/** A decoder that fails more often than this within `MEDIA_CALM_MS` will go on failing. */
const MEDIA_ATTEMPTS = 2;
const MEDIA_CALM_MS = 10_000;

/**
 * Brings hls.js back after what it calls fatal. By then it has spent its own retries and stopped loading; the viewer may
 * still have half a minute in the buffer, and neighbours that hold the rest.
 */
export class Recovery {
  readonly #HlsJs: HlsClass;
  readonly #hls: Hls;
  readonly #host: RecoveryHost;
  readonly #manifest: string;
  #networkErrors = 0;
  #mediaErrors = 0;
  #lastMediaError = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #manifestLoaded = false;

  constructor(HlsJs: HlsClass, hls: Hls, manifest: string, host: RecoveryHost) {
    this.#HlsJs = HlsJs;
    this.#hls = hls;
    this.#manifest = manifest;
    this.#host = host;
    hls.on(HlsJs.Events.MANIFEST_PARSED, () => (this.#manifestLoaded = true));
    hls.on(HlsJs.Events.FRAG_BUFFERED, () => (this.#networkErrors = 0));
    hls.on(HlsJs.Events.ERROR, (_event, data) => this.#failed(data));
    addEventListener("online", this.#online);
  }

  /** Ends all attempts. */
  close(): void {
    clearTimeout(this.#timer);
    removeEventListener("online", this.#online);
  }

  #failed(data: ErrorData): void {
    if (!data.fatal) return;
    const { ErrorTypes, ErrorDetails } = this.#HlsJs;
    // hls.js loads nothing more after this, so that there is nothing to recover.
    if (data.details === ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) this.#giveUp("unsupported", data);
    else if (data.type === ErrorTypes.NETWORK_ERROR) this.#networkFailed(data);
    else if (data.type === ErrorTypes.MEDIA_ERROR) this.#mediaFailed(data);
    else this.#giveUp("media", data);
  }

  #networkFailed(data: ErrorData): void {
    const status = data.response?.code ?? 0;
    const refused = !this.#manifestLoaded && status >= 400 && status < 500;
    if (refused || data.details === this.#HlsJs.ErrorDetails.MANIFEST_PARSING_ERROR) {
      this.#giveUp("manifest", data);
      return;
    }
    this.#networkErrors++;
    if (this.#networkErrors > NETWORK_ATTEMPTS && this.#host.neighbours() === 0) {
      this.#giveUp(this.#manifestLoaded ? "network" : "manifest", data);
      return;
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#networkErrors - 1));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(), pause);
  }

  #mediaFailed(data: ErrorData): void {
    const now = performance.now();
    if (now - this.#lastMediaError > MEDIA_CALM_MS) this.#mediaErrors = 0;
    this.#lastMediaError = now;
    if (++this.#mediaErrors > MEDIA_ATTEMPTS) this.#giveUp("media", data);
    else this.#hls.recoverMediaError();
  }

  #load(): void {
    this.#timer = undefined;
    if (this.#manifestLoaded) this.#hls.startLoad();
    else this.#hls.loadSource(this.#manifest);
  }

  readonly #online = (): void => {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#load();
  };

  #giveUp(code: PlayerError["code"], data: ErrorData): void {
    this.close();
    const status = data.response?.code;
    const message = `${data.details}${status ? ` (HTTP ${status})` : ""}: ${data.error.message}`;
    this.#host.gaveUp(new PlayerError(code, message, { cause: data.error }));
  }
}
