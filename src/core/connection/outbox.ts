import type { ChunkRange } from "../address/range.ts";
import { chunkSpecSize } from "../codec/chunk-spec.ts";
import { encodeDatagram } from "../codec/datagram.ts";
import { MessageType, type Data, type Integrity, type Message } from "../codec/messages.ts";
import type { ChannelHost, ChannelLink } from "./channel-host.ts";
import { chunkSpecs } from "./metadata.ts";
import { IP_PACKET, type Millis } from "./settings.ts";

/** Messages of one datagram without DATA, at most. */
const MESSAGES_PER_DATAGRAM = 64;
/**
 * Over a link that repeats what it lost an ACK only opens the window, and one can stand for several chunks: it waits until
 * so many bytes have come, a part of the window, or for this long, ms. Elsewhere an ACK goes out at once, since it tells of loss.
 */
const ACK_BYTES = 65_536;
const ACK_MS = 40;

/** What goes out to one peer: messages are queued and leave together. */
export class Outbox {
  /** Destination of the datagrams; 0 until the peer's HANDSHAKE came. */
  channel = 0;
  /** Message types that the peer understands; undefined: all (RFC 7574 §7.10). */
  supported: ReadonlySet<number> | undefined;
  lastSent: Millis;
  /** Datagrams that left since the last one came in. */
  unanswered = 0;
  readonly #host: ChannelHost;
  readonly #link: string;
  /** Octets of an INTEGRITY: no queued message is longer. */
  readonly #messageSize: number;
  readonly #maxDatagram: number;
  /** Octets that travel undivided. */
  readonly #packet: number;
  readonly #batch: number;
  /** Chunks that are acknowledged with one ACK. */
  readonly #ackedTogether: number;
  #queue: Message[] = [];
  /** When what is queued leaves: -Infinity with the next `flush`, Infinity with whatever comes next. */
  #dueAt: Millis = Infinity;
  #acks = 0;

  constructor(host: ChannelHost, link: ChannelLink, now: Millis) {
    this.#host = host;
    this.#link = link.id;
    this.#messageSize = 1 + chunkSpecSize(host.format.addressing) + host.format.hashSize;
    this.#maxDatagram = link.maxDatagram;
    this.#packet = link.reliable ? link.maxDatagram : Math.min(link.maxDatagram, IP_PACKET);
    const fitting = Math.floor((this.#packet - 4) / this.#messageSize);
    this.#batch = Math.max(1, Math.min(MESSAGES_PER_DATAGRAM, fitting));
    this.#ackedTogether = link.reliable ? Math.floor(ACK_BYTES / host.metadata.chunkSize) : 1;
    this.lastSent = now;
  }

  /** When `flush` must be called next. */
  get dueAt(): Millis {
    return this.#dueAt;
  }

  /** The next `flush` sends something: a keep-alive if there is nothing to say. */
  hurry(): void {
    this.#dueAt = -Infinity;
  }

  /**
   * Queues a message that leaves at `dueAt` or with another before; one that the peer does not understand is left out, CHOKE
   * is not said twice at a time, and an ACK or HAVE takes the place of one before it that it covers. Returns whether it goes out.
   */
  push(message: Message, dueAt: Millis = -Infinity): boolean {
    if (this.supported?.has(MessageType[message.type]) === false) return false;
    const last = this.#queue.at(-1);
    if (message.type === "CHOKE" && last?.type === "CHOKE") return false;
    const growing = message.type === "ACK" || message.type === "HAVE";
    if (growing && last?.type === message.type && isWithin(last.chunks, message.chunks)) this.#queue.pop();
    this.#queue.push(message);
    this.#dueAt = this.#queue.length >= this.#batch ? -Infinity : Math.min(this.#dueAt, dueAt);
    return true;
  }

  /** Queues a message about chunks: one, or with bins as many as it takes. */
  pushChunks(type: "HAVE" | "REQUEST" | "CANCEL", range: ChunkRange, dueAt?: Millis): void {
    for (const chunks of chunkSpecs(range, this.#host.metadata.addressing)) this.push({ type, chunks }, dueAt);
  }

  /** Queues the ACK of a chunk that has come, as the range that is held around it. */
  pushAck(range: ChunkRange, delay: bigint, now: Millis): void {
    const dueAt = ++this.#acks < this.#ackedTogether ? now + ACK_MS : -Infinity;
    for (const chunks of chunkSpecs(range, this.#host.metadata.addressing))
      this.push({ type: "ACK", chunks, delay }, dueAt);
  }

  /** Sends a chunk at once, with its proof and what is queued before it, in one datagram if that fits. */
  sendData(proof: readonly Integrity[], data: Data, now: Millis): void {
    // Channel, type, chunk specification, timestamp, chunk.
    const length = 4 + 1 + chunkSpecSize(this.#host.format.addressing) + 8 + data.data.length;
    // A chunk that fits one IP packet shall not be torn for what goes with it (RFC 7574 §8.1).
    const room = (length <= this.#packet ? this.#packet : this.#maxDatagram) - length;
    const count = this.#queue.length + proof.length;
    this.#queue.push(...proof);
    // What does not fit beside the chunk goes first, in datagrams of its own (RFC 7574 §5.3).
    if (count * this.#messageSize > room) {
      this.hurry();
      this.flush(now);
    }
    this.transmit([...this.#take(Infinity), data], now);
  }

  /** Sends what is queued, if any of it is due. */
  flush(now: Millis): void {
    if (now < this.#dueAt) return;
    do this.transmit(this.#take(this.#batch), now);
    while (this.#queue.length > 0);
  }

  /** Sends one datagram at once. */
  transmit(messages: readonly Message[], now: Millis): void {
    this.lastSent = now;
    this.unanswered++;
    const { bytes, format } = this.#host;
    const datagram = { channel: this.channel, messages: bytes?.toWire(messages) ?? messages };
    const { head, payload } = encodeDatagram(datagram, format);
    const type = "transmit";
    const link = this.#link;
    this.#host.out.push(payload === undefined ? { type, link, head } : { type, link, head, payload });
  }

  /** Drops what is queued. */
  clear(): void {
    this.#take(Infinity);
  }

  #take(most: number): Message[] {
    this.#dueAt = Infinity;
    this.#acks = 0;
    return this.#queue.splice(0, most);
  }
}

const isWithin = (inner: ChunkRange, outer: ChunkRange): boolean =>
  inner.start >= outer.start && inner.end <= outer.end;
