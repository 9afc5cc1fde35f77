import { ChunkSet } from "../address/chunk-set.ts";
import { toRanges, type ChunkRange } from "../address/range.ts";
import { encodeDatagram } from "../codec/datagram.ts";
import { MessageType, type Handshake, type Message } from "../codec/messages.ts";
import type { ChannelHost } from "./channel-host.ts";
import { Download } from "./download.ts";
import { chunkSpecs, handshakeOptions, optionsMismatch } from "./metadata.ts";
import type { CloseReason, RejectReason } from "./outputs.ts";
import { missingProof, Proofs } from "./proofs.ts";
import { MAX_EARLY_HAVES, MAX_HAVE_RANGES, type Millis } from "./settings.ts";
import { nextState, type ChannelEvent, type ChannelState } from "./states.ts";
import { Upload } from "./upload.ts";

/** Messages of one datagram that is not DATA, at most: 64 of 41 octets fit any path with room to spare. */
const MESSAGES_PER_DATAGRAM = 64;

/** One PPSPP channel: everything that happens between us and one peer about one swarm (RFC 7574 §3, §8). */
export class Connection {
  readonly link: string;
  readonly maxDatagram: number;
  /** Our channel ID: the destination of the peer's datagrams. */
  readonly channel: number;
  /** The peer's; 0 until its HANDSHAKE came. */
  remoteChannel = 0;
  state: ChannelState;
  /** Chunks that the peer announced or acknowledged. */
  readonly peerHas = new ChunkSet();
  readonly proofs = new Proofs();
  readonly download: Download;
  readonly upload: Upload;
  /** The peer does not answer REQUESTs now. */
  choked = false;
  /** We do not answer the peer's. */
  choking = false;
  readonly #host: ChannelHost;
  readonly #initiator: boolean;
  #supported: ReadonlySet<number> | undefined;
  #queue: Message[] = [];
  #lastSent: Millis;
  #lastReceived: Millis;
  #sentSinceReceived = 0;
  #tries = 0;
  #acknowledged = false;

  constructor(
    host: ChannelHost,
    link: { id: string; maxDatagram: number },
    channel: number,
    initiator: boolean,
    now: Millis,
  ) {
    this.#host = host;
    this.link = link.id;
    this.maxDatagram = link.maxDatagram;
    this.channel = channel;
    this.#initiator = initiator;
    this.state = initiator ? "opening" : "answering";
    this.download = new Download(host.settings);
    this.upload = new Upload(host.settings, host.metadata.chunkSize);
    this.#lastSent = now;
    this.#lastReceived = now;
    if (initiator) this.#shake(now);
  }

  /** Takes a HANDSHAKE: the one that began this channel (destination 0), its answer, a repeat or a close. */
  handshake(message: Handshake, now: Millis): void {
    if (message.channel === 0) {
      this.close(this.state === "opening" ? "refused" : "peer", now);
      return;
    }
    if (this.remoteChannel !== 0) {
      // A repeat: our answer was lost. Anything but a repeat is ignored (RFC 7574 §8.2).
      if (this.state === "answering" && message.channel === this.remoteChannel) this.#shake(now);
      return;
    }
    this.remoteChannel = message.channel;
    const mismatch = optionsMismatch(message.options, this.#host.metadata, !this.#initiator);
    if (mismatch !== undefined) {
      this.#refuse("incompatible", `the peer's ${mismatch} does not fit the swarm`, now);
      return;
    }
    const { supportedMessages } = message.options;
    if (supportedMessages !== undefined) this.#supported = new Set(supportedMessages);
    if (this.#initiator) this.#go("handshake", now);
    else this.#shake(now);
  }

  /** Takes the messages of one datagram, in their order (RFC 7574 §3). */
  receive(messages: readonly Message[], now: Millis): void {
    this.#lastReceived = now;
    this.#sentSinceReceived = 0;
    if (this.state === "answering") this.#go("datagram", now);
    let proofs = false;
    for (const message of messages) {
      if (message.type === "HANDSHAKE") {
        this.handshake(message, now);
        continue;
      }
      if (this.state !== "established") return;
      if (message.type === "INTEGRITY") {
        this.proofs.add(message, this.#host.verifier);
        proofs = true;
      } else {
        this.#take(message, now);
      }
    }
    if (proofs && this.state === "established") {
      this.proofs.tryPeaks(this.#host.verifier);
      this.#host.retry(this, now);
    }
  }

  /** Queues a message for the next `flush`; one that the peer does not support is left out (RFC 7574 §7.10). */
  push(message: Message): void {
    if (this.#supported?.has(MessageType[message.type]) === false) return;
    this.#queue.push(message);
  }

  /** Announces chunks (RFC 7574 §4.3.1). */
  announce(range: ChunkRange): void {
    for (const chunks of chunkSpecs(range, this.#host.metadata.addressing)) this.push({ type: "HAVE", chunks });
  }

  /** Asks for chunks, ascending. */
  request(chunks: readonly number[], now: Millis): void {
    for (const chunk of chunks) this.download.ask(chunk, now);
    for (const range of toRanges(chunks)) {
      for (const spec of chunkSpecs(range, this.#host.metadata.addressing))
        this.push({ type: "REQUEST", chunks: spec });
    }
  }

  /** Takes back a REQUEST. */
  cancel(chunks: readonly number[]): void {
    const asked = chunks.filter((chunk) => this.download.release(chunk));
    for (const range of toRanges(asked)) {
      for (const spec of chunkSpecs(range, this.#host.metadata.addressing)) this.push({ type: "CANCEL", chunks: spec });
    }
  }

  /** Acknowledges a chunk that is verified (RFC 7574 §4.3.2, §8.7). */
  acknowledge(range: ChunkRange, delay: bigint): void {
    for (const chunks of chunkSpecs(range, this.#host.metadata.addressing)) this.push({ type: "ACK", chunks, delay });
  }

  /** Lets the peer ask, or not. */
  setChoking(choking: boolean): void {
    if (choking === this.choking) return;
    this.choking = choking;
    this.upload.clear();
    this.push({ type: choking ? "CHOKE" : "UNCHOKE" });
  }

  /** Sends DATA with the hashes that the peer lacks, peaks first (RFC 7574 §5.4, §5.6.2). */
  sendData(chunk: number, data: Uint8Array, now: Millis): void {
    const tree = this.#host.verifier.tree;
    if (this.state !== "established" || tree === undefined || this.choking) return;
    this.flush(now);
    const { inFlight } = this.upload;
    const doubtful = this.upload.doubtful.has(chunk);
    const needsPeaks = !this.#acknowledged && (doubtful || inFlight.size === 0);
    const assumed = (range: ChunkRange): boolean =>
      this.peerHas.intersects(range) || (!doubtful && inFlight.intersects(range));
    const proof = missingProof(tree, chunk, needsPeaks, assumed);
    const messages: Message[] = proof.map((node) => ({ type: "INTEGRITY", ...node }));
    const { hashSize } = this.#host.format;
    const room = this.maxDatagram - 4 - 25 - data.length;
    if (messages.length * (17 + hashSize) > room) {
      // They do not fit beside the chunk: hashes first, in datagrams of their own.
      this.#queue.push(...messages.splice(0));
      this.flush(now);
    }
    messages.push({ type: "DATA", chunks: { start: chunk, end: chunk }, timestamp: this.#host.micros(now), data });
    this.upload.sending(chunk, data.length, now);
    this.#transmit(this.remoteChannel, messages, now);
    this.#host.out.push({ type: "uploaded", swarm: this.#host.key, link: this.link, bytes: data.length });
  }

  /** Asks the host for the chunks that may go out now. */
  pump(): void {
    if (this.state !== "established" || this.choking) return;
    for (;;) {
      const chunk = this.upload.next();
      if (chunk === undefined) return;
      if (this.#host.have.has(chunk)) this.#host.read(this, chunk);
      else this.upload.fetched();
    }
  }

  /** Sends what is queued. */
  flush(now: Millis): void {
    if (this.state !== "established") return;
    while (this.#queue.length > 0)
      this.#transmit(this.remoteChannel, this.#queue.splice(0, MESSAGES_PER_DATAGRAM), now);
  }

  /** When `timeout` must be called next. */
  get wakeAt(): Millis {
    const { settings } = this.#host;
    switch (this.state) {
      case "opening":
      case "answering":
        return this.#lastSent + settings.handshakeMs * 2 ** (this.#tries - 1);
      case "established":
        return Math.min(
          this.download.timeoutAt,
          this.upload.timeoutAt,
          this.#lastSent + settings.keepAliveMs,
          this.#deadAt,
        );
      case "closed":
        return Infinity;
    }
  }

  /** Does what is due: repeats, keep-alive, giving up. */
  timeout(now: Millis): void {
    if (this.state === "closed" || now < this.wakeAt) return;
    if (this.state !== "established") {
      if (this.#tries >= this.#host.settings.handshakeTries) this.#end("expire", "no-answer");
      else this.#shake(now);
      return;
    }
    if (now >= this.#deadAt) {
      this.#end("expire", "dead");
      return;
    }
    this.upload.expire(now);
    const expired = this.download.expire(now);
    if (expired.length > 0) {
      for (const range of toRanges(expired)) {
        for (const spec of chunkSpecs(range, this.#host.metadata.addressing))
          this.push({ type: "CANCEL", chunks: spec });
      }
      this.#host.released(expired);
    }
    if (now >= this.#lastSent + this.#host.settings.keepAliveMs && this.#queue.length === 0) {
      this.#transmit(this.remoteChannel, [], now);
    }
  }

  /** Ends the channel, and says so to a peer that is there (RFC 7574 §8.4). */
  close(reason: CloseReason, now: Millis): void {
    if (this.state === "closed") return;
    if (this.remoteChannel !== 0 && reason !== "peer" && reason !== "refused") {
      this.#transmit(this.remoteChannel, [{ type: "HANDSHAKE", channel: 0, options: {} }], now);
    }
    this.#end("close", reason);
  }

  /** The peer broke the rules: no more dealings with it (RFC 7574 §3, §13.7). */
  reject(reason: RejectReason, detail: string, chunk?: number): void {
    if (this.state === "closed") return;
    const { out, key } = this.#host;
    out.push({
      type: "rejected",
      swarm: key,
      link: this.link,
      reason,
      detail,
      ...(chunk === undefined ? {} : { chunk }),
    });
    this.#end("close", "misbehaving");
  }

  get #deadAt(): Millis {
    const { deadDatagrams, deadMs } = this.#host.settings;
    return this.#sentSinceReceived < deadDatagrams ? Infinity : this.#lastReceived + deadMs;
  }

  #take(message: Exclude<Message, { type: "INTEGRITY" | "HANDSHAKE" }>, now: Millis): void {
    switch (message.type) {
      case "HAVE":
        this.learn(message.chunks);
        this.upload.cancel(message.chunks);
        return;
      case "ACK":
        if (this.upload.acknowledge(message.chunks, now) === 0) return;
        this.learn(message.chunks);
        return;
      case "DATA":
        this.#host.arrived(this, message, now);
        return;
      case "REQUEST":
        this.#requested(message.chunks);
        return;
      case "CANCEL":
        this.upload.cancel(message.chunks);
        return;
      case "CHOKE":
        this.choked = true;
        this.#host.released(this.download.releaseAll());
        return;
      case "UNCHOKE":
        this.choked = false;
        return;
      case "SIGNED_INTEGRITY":
      case "PEX_REQ":
      case "PEX_RESv4":
      case "PEX_RESv6":
      case "PEX_REScert":
        // Not among our supported messages on a static swarm: without effect.
        return;
    }
  }

  /** The peer holds these chunks. */
  learn(chunks: ChunkRange): void {
    const last = (this.#host.verifier.chunkCount ?? 2 ** 32) - 1;
    if (chunks.start > last || chunks.end < chunks.start) return;
    const range = { start: chunks.start, end: Math.min(chunks.end, last) };
    this.#acknowledged = true;
    if (this.peerHas.covers(range)) return;
    this.peerHas.add(range);
    if (this.peerHas.rangeCount > MAX_HAVE_RANGES) {
      this.reject("flood", "the peer's announced chunks are in too many ranges");
      return;
    }
    this.#host.out.push({ type: "peerhas", swarm: this.#host.key, link: this.link });
  }

  #requested(chunks: ChunkRange): void {
    if (this.choking) {
      // CHOKE.1 of RFC 7574 §13.6.8: discarded, and CHOKE again.
      this.push({ type: "CHOKE" });
      return;
    }
    const last = (this.#host.verifier.chunkCount ?? 0) - 1;
    if (chunks.start > last) return;
    const range = { start: chunks.start, end: Math.min(chunks.end, last) };
    this.upload.lost(range);
    this.upload.request(range);
  }

  #shake(now: Millis): void {
    this.#tries++;
    const { metadata, have } = this.#host;
    const options = handshakeOptions(metadata, this.#initiator);
    const messages: Message[] = [{ type: "HANDSHAKE", channel: this.channel, options }];
    if (!this.#initiator) {
      for (const range of have) {
        for (const chunks of chunkSpecs(range, metadata.addressing)) messages.push({ type: "HAVE", chunks });
        if (messages.length > MAX_EARLY_HAVES) break;
      }
      messages.length = Math.min(messages.length, 1 + MAX_EARLY_HAVES);
    }
    this.#transmit(this.remoteChannel, messages, now);
  }

  #go(event: ChannelEvent, now: Millis): void {
    this.state = nextState(this.state, event);
    this.#lastReceived = now;
    this.#host.out.push({ type: "opened", swarm: this.#host.key, link: this.link });
    for (const range of this.#host.have) this.announce(range);
    this.choking = !this.#host.serving;
    if (this.choking) this.push({ type: "CHOKE" });
    // The second datagram is answered at once, since the third proves that we are here (RFC 7574 §13.1.2).
    if (event === "handshake" && this.#queue.length === 0) this.#transmit(this.remoteChannel, [], now);
  }

  #refuse(reason: RejectReason, detail: string, now: Millis): void {
    this.#host.out.push({ type: "rejected", swarm: this.#host.key, link: this.link, reason, detail });
    this.close("local", now);
  }

  #end(event: ChannelEvent, reason: CloseReason): void {
    this.state = nextState(this.state, event);
    this.#queue = [];
    this.#host.released(this.download.releaseAll());
    this.#host.closed(this, reason);
  }

  #transmit(channel: number, messages: readonly Message[], now: Millis): void {
    this.#lastSent = now;
    this.#sentSinceReceived++;
    const { head, payload } = encodeDatagram({ channel, messages }, this.#host.format);
    const output = { type: "transmit", link: this.link, head } as const;
    this.#host.out.push(payload === undefined ? output : { ...output, payload });
  }
}
