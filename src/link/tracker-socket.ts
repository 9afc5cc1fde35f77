import { MAX_ID, MAX_SIGNAL } from "../tracker/limits.ts";
import { PING, PONG, type SignalCodec, type SignalMessage, TOKEN_PREFIX } from "../tracker/signal.ts";

/** A socket that has not opened by then never will, ms. */
const OPEN_MS = 10_000;
/** Between two pings; a ping that is not answered before the next ends the socket, ms. */
const PING_MS = 25_000;
/** Characters of a message: a signal, each of whose characters may be an entity in XML, and the sender's name around it. */
const MAX_MESSAGE = 6 * MAX_SIGNAL + MAX_ID + 256;

/** The part of WebSocket that signalling needs. */
export interface MessageSocket {
  readonly readyState: number;
  send(text: string): void;
  close(): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close" | "error", listener: () => void): void;
}

/** How sockets are made: the host's own WebSocket, or another in tests. */
export type OpenSocket = (url: string, protocols: string[]) => MessageSocket;

/** What comes out of a signalling socket. */
export interface SignalSocketEvents {
  /** It is open: the members of the swarm that can be signalled. */
  peers(peerIds: readonly string[]): void;
  signal(from: string, payload: unknown): void;
  /** A signal could not be delivered: this member has no socket. */
  gone(peerId: string): void;
  /** It is over, or never opened; called once. */
  closed(): void;
}

/** A member's signalling socket to its tracker (docs/PROTOCOL.md, signalling). */
export class SignalSocket {
  readonly #socket: MessageSocket;
  readonly #codec: SignalCodec;
  readonly #events: SignalSocketEvents;
  #timer: ReturnType<typeof setTimeout>;
  #answered = true;
  #open = false;
  #closed = false;

  /** @throws DOMException when the URL or the token cannot be used for a WebSocket. */
  constructor(open: OpenSocket, url: string, token: string, codec: SignalCodec, events: SignalSocketEvents) {
    this.#events = events;
    this.#codec = codec;
    this.#socket = open(url, [codec.subprotocol, TOKEN_PREFIX + token]);
    this.#timer = setTimeout(() => this.close(), OPEN_MS);
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("close", () => this.close());
    this.#socket.addEventListener("error", () => this.close());
  }

  /** Hands a payload to the tracker; false if that is not possible now or it is too big. */
  send(to: string, payload: unknown): boolean {
    const text = this.#codec.writeSignal({ to, payload: JSON.stringify(payload) ?? "null" });
    if (!this.#open || this.#socket.readyState !== 1 || text.length > MAX_SIGNAL) return false;
    this.#socket.send(text);
    return true;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#open = false;
    clearTimeout(this.#timer);
    this.#socket.close();
    this.#events.closed();
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    if (data === PONG) {
      this.#answered = true;
      return;
    }
    const message = this.#read(data);
    if (message === "malformed") this.close();
    else if (message !== undefined) this.#heed(message);
  }

  /** Undefined: of a kind that is not known. */
  #read(data: unknown): SignalMessage | "malformed" | undefined {
    if (typeof data !== "string" || data.length > MAX_MESSAGE) return "malformed";
    try {
      return this.#codec.readMessage(data);
    } catch {
      return "malformed";
    }
  }

  #heed(message: SignalMessage): void {
    if ("peers" in message) {
      if (!this.#open) this.#opened();
      this.#events.peers(message.peers);
    } else if ("from" in message) {
      this.#events.signal(message.from, JSON.parse(message.payload));
    } else {
      this.#events.gone(message.gone);
    }
  }

  #opened(): void {
    this.#open = true;
    clearTimeout(this.#timer);
    this.#ping();
  }

  #ping(): void {
    this.#timer = setTimeout(() => {
      if (!this.#answered) {
        this.close();
        return;
      }
      this.#answered = false;
      this.#socket.send(PING);
      this.#ping();
    }, PING_MS);
  }
}
