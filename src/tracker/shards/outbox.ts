import type { SignalMessage } from "../signal.ts";
import type { PassedSignal } from "./port.ts";

/** Signals that may wait for one object: more than a second's worth of a busy one. */
const MAX_WAITING = 1024;
/** Signals in one call: 16 KiB each at most. */
const MAX_BATCH = 64;

interface Waiting extends PassedSignal {
  readonly settle: (reached: boolean) => void;
}

/** Signals to one other object, in their order: while one call is on its way, the next ones gather. */
export class Outbox {
  readonly #send: (signals: readonly PassedSignal[]) => Promise<readonly boolean[]>;
  readonly #waiting: Waiting[] = [];
  #busy = false;

  constructor(send: (signals: readonly PassedSignal[]) => Promise<readonly boolean[]>) {
    this.#send = send;
  }

  /** Whether the receiver got it. Never rejects. */
  put(to: string, message: SignalMessage): Promise<boolean> {
    if (this.#waiting.length >= MAX_WAITING) return Promise.resolve(false);
    return new Promise((settle) => {
      this.#waiting.push({ to, message, settle });
      if (!this.#busy) void this.#empty();
    });
  }

  async #empty(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      const reached = await this.#send(batch.map(({ to, message }) => ({ to, message }))).catch(() => []);
      for (const [index, { settle }] of batch.entries()) settle(reached[index] === true);
    }
    this.#busy = false;
  }
}
