import type { EarlyResponse } from "../engine/http-source.ts";

/** An answer that nobody has taken yet. */
interface Answer {
  readonly response: Promise<EarlyResponse>;
  readonly abort: AbortController;
}

/**
 * The first segment and its init section, asked of the origin before the engine is there: the picture does not wait for
 * ppsp.json. The engine, which begins with these very requests, finds them answered.
 */
export class EarlyMedia {
  readonly #answers = new Map<string, Answer>();

  /** Asks for a whole resource. */
  ask(url: string): void {
    if (this.#answers.has(url)) return;
    const abort = new AbortController();
    const askedAt = performance.now();
    const response = fetch(url, { signal: abort.signal }).then((answer) => Object.assign(answer, { askedAt }));
    // Whoever takes it hears of the error.
    response.catch(() => undefined);
    this.#answers.set(url, { response, abort });
  }

  /** As the global one, but for what has been asked for already. */
  readonly fetch: typeof fetch = (input, init) => {
    const answer = typeof input === "string" ? this.#answers.get(input) : undefined;
    if (answer === undefined) return fetch(input, init);
    this.#answers.delete(input as string);
    if (new Headers(init?.headers).has("Range")) {
      answer.abort.abort();
      return fetch(input, init);
    }
    init?.signal?.addEventListener("abort", () => answer.abort.abort());
    return answer.response;
  };

  /** Takes a request back if nobody has wanted its answer. */
  drop(url: string): void {
    this.#answers.get(url)?.abort.abort();
    this.#answers.delete(url);
  }

  /** Takes back all that nobody has wanted. */
  close(): void {
    for (const { abort } of this.#answers.values()) abort.abort();
    this.#answers.clear();
  }
}
