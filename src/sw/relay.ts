import type { Answer, Ask } from "./protocol.ts";

/** The page must answer a request within this time, ms; the network is not slower than that. */
const ANSWER_MS = 500;
/** A page that owes bytes is asked whether it is still there after this time, ms, … */
const PING_MS = 1000;
/** … and given up after this time without a word, ms: it was closed, or frozen by the browser. */
const SILENCE_MS = 3000;

export type Head = Extract<Answer, { type: "head" }>;

/** The worker's end of one request to a page: one question at a time. */
export class Relay {
  readonly #port: MessagePort;
  #heard: ((answer: Answer | undefined) => void) | undefined;
  /** What came before it was asked for. */
  readonly #early: Answer[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = (event: MessageEvent<Answer>) => {
      if (event.data.type !== "pong") this.#early.push(event.data);
      this.#heard?.(event.data);
    };
  }

  /** The page's first answer, `head` or `refuse`; undefined when it gives none in time. */
  async head(): Promise<Answer | undefined> {
    if (this.#early.length === 0) await this.#listen(ANSWER_MS);
    return this.#early.shift();
  }

  /** The next bytes; undefined when there are no more, or when the page fell silent. @throws TypeError where the network must not be asked for them */
  async pull(): Promise<ArrayBuffer | undefined> {
    this.#ask({ type: "pull" });
    let silentMs = 0;
    while (this.#early.length === 0 && silentMs < SILENCE_MS) {
      if (await this.#listen(PING_MS)) silentMs = 0;
      else {
        silentMs += PING_MS;
        this.#ask({ type: "ping" });
      }
    }
    const answer = this.#early.shift();
    if (answer?.type === "fail") {
      this.close();
      throw new TypeError("the network has other bytes than those that were published");
    }
    return answer?.type === "bytes" ? answer.bytes : undefined;
  }

  /** Ends the request. */
  close(): void {
    this.#end({ type: "cancel" });
  }

  /** Ends the request of a page that gave no answer in time; it learns that when it is no longer busy or frozen. */
  giveUp(): void {
    this.#end({ type: "late" });
  }

  #end(last: Ask): void {
    this.#ask(last);
    this.#port.close();
  }

  /** Whether anything was heard within this time. */
  #listen(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      this.#heard = () => {
        clearTimeout(timer);
        this.#heard = undefined;
        resolve(true);
      };
    });
  }

  #ask(ask: Ask): void {
    this.#port.postMessage(ask);
  }
}

/**
 * The body of a response: bytes from the page while it gives any, then from the network. Ends only when all bytes have
 * come, else errors, since players take a short body for a whole one.
 */
export function relayBody(relay: Relay, head: Head, request: Request): ReadableStream<Uint8Array> {
  let left = head.length;
  let network: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const ended = new AbortController();
  const end = (): void => {
    relay.close();
    ended.abort();
  };
  const next = async (): Promise<Uint8Array | undefined> => {
    if (network === undefined) {
      const bytes = await relay.pull();
      if (bytes !== undefined) return new Uint8Array(bytes);
      // If it was only frozen, it need not go on.
      relay.close();
      ended.signal.throwIfAborted();
      const first = head.first + head.length - left;
      network = (await fetchRest(request, first, first + left - 1, ended.signal)).getReader();
    }
    return (await network.read()).value;
  };
  return new ReadableStream({
    async pull(controller) {
      const bytes = left > 0 ? await next() : undefined;
      if (bytes === undefined || bytes.length > left) {
        end();
        throw new TypeError(`${left} bytes of ${request.url} are missing`);
      }
      left -= bytes.length;
      controller.enqueue(bytes);
      if (left > 0) return;
      relay.close();
      controller.close();
    },
    cancel: end,
  });
}

async function fetchRest(
  request: Request,
  first: number,
  last: number,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const { url, credentials } = request;
  const response = await fetch(url, { headers: { Range: `bytes=${first}-${last}` }, credentials, signal });
  const whole = response.status === 200 && first === 0;
  if ((response.status !== 206 && !whole) || response.body === null) {
    throw new TypeError(`HTTP ${response.status} for bytes ${first} to ${last} of ${url}`);
  }
  return response.body;
}
