import { malformed, plainReason, TrackerError } from "./errors.ts";
import { checkDepth } from "./json/read.ts";
import { type Limits, MAX_SIGNAL } from "./limits.ts";
import type { Codec } from "./messages.ts";
import { identifier } from "./values.ts";

/** Subprotocols of the signalling socket (docs/PROTOCOL.md): each has its messages in another encoding. */
export const SIGNAL_PROTOCOL = "ppsp-signal.1";
export const XML_SIGNAL_PROTOCOL = "ppsp-signal-xml.1";
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

/** What a member wants handed to another one. */
export interface Signal {
  readonly to: string;
  /** A JSON text: the peers' affair, relayed as it is between members that chose different encodings. */
  readonly payload: string;
}

/** An ICE candidate that is no relay's, or the address that a relay works for (RFC 8839 §5.1). */
const EXPOSED = / typ (?!relay\b)| raddr (?!(?:0\.0\.0\.0|::) )/u;

/** Whether a payload tells an address of the sender's own, which one that registered as relay-only has no use for. */
export const exposesAddress = (payload: string): boolean => EXPOSED.test(payload);

/** What the tracker tells a member: whom it can signal, what somebody signalled, or that somebody cannot be reached. */
export type SignalMessage =
  | { readonly peers: readonly string[] }
  | { readonly from: string; readonly payload: string }
  | { readonly gone: string };

/** One request of a member that polls. */
export interface Poll {
  readonly token: string;
  /** Absent: begins a session. */
  readonly session?: string;
  /** Messages of the session that have arrived. */
  readonly received: number;
  readonly signals: readonly Signal[];
  /** Seconds that the tracker may hold the request; 0: it only hands over signals. */
  readonly wait: number;
}

/** What a poll is answered. */
export interface PollAnswer {
  readonly session: string;
  /** In the order of the session; undefined: of a kind that the reader does not know. */
  readonly messages: readonly (SignalMessage | undefined)[];
}

/** The messages of the signalling extension in one encoding. All readers throw TrackerError "malformed". */
export interface SignalCodec {
  /** Of the socket that carries them. */
  readonly subprotocol: string;
  /** Content-Type of polls and their answers. */
  readonly contentType: string;
  readonly readSignal: (text: string) => Signal;
  readonly writeSignal: (signal: Signal) => string;
  /** Undefined for a message of a kind that is not known. */
  readonly readMessage: (text: string) => SignalMessage | undefined;
  readonly writeMessage: (message: SignalMessage) => string;
  readonly readPoll: (text: string) => Poll;
  readonly writePoll: (poll: Poll) => string;
  readonly readAnswer: (text: string) => PollAnswer;
  readonly writeAnswer: (answer: PollAnswer) => string;
}

/** One encoding of all that a peer and its tracker say to each other. */
export interface Encoding {
  readonly codec: Codec;
  readonly signals: SignalCodec;
}

/** Signals in one poll. */
const MAX_SIGNALS = 64;

/** A signal whose parts have been read, checked alike in every encoding. @throws TrackerError "malformed". */
export function checkedSignal(to: unknown, payload: unknown): Signal {
  const text = JSON.stringify(payload);
  if (text === undefined) throw malformed("not a signal");
  // Once more than for the message: a number may have become longer.
  if (text.length > MAX_SIGNAL) throw malformed("signal too big");
  // Alike in both encodings, around which one has more levels: no receiver refuses what a sender may send.
  checkDepth(text);
  return { to: identifier(to, "receiver"), payload: text };
}

/** A poll whose parts have been read, checked alike in every encoding. @throws TrackerError "malformed". */
export function checkedPoll<T>(parts: Readonly<Record<keyof Poll, unknown>>, read: (signal: T) => Signal): Poll {
  const { token, session, received, signals, wait } = parts;
  if (typeof token !== "string") throw malformed("Missing token");
  if (session !== undefined && typeof session !== "string") throw malformed("Bad session");
  if (!Number.isSafeInteger(received)) throw malformed("Bad received");
  if (!Array.isArray(signals) || signals.length > MAX_SIGNALS) throw malformed("Bad signals");
  if (typeof wait !== "number" || !(wait >= 0)) throw malformed("Bad wait");
  return {
    token,
    ...(session !== undefined && { session }),
    received: received as number,
    signals: (signals as T[]).map(read),
    wait,
  };
}

/** Why a socket is closed. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** Reads one message from a member's socket; why the socket is closed instead, if it must be. */
export function receiveSignal(codec: SignalCodec, message: unknown): Signal | Closing {
  if (typeof message !== "string") return { code: CLOSE.malformed, reason: "not text" };
  if (message.length > MAX_SIGNAL) return { code: CLOSE.tooBig, reason: "signal too big" };
  try {
    return codec.readSignal(message);
  } catch (error) {
    if (!(error instanceof TrackerError)) throw error;
    return { code: CLOSE.malformed, reason: plainReason(error.message, 100) };
  }
}

/** How many signals one member may still send: a bucket that fills at a steady rate. */
export class SignalAllowance {
  readonly #limits: Limits;
  #left: number;
  #at: number;

  /** @param now - milliseconds */
  constructor(now: number, limits: Limits) {
    this.#limits = limits;
    this.#left = limits.signalBurst;
    this.#at = now;
  }

  /** Takes one signal; false when there is none left. */
  take(now: number): boolean {
    const { signalBurst, signalRate } = this.#limits;
    this.#left = Math.min(signalBurst, this.#left + (Math.max(0, now - this.#at) / 1000) * signalRate);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
