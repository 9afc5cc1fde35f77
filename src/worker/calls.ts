import type { Call, Dial, DialEvents } from "../link/dial.ts";
import type { CallNews, CallOrder } from "./protocol.ts";

/** The page's part of the host's connections: makes them, carries signals, and hands the data channels over. */
export class Calls {
  readonly #post: (message: CallNews, transfer?: Transferable[]) => void;
  readonly #dial: Dial | undefined;
  readonly #calls = new Map<number, Call>();

  constructor(dial: Dial | undefined, post: (message: CallNews, transfer?: Transferable[]) => void) {
    this.#dial = dial;
    this.#post = post;
  }

  /** Does what the host says. */
  received(order: CallOrder): void {
    const { call } = order;
    switch (order.type) {
      case "dial": {
        const made = this.#dial?.(order.options, this.#events(call));
        if (made !== undefined) this.#calls.set(call, made);
        return;
      }
      case "tell":
        this.#calls.get(call)?.signal(order.signal);
        return;
      case "hang up": {
        const made = this.#calls.get(call);
        this.#calls.delete(call);
        made?.close();
        return;
      }
    }
  }

  /** Ends all: neighbours notice at once, even if this page is gone in a moment. */
  close(): void {
    for (const call of this.#calls.values()) call.close();
    this.#calls.clear();
  }

  #events(call: number): DialEvents {
    return {
      signal: (said) => this.#post({ type: "said", call, said }),
      channel: (channel) => this.#post({ type: "channel", call, channel }, [channel]),
      connected: (maxMessage) => this.#post({ type: "connected", call, maxMessage }),
      gathered: () => this.#post({ type: "gathered", call }),
      ended: () => {
        if (this.#calls.delete(call)) this.#post({ type: "ended", call });
      },
    };
  }
}
