import type { Signal } from "./signal.ts";

/** An ICE server, as ppsp.json has it. */
export interface IceServer {
  readonly urls: string | readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

/** What a connection to one neighbour is made with; plain values, since pages and their workers tell each other. */
export interface DialOptions {
  /** Whether this side makes the offer. */
  readonly initiator: boolean;
  /** Empty: host candidates only, no third party is asked. */
  readonly iceServers: readonly IceServer[];
  /** Use relayed candidates only, so that the neighbour learns the relay's address instead of ours. @defaultValue false */
  readonly relayOnly?: boolean;
}

/** What becomes of a connection. */
export interface DialEvents {
  /** The neighbour must be told this, in simple-peer's words: to be parsed. */
  signal(said: unknown): void;
  /** The data channel, not open yet. Comes once, and first. */
  channel(channel: RTCDataChannel): void;
  /** The connection is up; the channel opens about now. `maxMessage`: longest message that the neighbour takes, bytes; 0 if it names none. */
  connected(maxMessage: number): void;
  /** All candidates of ours have been said. */
  gathered(): void;
  /** It has ended or never came about; the last call. */
  ended(): void;
}

/** A connection that is being made, or is up. */
export interface Call {
  /** Takes what the neighbour says; the first description and a bounded number of candidates are to be handed on. */
  signal(signal: Signal): void;
  /** Ends it; nothing that matters follows. */
  close(): void;
}

/** A way to connect to a neighbour: the browser's, or that of the page that a worker belongs to. */
export type Dial = (options: DialOptions, events: DialEvents) => Call;
