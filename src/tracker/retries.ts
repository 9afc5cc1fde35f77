import type { Limits } from "./limits.ts";
import type { Outcome } from "./objects.ts";

/** A longer request is none of a peer that leaves its swarms; 32 of them need less. Or strangers could fill the memory. */
const LONGEST_KEPT = 8_192;

/**
 * Answers that ended a registration, for peers that did not get them and repeat the request (§4.3): the registration
 * that would tell the request from a new one is gone. In memory only, bounded in number and time.
 */
export class RecentAnswers {
  readonly #limits: Pick<Limits, "retries" | "retryWindowMs">;
  readonly #answers = new Map<string, { readonly outcome: Outcome; readonly until: number }>();

  constructor(limits: Pick<Limits, "retries" | "retryWindowMs">) {
    this.#limits = limits;
  }

  /** The answer to the same request from the same place; undefined when it is not known. */
  get(request: string, now: number): Outcome | undefined {
    const answer = this.#answers.get(request);
    return answer !== undefined && answer.until > now ? answer.outcome : undefined;
  }

  /** Keeps an answer; the oldest ones give way. */
  set(request: string, outcome: Outcome, now: number): Outcome {
    if (request.length > LONGEST_KEPT) return outcome;
    this.#answers.delete(request);
    this.#answers.set(request, { outcome, until: now + this.#limits.retryWindowMs });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= this.#limits.retries) break;
      this.#answers.delete(oldest);
    }
    return outcome;
  }
}
