/** What is wrong with the origin, told once. */
export class Complaints {
  readonly #warn: (text: string) => unknown;
  #mismatch = false;
  #unprovable = false;

  constructor(warn: (text: string) => unknown) {
    this.#warn = warn;
  }

  /** The origin has another file than what was published; true if that is news. */
  mismatch(file: string, strict: boolean): boolean {
    if (this.#mismatch) return false;
    this.#mismatch = true;
    this.#warn(
      `${file} on the server is not what was published: ${strict ? "it is refused" : "it is played but not shared"}`,
    );
    return true;
  }

  /** There are no hashes for what the origin has. */
  unprovable(error: unknown): void {
    if (this.#unprovable) return;
    this.#unprovable = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#warn(`what comes from the server cannot be checked and is not shared: ${reason}`);
  }
}
