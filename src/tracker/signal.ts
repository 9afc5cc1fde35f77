import { MAX_ID, MAX_SIGNAL, SIGNAL_BURST, SIGNAL_RATE } from "./limits.ts";

/** Subprotocol of the signalling socket (docs/PROTOCOL.md). */
export const SIGNAL_PROTOCOL = "ppsp-signal.1";
/** Path of the signalling socket, and of its substitute where no socket opens. */
export const SIGNAL_PATH = "/signal";
export const POLL_PATH = "/signal/poll";
/** What the token follows in the socket's second subprotocol: URLs end up in logs, this does not. */
export const TOKEN_PREFIX = "token.";
/** Sent by a peer as a sign of life, answered by {@link PONG} without waking the tracker. */
export const PING = "ping";
export const PONG = "pong";

/** Why the tracker closes a signalling socket (RFC 6455 §7.4, and 4000-4999 for applications). */
export const CLOSE = {
  malformed: 1007,
  tooBig: 1009,
  tooMany: 1013,
  /** The same peer opened another socket. */
  replaced: 4001,
  /** The swarm has grown, and the member is at another object from now on: it comes back to find that. */
  moved: 4002,
  /** Its registration has ended. */
  ended: 4003,
} as const;

/** What to do with one message from a socket. */
export type Relay =
  | { readonly kind: "relay"; readonly to: string; readonly text: string }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

/** Reads `{to, payload}` of member `from` and turns it into the `{from, payload}` that the receiver gets. */
export function readSignal(from: string, message: unknown): Relay {
  if (typeof message !== "string") return close(CLOSE.malformed, "not text");
  if (message.length > MAX_SIGNAL) return close(CLOSE.tooBig, "signal too big");
  let signal: unknown;
  try {
    signal = JSON.parse(message);
  } catch {
    return close(CLOSE.malformed, "not JSON");
  }
  if (typeof signal !== "object" || signal === null || !("to" in signal) || !("payload" in signal)) {
    return close(CLOSE.malformed, "not a signal");
  }
  const { to, payload } = signal;
  if (typeof to !== "string" || to === "" || to.length > MAX_ID) return close(CLOSE.malformed, "no receiver");
  return { kind: "relay", to, text: JSON.stringify({ from, payload }) };
}

const close = (code: number, reason: string): Relay => ({ kind: "close", code, reason });

/** How many signals one socket may still send: a bucket that fills at a steady rate. */
export class SignalAllowance {
  #left = SIGNAL_BURST;
  #at: number;

  /** @param now - milliseconds */
  constructor(now: number) {
    this.#at = now;
  }

  /** Takes one signal; false when there is none left. */
  take(now: number): boolean {
    this.#left = Math.min(SIGNAL_BURST, this.#left + (Math.max(0, now - this.#at) / 1000) * SIGNAL_RATE);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
