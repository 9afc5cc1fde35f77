import type { Link } from "../engine/ports.ts";

/** Datagrams kept for a link that nobody listens to yet; what comes beyond is lost, as in UDP. */
const EARLY_DATAGRAMS = 64;
/** Their bytes together. */
const EARLY_BYTES = 512 * 1024;

/** What all links share: early datagrams wait for `onDatagram`, and the end is told exactly once. */
export abstract class BaseLink implements Link {
  readonly id: string;
  abstract readonly maxDatagram: number;
  abstract readonly reliable: boolean;
  #onDatagram: ((datagram: Uint8Array) => void) | undefined;
  #onClose: (() => void) | undefined;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #closed = false;
  #toldClose = false;

  constructor(id: string) {
    this.id = id;
  }

  abstract send(head: Uint8Array, payload?: Uint8Array): void;
  abstract close(): void;

  get onDatagram(): ((datagram: Uint8Array) => void) | undefined {
    return this.#onDatagram;
  }

  set onDatagram(listener: ((datagram: Uint8Array) => void) | undefined) {
    this.#onDatagram = listener;
    if (!listener) return;
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    for (const datagram of early) listener(datagram);
  }

  get onClose(): (() => void) | undefined {
    return this.#onClose;
  }

  set onClose(listener: (() => void) | undefined) {
    this.#onClose = listener;
    this.#tellClose();
  }

  protected get closed(): boolean {
    return this.#closed;
  }

  /** Hands on what the neighbour sent. */
  protected deliver(datagram: Uint8Array): void {
    if (this.#closed || datagram.length > this.maxDatagram) return;
    if (this.#onDatagram) {
      this.#onDatagram(datagram);
    } else if (this.#early.length < EARLY_DATAGRAMS && this.#earlyBytes + datagram.length <= EARLY_BYTES) {
      this.#early.push(datagram);
      this.#earlyBytes += datagram.length;
    }
  }

  /** Marks the link as ended, whichever side did it; false if it already was. */
  protected end(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.#tellClose();
    return true;
  }

  #tellClose(): void {
    if (!this.#closed || this.#toldClose || !this.#onClose) return;
    this.#toldClose = true;
    this.#onClose();
  }
}

/** One datagram of `head` and `payload`, in new memory or in `into`, which is as long. */
export function join(
  head: Uint8Array,
  payload?: Uint8Array,
  into = new Uint8Array(head.length + (payload?.length ?? 0)),
): Uint8Array<ArrayBuffer> {
  into.set(head);
  if (payload) into.set(payload, head.length);
  return into;
}
