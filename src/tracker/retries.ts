import { MAX_RETRIES, RETRY_WINDOW } from "./limits.ts";
import type { Outcome } from "./objects.ts";

/**
 * Answers that ended a registration, for peers that did not get them and repeat the request (§4.3): the registration
 * that would tell the request from a new one is gone. In memory only, bounded in number and time.
 */
export class RecentAnswers {
  readonly #answers = new Map<string, { readonly outcome: Outcome; readonly until: number }>();

  /** The answer to the same request from the same place; undefined when it is not known. */
  get(request: string, now: number): Outcome | undefined {
    const answer = this.#answers.get(request);
    return answer !== undefined && answer.until > now ? answer.outcome : undefined;
  }

  /** Keeps an answer; the oldest ones give way. */
  set(request: string, outcome: Outcome, now: number): Outcome {
    this.#answers.delete(request);
    this.#answers.set(request, { outcome, until: now + RETRY_WINDOW });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_RETRIES) break;
      this.#answers.delete(oldest);
    }
    return outcome;
  }
}
