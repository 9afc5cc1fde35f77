import type { HlsConfig } from "hls.js";
import { OWN_WAYS } from "./early-playlist.ts";

/**
 * The first segment, asked of the origin before the engine is there: the picture does not wait for ppsp.json. The engine,
 * which begins with that very request, finds it answered.
 */
export class EarlySegment {
  #url: string | undefined;
  #abort = new AbortController();
  #response: Promise<Response> | undefined;
  readonly #allowed: boolean;

  /** `hls`: what the page has told hls.js; where it says how to send requests, none is sent here. */
  constructor(hls: Partial<HlsConfig> = {}) {
    this.#allowed = OWN_WAYS.every((option) => hls[option] === undefined);
  }

  /** Asks for a whole resource, once. */
  ask(url: string): void {
    if (!this.#allowed || this.#url !== undefined) return;
    this.#url = url;
    this.#response = fetch(url, { signal: this.#abort.signal });
    // Whoever takes it hears of the error.
    this.#response.catch(() => undefined);
  }

  /** As the global one, but for the resource that has been asked for already. */
  readonly fetch: typeof fetch = (input, init) => {
    const response = this.#response;
    if (response === undefined || input !== this.#url) return fetch(input, init);
    this.#response = undefined;
    if (new Headers(init?.headers).has("Range")) {
      this.#abort.abort();
      return fetch(input, init);
    }
    init?.signal?.addEventListener("abort", () => this.#abort.abort());
    return response;
  };

  /** Takes the request back if nobody has wanted its answer. */
  drop(): void {
    if (this.#response !== undefined) this.#abort.abort();
    this.#response = undefined;
  }
}
