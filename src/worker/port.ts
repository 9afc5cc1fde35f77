/** One end of a pair over which messages travel in their order. */
export interface Port<Sent, Received> {
  /** Sends; what is in `transfer` is not ours any more. Never throws for a pair in one page. @throws DOMException where it cannot be sent */
  post(message: Sent, transfer?: Transferable[]): void;
  /** Called with each message; those that come before it is set wait for it. */
  set onmessage(listener: (message: Received) => void);
  /** No message leaves or comes any more. */
  close(): void;
}

/** A MessagePort as a Port. */
export function messagePort<Sent, Received>(port: MessagePort): Port<Sent, Received> {
  return {
    post: (message, transfer = []) => port.postMessage(message, transfer),
    set onmessage(listener: (message: Received) => void) {
      port.onmessage = ({ data }: MessageEvent<Received>) => listener(data);
    },
    close: () => port.close(),
  };
}

/** Two ends in one page: messages are handed over as they are, in a turn of their own as between threads. */
export function localPair<A, B>(): [Port<A, B>, Port<B, A>] {
  const one = new LocalPort<A, B>();
  const other = new LocalPort<B, A>();
  one.peer = other;
  other.peer = one;
  return [one, other];
}

class LocalPort<Sent, Received> implements Port<Sent, Received> {
  peer: LocalPort<Received, Sent> | undefined;
  #listener: ((message: Received) => void) | undefined;
  #waiting: Received[] = [];
  #due = false;
  #closed = false;

  post(message: Sent): void {
    if (!this.#closed) this.peer?.take(message);
  }

  set onmessage(listener: (message: Received) => void) {
    this.#listener = listener;
    this.#plan();
  }

  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  take(message: Received): void {
    if (this.#closed) return;
    this.#waiting.push(message);
    this.#plan();
  }

  #plan(): void {
    if (this.#due || this.#listener === undefined || this.#waiting.length === 0) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#listener?.(next);
    });
  }
}
