import type {
  HlsConfig,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderResponse,
  PlaylistLoaderConstructor,
  PlaylistLoaderContext,
} from "hls.js";

/** An answer that takes longer is asked for again by hls.js, ms: its own limit for a playlist. */
const TIMEOUT_MS = 20_000;
/** With any of these hls.js sends requests in a way that only it knows. */
export const OWN_WAYS = ["loader", "pLoader", "xhrSetup", "fetchSetup"] as const satisfies (keyof HlsConfig)[];

/** The answer to a request that was sent before hls.js was there, and when it came, ms. */
interface Answer {
  readonly response: LoaderResponse & { readonly data: string };
  readonly times: { readonly start: number; readonly first: number; readonly end: number };
}

/** The playlist that hls.js will ask for first. It is asked for while hls.js loads, so that neither waits for the other. */
export class EarlyPlaylist {
  readonly #abort = new AbortController();
  #answer: Promise<Answer | undefined> | undefined;

  private constructor(url: string) {
    const timer = setTimeout(() => this.close(), TIMEOUT_MS);
    this.#answer = ask(url, this.#abort.signal)
      .catch(() => undefined)
      .finally(() => clearTimeout(timer));
  }

  /** Sends the request; undefined where the page has told hls.js how to send it. */
  static ask(url: string, hls: Partial<HlsConfig> = {}): EarlyPlaylist | undefined {
    return OWN_WAYS.some((option) => hls[option] !== undefined) ? undefined : new EarlyPlaylist(url);
  }

  /** Takes the request back. */
  close(): void {
    this.#abort.abort();
  }

  /** An hls.js `pLoader` that gives the answer once, and after that, or where it is none, does what `Base` does. */
  loader(Base: HlsConfig["loader"]): PlaylistLoaderConstructor {
    const take = (): Promise<Answer | undefined> | undefined => {
      const answer = this.#answer;
      this.#answer = undefined;
      return answer;
    };
    return class extends (Base as PlaylistLoaderConstructor) {
      #over = false;

      override load(
        context: PlaylistLoaderContext,
        config: LoaderConfiguration,
        callbacks: LoaderCallbacks<PlaylistLoaderContext>,
      ): void {
        const early = take();
        if (early === undefined) {
          super.load(context, config, callbacks);
          return;
        }
        this.context = context;
        void early.then((answer) => {
          if (this.#over) return;
          if (answer === undefined) super.load(context, config, callbacks);
          else callbacks.onSuccess(answer.response, this.#count(answer), context, null);
        });
      }

      override abort(): void {
        this.#over = true;
        super.abort();
      }

      override destroy(): void {
        this.#over = true;
        super.destroy();
      }

      #count({ response, times }: Answer): Loader<PlaylistLoaderContext>["stats"] {
        this.stats.loaded = this.stats.total = response.data.length;
        Object.assign(this.stats.loading, times);
        return this.stats;
      }
    };
  }
}

async function ask(url: string, signal: AbortSignal): Promise<Answer | undefined> {
  const start = performance.now();
  const response = await fetch(url, { signal });
  const first = performance.now();
  if (!response.ok) return undefined;
  const data = await response.text();
  const times = { start, first, end: performance.now() };
  return { response: { url: response.url, data, code: response.status }, times };
}
