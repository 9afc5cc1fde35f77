import type { Opening } from "../worker/open.ts";
import type { EarlyAnswer } from "../worker/protocol.ts";

/** A request that was sent early, and whoever waits for its answer. */
interface Asked {
  readonly answer: Promise<EarlyAnswer>;
  readonly came: (answer: EarlyAnswer) => void;
  readonly at: number;
}

/** What is asked of the origin before the engine can be asked, and what has come of it: the page's part of EarlyMedia, which is in the worker. */
export class EarlyRequests {
  readonly #asked = new Map<string, Asked>();
  readonly #post: Opening["post"];

  constructor(post: Opening["post"]) {
    this.#post = post;
  }

  /** Asks for a whole resource that the engine will be asked for, once. */
  ask(url: string): void {
    if (this.#asked.has(url)) return;
    let came: Asked["came"] = () => undefined;
    const answer = new Promise<EarlyAnswer>((resolve) => (came = resolve));
    this.#asked.set(url, { answer, came, at: performance.now() });
    this.#post({ type: "early", url });
  }

  /** The answer, if it has been asked for; settles only if it comes as a whole and nobody took it back. */
  answer(url: string): Promise<EarlyAnswer> | undefined {
    return this.#asked.get(url)?.answer;
  }

  /** When it was asked for, ms. */
  askedAt(url: string): number | undefined {
    return this.#asked.get(url)?.at;
  }

  /** An answer has come. */
  came(answer: EarlyAnswer): void {
    this.#asked.get(answer.url)?.came(answer);
  }

  /** Takes a request back, if its answer has not been used. */
  drop(url: string): void {
    if (this.#asked.delete(url)) this.#post({ type: "drop", url });
  }
}
