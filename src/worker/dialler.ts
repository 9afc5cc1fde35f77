import type { Call, Dial, DialEvents } from "../link/dial.ts";
import type { CallNews, CallOrder } from "./protocol.ts";

/** Connects to neighbours by way of the page, the only one that can. */
export class Dialler {
  readonly #post: (order: CallOrder) => void;
  readonly #calls = new Map<number, DialEvents>();
  #next = 0;

  constructor(post: (order: CallOrder) => void) {
    this.#post = post;
  }

  readonly dial: Dial = ({ initiator, iceServers, relayOnly = false }, events): Call => {
    const call = this.#next++;
    this.#calls.set(call, events);
    this.#post({ type: "dial", call, options: { initiator, iceServers, relayOnly } });
    return {
      signal: (signal) => this.#post({ type: "tell", call, signal }),
      close: () => {
        if (this.#calls.delete(call)) this.#post({ type: "hang up", call });
      },
    };
  };

  /** Takes what the page says of a connection; of those that are over it may still say something. */
  received(message: CallNews): void {
    const events = this.#calls.get(message.call);
    switch (message.type) {
      case "said":
        events?.signal(message.said);
        return;
      case "channel":
        if (events === undefined) message.channel.close();
        else events.channel(message.channel);
        return;
      case "connected":
        events?.connected(message.maxMessage);
        return;
      case "gathered":
        events?.gathered();
        return;
      case "ended":
        this.#calls.delete(message.call);
        events?.ended();
        return;
    }
  }

  /** Ends all that are left. */
  close(): void {
    for (const call of this.#calls.keys()) this.#post({ type: "hang up", call });
    this.#calls.clear();
  }
}
