import { join } from "./base.ts";

/** The part of RTCDataChannel that a queue needs. */
export interface SendChannel {
  /** Bytes accepted by `send` that have not left yet. */
  readonly bufferedAmount: number;
  /** `bufferedamountlow` is fired when `bufferedAmount` falls to this from above. */
  bufferedAmountLowThreshold: number;
  send(datagram: Uint8Array<ArrayBuffer>): void;
}

/** Never more bulk than this inside the channel: above it Chromium's SCTP was seen to collapse from 20 to 0.3 MB/s. */
const CEILING_MAX = 256 * 1024;
/** Two datagrams of the default chunk size, so that a line is not idle while the page thinks. */
const CEILING_MIN = 32 * 1024;
/** Until the line has shown its rate. */
const CEILING_START = 64 * 1024;
/** On slow lines depth is delay: an urgent datagram waits no longer than this behind bulk, ms. */
const DEPTH_MS = 200;
/** Shortest time that a rate is measured over, ms. */
const SAMPLE_MS = 50;
/** Datagrams shorter than this (HAVE, REQUEST, ACK, CHOKE …) overtake bulk. */
const SMALL = 1024;
/** How far small datagrams may fill the channel above the ceiling for bulk. */
const SMALL_RESERVE = 64 * 1024;
/** What is held here at most; the core's window per neighbour stays far below, so only a flood is cut. */
const HELD_BULK_MAX = 1024 * 1024;
const HELD_SMALL_MAX = 128 * 1024;

/** First in, first out, with a bound in bytes. */
class Fifo {
  #datagrams: Uint8Array<ArrayBuffer>[] = [];
  #next = 0;
  bytes = 0;

  get empty(): boolean {
    return this.#next === this.#datagrams.length;
  }

  push(datagram: Uint8Array<ArrayBuffer>): void {
    this.#datagrams.push(datagram);
    this.bytes += datagram.length;
  }

  shift(): Uint8Array<ArrayBuffer> | undefined {
    const datagram = this.#datagrams[this.#next++];
    if (datagram) this.bytes -= datagram.length;
    if (this.#next >= this.#datagrams.length) {
      this.#datagrams = [];
      this.#next = 0;
    }
    return datagram;
  }
}

/**
 * Keeps the channel's own queue short: at most 200 ms of the line's measured rate and at most 256 KiB of bulk are given
 * to it, the rest is held here (bounded), and small datagrams go first.
 */
export class SendQueue {
  readonly #channel: SendChannel;
  readonly #now: () => number;
  readonly #small = new Fifo();
  readonly #bulk = new Fifo();
  #piece = new Uint8Array(0);
  #ceiling = CEILING_START;
  /** bytes/ms; undefined until measured. */
  #rate: number | undefined;
  #sent = 0;
  /** Start of the sample: time, bytes that had left by then, and whether the line has been busy ever since. */
  #sampleAt: number;
  #sampleLeft = 0;
  #sampleBusy = false;

  /** `now` in milliseconds, monotonic. The owner calls `flush` at every `bufferedamountlow`. */
  constructor(channel: SendChannel, now: () => number) {
    this.#channel = channel;
    this.#now = now;
    this.#sampleAt = now();
    channel.bufferedAmountLowThreshold = this.#ceiling / 2;
  }

  /** How much bulk may be in the channel now, bytes. */
  get ceiling(): number {
    return this.#ceiling;
  }

  /** Bytes held back here. */
  get held(): number {
    return this.#small.bytes + this.#bulk.bytes;
  }

  /** Whether a datagram of `length` bytes would be kept and not lost. */
  accepts(length: number): boolean {
    const bulk = length >= SMALL;
    return (bulk ? this.#bulk : this.#small).bytes + length <= (bulk ? HELD_BULK_MAX : HELD_SMALL_MAX);
  }

  /** Sends or holds a datagram that `accepts` allows. */
  push(head: Uint8Array, payload?: Uint8Array): void {
    this.flush();
    const length = head.length + (payload?.length ?? 0);
    const [queue, limit] = length < SMALL ? [this.#small, this.#smallLimit] : [this.#bulk, this.#ceiling];
    if (queue.empty && this.#channel.bufferedAmount < limit) {
      // The channel copies what it is given, so that the same memory serves for all that need not wait.
      if (length > this.#piece.length) this.#piece = new Uint8Array(length);
      this.#send(join(head, payload, this.#piece.subarray(0, length)));
    } else {
      queue.push(join(head, payload));
    }
  }

  /** Gives the channel as much as it should have now. */
  flush(): void {
    this.#measure();
    this.#drain(this.#small, this.#smallLimit);
    this.#drain(this.#bulk, this.#ceiling);
  }

  // What stays in `queue` stays because bufferedAmount >= limit > threshold, so a bufferedamountlow is bound to come.
  #drain(queue: Fifo, limit: number): void {
    while (!queue.empty && this.#channel.bufferedAmount < limit) {
      const datagram = queue.shift();
      if (!datagram) return;
      this.#send(datagram);
    }
  }

  #send(datagram: Uint8Array<ArrayBuffer>): void {
    this.#sent += datagram.length;
    this.#channel.send(datagram);
  }

  get #smallLimit(): number {
    return this.#ceiling + SMALL_RESERVE;
  }

  #measure(): void {
    const now = this.#now();
    const buffered = this.#channel.bufferedAmount;
    if (buffered === 0) this.#sampleBusy = false;
    const elapsed = now - this.#sampleAt;
    if (elapsed < SAMPLE_MS) return;
    const left = this.#sent - buffered;
    const sample = (left - this.#sampleLeft) / elapsed;
    // A line that had nothing to do for a while has shown only that it is at least this fast.
    if (this.#rate === undefined) this.#rate = sample;
    else this.#rate = this.#sampleBusy ? (3 * this.#rate + sample) / 4 : Math.max(this.#rate, sample);
    if (this.#rate > 0) {
      this.#ceiling = Math.round(Math.min(CEILING_MAX, Math.max(CEILING_MIN, DEPTH_MS * this.#rate)));
      this.#channel.bufferedAmountLowThreshold = this.#ceiling / 2;
    }
    this.#sampleAt = now;
    this.#sampleLeft = left;
    this.#sampleBusy = buffered > 0;
  }
}
