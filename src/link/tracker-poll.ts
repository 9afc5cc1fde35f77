import { PING, type Poll, type PollAnswer, PONG, type Signal, type SignalCodec } from "../tracker/signal.ts";
import { type Fetch, readText } from "./tracker-http.ts";
import type { MessageSocket } from "./tracker-socket.ts";

/** How long the tracker may hold a poll, s; it answers earlier when there is something to tell. */
const WAIT_S = 25;
/** A poll that is not answered by then is lost, ms. */
const TIMEOUT_MS = WAIT_S * 1000 + 10_000;
/** Bytes of an answer. */
const MAX_ANSWER = 1024 * 1024;
/** Characters of signals in one request: the tracker takes 64 KiB. */
const MAX_BATCH = 48 * 1024;
/** Signals in one request: the tracker takes no more. */
const MAX_SIGNALS = 64;
/** Signals that wait for a request. */
const MAX_OUTBOX = 256;

/** The part of a signalling socket where no WebSocket opens: requests that the tracker holds (docs/PROTOCOL.md). */
export class PollSocket implements MessageSocket {
  readonly #fetch: Fetch;
  readonly #url: string;
  readonly #token: string;
  readonly #codec: SignalCodec;
  readonly #target = new EventTarget();
  readonly #ended = new AbortController();
  readonly #outbox: Signal[] = [];
  #session: string | undefined;
  #received = 0;
  #sending = false;

  constructor(fetch: Fetch, url: string, token: string, codec: SignalCodec) {
    this.#fetch = fetch;
    this.#url = url;
    this.#token = token;
    this.#codec = codec;
    void this.#listen();
  }

  /** As of a WebSocket: connecting, open or closed. */
  get readyState(): number {
    if (this.#ended.signal.aborted) return 3;
    return this.#session === undefined ? 0 : 1;
  }

  addEventListener(type: "message" | "close" | "error", listener: (event: { data: unknown }) => void): void {
    this.#target.addEventListener(type, (event) => listener(event as MessageEvent));
  }

  send(text: string): void {
    if (text === PING) {
      // Each poll is a sign of life already, and its failure ends the socket.
      queueMicrotask(() => this.#tell(PONG));
      return;
    }
    if (this.#outbox.length < MAX_OUTBOX) this.#outbox.push(this.#codec.readSignal(text));
    void this.#flush();
  }

  close(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#target.dispatchEvent(new Event("close"));
  }

  async #listen(): Promise<void> {
    for (let failures = 0; !this.#ended.signal.aborted;) {
      const answer = await this.#post({ received: this.#received, signals: [], wait: WAIT_S });
      if (answer === undefined) {
        // What was in an answer that got lost is given again: one failure does no harm.
        if (this.#session === undefined || ++failures > 1) this.close();
        continue;
      }
      failures = 0;
      this.#session = answer.session;
      this.#received += answer.messages.length;
      for (const message of answer.messages) if (message) this.#tell(this.#codec.writeMessage(message));
      void this.#flush();
    }
  }

  /** Sends what waits, one request after the other, so that it arrives in order. */
  async #flush(): Promise<void> {
    if (this.#sending || this.#session === undefined) return;
    this.#sending = true;
    while (this.#outbox.length > 0 && !this.#ended.signal.aborted) {
      const signals: Signal[] = [];
      let size = 0;
      for (let next = this.#outbox[0]; next !== undefined && signals.length < MAX_SIGNALS; next = this.#outbox[0]) {
        size += this.#codec.writeSignal(next).length;
        if (size > MAX_BATCH && signals.length > 0) break;
        signals.push(next);
        this.#outbox.shift();
      }
      if ((await this.#post({ received: 0, signals, wait: 0 })) === undefined) this.close();
    }
    this.#sending = false;
  }

  /** One request; undefined when nothing useful comes back. */
  async #post(rest: Pick<Poll, "received" | "signals" | "wait">): Promise<PollAnswer | undefined> {
    const session = this.#session;
    const poll = { token: this.#token, ...(session !== undefined && { session }), ...rest };
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
    const end = (): void => abort.abort();
    this.#ended.signal.addEventListener("abort", end);
    try {
      const response = await this.#fetch(this.#url, {
        method: "POST",
        body: this.#codec.writePoll(poll),
        // A simple request: browsers ask no permission first (CORS preflight).
        headers: { "Content-Type": "text/plain; charset=utf-8" },
        signal: abort.signal,
        credentials: "omit",
        cache: "no-store",
      });
      if (response.status !== 200) {
        void response.body?.cancel().catch(() => undefined);
        // Asking again would not help.
        this.close();
        return undefined;
      }
      return this.#codec.readAnswer(await readText(response, MAX_ANSWER));
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#ended.signal.removeEventListener("abort", end);
    }
  }

  #tell(data: string): void {
    if (!this.#ended.signal.aborted) this.#target.dispatchEvent(new MessageEvent("message", { data }));
  }
}
