import { BaseLink } from "./base.ts";
import type { Call, Dial, DialOptions } from "./dial.ts";
import { isRelayed, relayedOnly } from "./relay-only.ts";
import { SendQueue } from "./send-queue.ts";
import { CANDIDATES_MAX, candidatesIn, parseSignal, type Signal } from "./signal.ts";

/** Larger datagrams than Chromium carries are never sent to anyone, bytes. */
const DATAGRAM_MAX = 256 * 1024;
/** What RFC 8841 §6 takes when a description names no maximum, bytes. */
const DATAGRAM_DEFAULT = 64 * 1024;

/** How a link gets through NAT. */
export interface IceOptions extends Omit<DialOptions, "initiator"> {
  /** Called, before the link ends, when it is to be relayed and no relay could be had. */
  readonly unrelayed?: () => void;
}

/** How to make one link. */
export interface WebRtcOptions extends IceOptions {
  /** The neighbour's Peer-ID. */
  readonly id: string;
  readonly dial: Dial;
  /** Whether this side makes the offer. */
  readonly initiator: boolean;
  /** Called with what the neighbour must be told. */
  readonly signal: (signal: Signal) => void;
  /** Called once when datagrams can travel. */
  readonly open: (link: WebRtcLink) => void;
  /** Called once when the link has ended or never came about; the last call. */
  readonly ended: () => void;
}

/** One neighbour over one unordered RTCDataChannel; one message is one datagram. The connection may be another thread's. */
export class WebRtcLink extends BaseLink {
  readonly #options: WebRtcOptions;
  readonly #call: Call;
  #channel: RTCDataChannel | undefined;
  #queue: SendQueue | undefined;
  readonly reliable = true;
  #maxDatagram = DATAGRAM_MAX;
  #connected = false;
  #described = false;
  #candidates = 0;
  /** A candidate of ours is at a relay. */
  #relayed = false;

  constructor(options: WebRtcOptions) {
    super(options.id);
    this.#options = options;
    const { initiator, iceServers, relayOnly = false } = options;
    this.#call = options.dial(
      { initiator, iceServers, relayOnly },
      {
        signal: (said) => this.#tell(said),
        channel: (channel) => this.#take(channel),
        connected: (maxMessage) => {
          this.#maxDatagram = Math.min(DATAGRAM_MAX, maxMessage > 0 ? maxMessage : DATAGRAM_DEFAULT);
          this.#connected = true;
          this.#open();
        },
        gathered: () => this.#gathered(),
        ended: () => this.#ended(),
      },
    );
  }

  get maxDatagram(): number {
    return this.#maxDatagram;
  }

  /** Takes what the neighbour says: one description, and a bounded number of candidates. */
  receive(signal: Signal): void {
    if (this.closed) return;
    const described = signal.type !== "candidate";
    if (described && (this.#described || (signal.type === "answer") !== this.#options.initiator)) return;
    const candidates = this.#candidates + candidatesIn(signal);
    if (candidates > CANDIDATES_MAX) return;
    this.#candidates = candidates;
    this.#described ||= described;
    this.#call.signal(signal);
  }

  send(head: Uint8Array, payload?: Uint8Array): void {
    const length = head.length + (payload?.length ?? 0);
    if (this.closed || length > this.#maxDatagram || !this.#queue?.accepts(length)) return;
    this.#attempt(() => this.#queue?.push(head, payload));
  }

  close(): void {
    this.#channel?.close();
    this.#call.close();
    this.#ended();
  }

  #tell(said: unknown): void {
    // simple-peer's signals have the payload's form but for its name; others than these three are not made here.
    const signal = parseSignal({ ...(said as object), attempt: "00000000" });
    if (!signal || signal.type === "refuse" || this.closed) return;
    const { attempt: _, ...all } = signal;
    this.#relayed ||= isRelayed(all.type === "candidate" ? all.candidate.candidate : all.sdp);
    const told = this.#options.relayOnly ? relayedOnly(all) : all;
    if (told !== undefined) this.#options.signal(told);
  }

  /** Without a relay nothing comes of a link that is to be relayed: the neighbour need not wait for it. */
  #gathered(): void {
    if (!this.#options.relayOnly || this.#relayed || this.closed) return;
    this.#options.unrelayed?.();
    this.close();
  }

  #take(channel: RTCDataChannel): void {
    this.#channel = channel;
    channel.binaryType = "arraybuffer";
    channel.addEventListener("open", () => this.#open());
    channel.addEventListener("close", () => this.close());
    channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) this.deliver(new Uint8Array(data));
    });
    this.#open();
  }

  #open(): void {
    const channel = this.#channel;
    if (!this.#connected || channel?.readyState !== "open" || this.#queue || this.closed) return;
    const queue = new SendQueue(channel, () => performance.now());
    this.#queue = queue;
    channel.addEventListener("bufferedamountlow", () => this.#attempt(() => queue.flush()));
    this.#options.open(this);
  }

  /** The browser throws when the channel is closing or its buffer is full; either way the datagram is lost. */
  #attempt(send: () => void): void {
    if (this.#channel?.readyState !== "open") return;
    try {
      send();
    } catch {
      this.close();
    }
  }

  #ended(): void {
    if (this.end()) this.#options.ended();
  }
}
