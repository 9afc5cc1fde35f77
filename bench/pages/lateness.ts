/** What is known of one neighbour; times in ms. */
class Answers {
  /** When each chunk that it has not sent yet was first asked for here. */
  readonly since = new Map<number, number>();
  /** When the answer to all that was asked for so far was to be expected. */
  until = -Infinity;
  #cameAt = -Infinity;
  #count = 0;
  #busy = 0;

  /** An answer came to what was asked for at `since`. */
  came(since: number, at: number): void {
    this.#count++;
    this.#busy += at - Math.max(since, this.#cameAt);
    this.#cameAt = at;
  }

  /** How long one answer takes on average, without the time in which others before it came; undefined before the first. */
  get each(): number | undefined {
    return this.#count === 0 ? undefined : this.#busy / this.#count;
  }
}

/**
 * Follows REQUESTs and their answers: how long chunks are late before somebody else is asked for them. A neighbour answers one
 * REQUEST after the other, and each answer is expected to take the time that its answers have taken on average; those of
 * one that has never answered the time that all have taken. What has not come by then is late.
 */
export class Lateness<Neighbour> {
  /** From when a chunk was late to the REQUEST to another neighbour, ms. */
  readonly waits: number[] = [];
  readonly #answers = new Map<Neighbour, Answers>();
  readonly #all = new Answers();
  /** Who was asked for a chunk last, and when the answer was to be expected. */
  readonly #asked = new Map<number, { readonly of: Neighbour; readonly expectedAt: number }>();

  /** A REQUEST goes out; times in ms. */
  requested(of: Neighbour, chunk: number, at: number): void {
    const before = this.#asked.get(chunk);
    if (before?.of === of) return;
    if (before !== undefined && at > before.expectedAt) this.waits.push(at - before.expectedAt);
    const answers = this.#of(of);
    if (!answers.since.has(chunk)) answers.since.set(chunk, at);
    answers.until = Math.max(at, answers.until) + (answers.each ?? this.#all.each ?? 0);
    this.#asked.set(chunk, { of, expectedAt: answers.until });
  }

  /** A CANCEL goes out: what is not late yet is not wanted any more, the rest waits for another neighbour. */
  cancelled(of: Neighbour, chunk: number, at: number): void {
    const before = this.#asked.get(chunk);
    if (before?.of === of && at <= before.expectedAt) this.#asked.delete(chunk);
  }

  /** DATA has come in. */
  came(from: Neighbour, chunk: number, at: number): void {
    this.#asked.delete(chunk);
    const answers = this.#of(from);
    const since = answers.since.get(chunk);
    if (since === undefined) return;
    answers.since.delete(chunk);
    for (const each of [answers, this.#all]) each.came(since, at);
  }

  #of(neighbour: Neighbour): Answers {
    const answers = this.#answers.get(neighbour) ?? new Answers();
    this.#answers.set(neighbour, answers);
    return answers;
  }
}
