/** Prints findings, one line each, and counts the failed ones. */
export class Findings {
  readonly #print: (line: string) => void;
  #failed = 0;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** How many failed. */
  get failed(): number {
    return this.#failed;
  }

  /** `what` is as it should be. */
  ok(what: string, detail: string): void {
    this.#print(`ok   ${what}: ${detail}`);
  }

  /** `what` works, but not for everyone. */
  warn(what: string, detail: string): void {
    this.#print(`warn ${what}: ${detail}`);
  }

  /** `what` does not work. */
  fail(what: string, detail: string): void {
    this.#failed++;
    this.#print(`FAIL ${what}: ${detail}`);
  }
}
