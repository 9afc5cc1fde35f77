import type { EarlyResponse } from "../engine/http-source.ts";
import { BYPASS } from "../sw/protocol.ts";
import { type EarlyAnswer, epochMs } from "./protocol.ts";

/** An answer that nobody has taken yet. */
interface Answer {
  readonly response: Promise<EarlyResponse>;
  readonly abort: AbortController;
  /** How long it came, ms; undefined until it is whole. */
  tookMs?: number;
}

/**
 * The first segment and its init section, asked of the origin before the engine is there: the picture does not wait for
 * ppsp.json. The engine, which begins with these very requests, finds them answered, and the page is given what has come as a
 * whole: on a fast line that is long before the engine is through with it.
 */
export class EarlyMedia {
  /** Whether the page may have what nobody has verified. */
  shows = true;
  readonly #answers = new Map<string, Answer>();
  readonly #came: (answer: EarlyAnswer) => void;

  /** `came` is given each answer that is whole before it is taken back. */
  constructor(came: (answer: EarlyAnswer) => void) {
    this.#came = came;
  }

  /** Asks for a whole resource. */
  ask(url: string): void {
    if (this.#answers.has(url)) return;
    const abort = new AbortController();
    const askedAt = performance.now();
    const response = fetch(url + BYPASS, { signal: abort.signal }).then((answer) => {
      if (answer.ok && this.shows) this.#show(url, answer.clone(), askedAt).catch(() => undefined);
      return Object.assign(answer, { askedAt, answeredAt: performance.now() });
    });
    // Whoever takes it hears of the error.
    response.catch(() => undefined);
    this.#answers.set(url, { response, abort });
  }

  /** As the global one, but for what has been asked for already, and past a Service Worker of ours, which would ask us. */
  readonly fetch: typeof fetch = (input, init) => {
    if (typeof input !== "string") return fetch(input, init);
    const answer = this.#answers.get(input);
    this.#answers.delete(input);
    if (answer === undefined || new Headers(init?.headers).has("Range")) {
      answer?.abort.abort();
      return fetch(input + BYPASS, init);
    }
    init?.signal?.addEventListener("abort", () => answer.abort.abort());
    // What lay here as a whole came no slower for that.
    const { tookMs } = answer;
    return answer.response.then((response) =>
      tookMs === undefined ? response : Object.assign(response, { answeredAt: performance.now() - tookMs }),
    );
  };

  /** Whether the page has been given all of it. */
  whole(url = ""): boolean {
    return this.#answers.get(url)?.tookMs !== undefined;
  }

  /** Takes a request back if nobody has wanted its answer. */
  drop(url: string): void {
    this.#answers.get(url)?.abort.abort();
    this.#answers.delete(url);
  }

  async #show(url: string, answer: Response, askedAt: number): Promise<void> {
    const firstByteAt = epochMs();
    const bytes = await answer.arrayBuffer();
    const asked = this.#answers.get(url);
    const endedAt = epochMs();
    if (asked !== undefined) asked.tookMs = endedAt - firstByteAt;
    this.#came({ url, bytes, askedAt: performance.timeOrigin + askedAt, firstByteAt, endedAt });
  }

  /** Takes back all that nobody has wanted. */
  close(): void {
    for (const { abort } of this.#answers.values()) abort.abort();
    this.#answers.clear();
  }
}
