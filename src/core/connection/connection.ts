import { ChunkSet } from "../address/chunk-set.ts";
import { toRanges, type ChunkRange } from "../address/range.ts";
import type { Handshake, Message } from "../codec/messages.ts";
import type { ChannelHost, ChannelLink } from "./channel-host.ts";
import { Download } from "./download.ts";
import { firstHaves, handshakeOptions, optionsMismatch } from "./metadata.ts";
import { Outbox } from "./outbox.ts";
import type { CloseReason, RejectReason } from "./outputs.ts";
import type { PeerAddress } from "./peer-address.ts";
import { missingProof, Proofs } from "./proofs.ts";
import { MAX_EARLY_HAVES, MAX_HAVE_RANGES, MAX_MESSAGES, MAX_REPEATED_HAVES, type Millis } from "./settings.ts";
import { nextState, type ChannelEvent, type ChannelState } from "./states.ts";
import type { Sender } from "./uplink.ts";
import { Upload } from "./upload.ts";

/** One PPSPP channel: everything that happens between us and one peer about one swarm (RFC 7574 §3, §8). */
export class Connection implements Sender {
  readonly link: string;
  readonly maxDatagram: number;
  readonly address: PeerAddress | undefined;
  /** When the peer was last heard. */
  heardAt: Millis;
  /** Our channel ID: the destination of the peer's datagrams. */
  readonly channel: number;
  state: ChannelState;
  /** Chunks that the peer announced or acknowledged. */
  readonly peerHas = new ChunkSet();
  readonly proofs = new Proofs();
  readonly download: Download;
  readonly upload: Upload;
  /** When `timeout` must be called next, as of the last `reckon`. */
  wakeAt: Millis = -Infinity;
  /** The peer does not answer REQUESTs now. */
  choked = false;
  /** We do not answer the peer's. */
  choking = false;
  readonly #host: ChannelHost;
  readonly #initiator: boolean;
  readonly #outbox: Outbox;
  /** When our last HANDSHAKE went out of our own accord, and how many have. */
  #shookAt: Millis = 0;
  #tries = 0;
  /** The peer holds a chunk, and so the peaks. */
  #hasPeaks = false;
  /** It holds more that we do not hold than when the host was last told. */
  #learned = false;
  #hasChoked = false;
  /** When the peer is told again that it may ask, whatever else goes out: it has not asked since, so that may be lost. */
  #restateAt: Millis = Infinity;
  #rejected = false;
  /** Where the next repetition of our HAVEs begins. */
  #repeatFrom = 0;

  constructor(host: ChannelHost, link: ChannelLink, channel: number, initiator: boolean, now: Millis) {
    this.#host = host;
    this.link = link.id;
    this.maxDatagram = link.maxDatagram;
    this.address = link.address;
    this.channel = channel;
    this.#initiator = initiator;
    this.state = initiator ? "opening" : "answering";
    this.download = new Download(host.settings, host.metadata.chunkSize);
    this.upload = new Upload(host.settings, host.metadata.chunkSize, link.reliable, host.uplink);
    this.#outbox = new Outbox(host, link, now);
    this.heardAt = now;
    if (initiator) this.#try(now);
  }

  /** The peer's channel ID; 0 until its HANDSHAKE came. */
  get remoteChannel(): number {
    return this.#outbox.channel;
  }

  /** Takes the datagram that began this channel: a HANDSHAKE and the HAVEs behind it; nothing else of a stranger has an effect (RFC 7574 §13.6.11). */
  greet(handshake: Handshake, others: readonly Message[], now: Millis): void {
    this.handshake(handshake, now);
    for (const message of others.slice(0, MAX_MESSAGES)) if (message.type === "HAVE") this.#learn(message.chunks);
  }

  /** Takes a HANDSHAKE: the one that began this channel, its answer, a repeat or a close. */
  handshake(message: Handshake, now: Millis): void {
    const outbox = this.#outbox;
    if (message.channel === 0) {
      this.close(this.state === "opening" ? "refused" : "peer", now);
      return;
    }
    if (outbox.channel !== 0) {
      // A repeat: our answer was lost. Anything but a repeat is ignored (RFC 7574 §8.2).
      if (message.channel !== outbox.channel) return;
      if (this.state === "answering") this.#shake(now);
      else if (this.#initiator) this.#restate(now);
      return;
    }
    outbox.channel = message.channel;
    const mismatch = optionsMismatch(message.options, this.#host.metadata, !this.#initiator);
    if (mismatch !== undefined) {
      this.#refuse("incompatible", `${mismatch} does not fit the swarm`, now);
      return;
    }
    const { supportedMessages } = message.options;
    if (supportedMessages !== undefined) outbox.supported = new Set(supportedMessages);
    if (this.#initiator) this.#go("handshake", now);
    else this.#try(now);
  }

  /** Takes the messages of one datagram, in their order (RFC 7574 §3). */
  receive(messages: readonly Message[], now: Millis): void {
    if (messages.length > MAX_MESSAGES) {
      this.reject("flood", `${messages.length} messages in one datagram`);
      return;
    }
    this.heardAt = now;
    this.#outbox.unanswered = 0;
    const closing = messages[0]?.type === "HANDSHAKE" && messages[0].channel === 0;
    if (this.state === "answering" && !closing) this.#go("datagram", now);
    let proofs = false;
    for (const message of messages) {
      if (message.type === "HANDSHAKE") {
        // One that opens stands first (RFC 7574 §3.1); one that closes may stand behind last words.
        if (message === messages[0] || message.channel === 0) this.handshake(message, now);
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
    if (this.state !== "established") return;
    if (this.#learned) this.#host.out.push({ type: "peerhas", swarm: this.#host.key, link: this.link });
    this.#learned = false;
    if (!proofs) return;
    // With the first peaks, what came from others can be proven as well.
    const only = this.#host.verifier.tree === undefined ? undefined : this;
    this.proofs.tryPeaks(this.#host.verifier);
    this.#host.retry(now, only);
  }

  /** Announces chunks (RFC 7574 §4.3.1). To a peer that holds them itself that is not urgent: the HAVE goes with what is sent next. */
  announce(range: ChunkRange): void {
    this.#outbox.pushChunks("HAVE", range, this.peerHas.covers(range) ? Infinity : -Infinity);
  }

  /** Asks for chunks, ascending. */
  request(chunks: readonly number[], now: Millis): void {
    for (const chunk of chunks) this.download.ask(chunk, now);
    for (const range of toRanges(chunks)) this.#outbox.pushChunks("REQUEST", range);
  }

  /** Takes back a REQUEST. */
  cancel(chunks: readonly number[]): void {
    const asked = chunks.filter((chunk) => this.download.release(chunk));
    for (const range of toRanges(asked)) this.#outbox.pushChunks("CANCEL", range);
  }

  /** Acknowledges a chunk that is verified (RFC 7574 §4.3.2, §8.7). */
  acknowledge(range: ChunkRange, delay: bigint, now: Millis): void {
    this.#outbox.pushAck(range, delay, now);
  }

  /** Queues a message of the swarm's; returns whether it goes out, since the peer may not understand it. */
  say(message: Message): boolean {
    return this.#outbox.push(message);
  }

  /** Lets the peer ask, or not. */
  setChoking(choking: boolean, now: Millis): void {
    if (choking === this.choking || this.state !== "established") return;
    this.choking = choking;
    this.#hasChoked = true;
    this.#restateAt = choking ? Infinity : now + this.#host.settings.keepAliveMs;
    this.upload.clear();
    this.#outbox.push({ type: choking ? "CHOKE" : "UNCHOKE" });
  }

  /** Sends DATA with the hashes that the peer lacks, peaks first (RFC 7574 §5.4, §5.6.2). */
  sendData(chunk: number, data: Uint8Array, now: Millis): void {
    const tree = this.#host.verifier.tree;
    if (this.state !== "established" || tree === undefined || this.choking) return;
    // Until the first ACK shows that hashes arrive, each datagram stands on its own (RFC 7574 §5.3): if the one with the
    // peaks were lost, all others would be for nothing.
    const { inFlight, doubtful } = this.upload;
    const trusting = this.#hasPeaks && !doubtful.has(chunk);
    const assumed = (range: ChunkRange): boolean =>
      this.peerHas.intersects(range) || (trusting && inFlight.intersects(range));
    const proof = missingProof(tree, chunk, !this.#hasPeaks, assumed);
    this.upload.sending(chunk, data.length, now);
    const chunks = { start: chunk, end: chunk };
    this.#outbox.sendData(proof, { type: "DATA", chunks, timestamp: this.#host.micros(now), data }, now);
    this.#host.out.push({ type: "uploaded", swarm: this.#host.key, link: this.link, bytes: data.length });
  }

  /** Asks the host for a chunk that may go out now. */
  sendOne(): boolean {
    if (this.state !== "established" || this.choking) return false;
    const chunk = this.upload.next(this.#host.have);
    if (chunk !== undefined) this.#host.read(this, chunk);
    return chunk !== undefined;
  }

  /** Sends what is queued and due. */
  flush(now: Millis): void {
    if (this.state === "established") this.#outbox.flush(now);
  }

  /** Brings `wakeAt` up to date: where something has happened, since it looks at much of a channel. */
  reckon(): Millis {
    return (this.wakeAt = this.#dueAt);
  }

  get #dueAt(): Millis {
    const { settings } = this.#host;
    switch (this.state) {
      case "opening":
      case "answering":
        return this.#shookAt + settings.handshakeMs * 2 ** (this.#tries - 1);
      case "established":
        return Math.min(
          this.download.timeoutAt,
          this.upload.timeoutAt,
          this.#outbox.dueAt,
          this.#outbox.lastSent + settings.keepAliveMs,
          this.#restateAt,
          this.#deadAt,
        );
      case "closed":
        return Infinity;
    }
  }

  /** Does what is due: repeats, keep-alive, giving up. Returns whether anything was, so that there may be something to send or to ask. */
  timeout(now: Millis): boolean {
    if (now < this.wakeAt || now < this.reckon()) return false;
    const { settings } = this.#host;
    if (this.state !== "established") {
      if (this.#tries >= settings.handshakeTries) this.#end("expire", "no-answer");
      else this.#try(now);
      return true;
    }
    if (now >= this.#deadAt) {
      this.#end("expire", "dead");
      return true;
    }
    this.upload.expire(now);
    const expired = this.download.expire(now);
    for (const range of toRanges(expired)) this.#outbox.pushChunks("CANCEL", range);
    if (expired.length > 0) this.#host.released(expired);
    if (now >= Math.min(this.#outbox.lastSent + settings.keepAliveMs, this.#restateAt)) this.#restate(now);
    return true;
  }

  /** Ends the channel, and says so to a peer that is there (RFC 7574 §8.4). */
  close(reason: CloseReason, now: Millis): void {
    if (this.state === "closed") return;
    if (reason === "local") this.sayClosed(now);
    this.#end("close", reason);
  }

  /** Tells the peer that this channel is closed: also one that goes on using it, since it may have missed that. */
  sayClosed(now: Millis): void {
    if (this.remoteChannel === 0) return;
    this.#outbox.transmit([{ type: "HANDSHAKE", channel: 0, options: {} }], now);
  }

  /** The peer broke the rules: no more dealings with it (RFC 7574 §3, §13.7). It may have closed in the meantime. */
  reject(reason: RejectReason, detail: string, chunk?: number): void {
    if (this.#rejected) return;
    this.#rejected = true;
    const { out, key } = this.#host;
    const rejected = { type: "rejected", swarm: key, link: this.link, reason, detail } as const;
    out.push(chunk === undefined ? rejected : { ...rejected, chunk });
    if (this.state !== "closed") this.#end("close", "misbehaving");
  }

  get #deadAt(): Millis {
    const { deadDatagrams, deadMs } = this.#host.settings;
    return this.#outbox.unanswered < deadDatagrams ? Infinity : this.heardAt + deadMs;
  }

  #take(message: Exclude<Message, { type: "INTEGRITY" | "HANDSHAKE" }>, now: Millis): void {
    switch (message.type) {
      case "HAVE":
        this.#learn(message.chunks);
        this.upload.held(message.chunks);
        return;
      case "ACK":
        if (this.upload.acknowledge(message.chunks, message.delay, now)) this.#learn(message.chunks);
        return;
      case "DATA":
        this.#host.arrived(this, message, now);
        return;
      case "REQUEST":
        this.#requested(message.chunks, now);
        return;
      case "CANCEL":
        this.upload.cancel(message.chunks);
        return;
      case "CHOKE":
        this.choked = true;
        this.#host.released(this.download.choked(now));
        return;
      case "UNCHOKE":
        this.choked = false;
        this.download.changed = true;
        return;
      default:
        // SIGNED_INTEGRITY has no effect on a static swarm, nor has PEX where it is not among our supported messages.
        this.#host.take(this, message, now);
        return;
    }
  }

  /** The peer holds these chunks. */
  #learn(chunks: ChunkRange): void {
    const last = (this.#host.verifier.chunkCount ?? 2 ** 32) - 1;
    if (chunks.start > last || chunks.end < chunks.start) return;
    const range = { start: chunks.start, end: Math.min(chunks.end, last) };
    this.#hasPeaks = true;
    if (this.peerHas.covers(range)) return;
    this.peerHas.add(range);
    // What we hold ourselves is no news, as after each ACK.
    if (!this.#host.have.covers(range)) this.#learned = this.download.changed = true;
    if (this.peerHas.rangeCount > MAX_HAVE_RANGES) this.reject("flood", "HAVE of too many ranges");
  }

  #requested(chunks: ChunkRange, now: Millis): void {
    if (this.choking) {
      // CHOKE.1 of RFC 7574 §13.6.8: discarded, and CHOKE again.
      this.#outbox.push({ type: "CHOKE" });
      return;
    }
    this.#restateAt = Infinity;
    const last = (this.#host.verifier.chunkCount ?? 0) - 1;
    if (chunks.start <= last) this.upload.request({ start: chunks.start, end: Math.min(chunks.end, last) }, now);
  }

  /** A HANDSHAKE of our own accord: the first, or a repeat because no answer came. */
  #try(now: Millis): void {
    this.#shookAt = now;
    this.#tries++;
    this.#shake(now);
  }

  #shake(now: Millis): void {
    const { metadata, have, compat, exchanging } = this.#host;
    const options = handshakeOptions(metadata, this.#initiator, exchanging && this.address !== undefined, compat);
    const messages: Message[] = [{ type: "HANDSHAKE", channel: this.channel, options }];
    if (!this.#initiator) messages.push(...firstHaves(have, metadata.addressing, MAX_EARLY_HAVES));
    this.#outbox.transmit(messages, now);
  }

  #go(event: ChannelEvent, now: Millis): void {
    this.state = nextState(this.state, event);
    this.heardAt = now;
    this.#host.opened(this, now);
    for (const range of this.#host.have) this.announce(range);
    // The second datagram is answered at once, since the third proves that we are here (RFC 7574 §13.1.2).
    if (event === "handshake") this.#outbox.hurry();
  }

  /**
   * Sends a keep-alive, or better what may have been lost and nobody acknowledges: the HAVEs that the peer has a use for,
   * and whether we choke it. Also the answer to a peer that missed our third datagram.
   */
  #restate(now: Millis): void {
    const outbox = this.#outbox;
    if (this.#restateAt < Infinity) this.#restateAt = now + this.#host.settings.keepAliveMs;
    if (this.#hasChoked) outbox.push({ type: this.choking ? "CHOKE" : "UNCHOKE" });
    let room = MAX_REPEATED_HAVES;
    for (const range of this.#host.have) {
      if (range.start < this.#repeatFrom || this.peerHas.covers(range)) continue;
      this.#repeatFrom = range.start;
      if (room-- <= 0) break;
      this.announce(range);
    }
    if (room >= 0) this.#repeatFrom = 0;
    outbox.hurry();
  }

  #refuse(reason: RejectReason, detail: string, now: Millis): void {
    this.#host.out.push({ type: "rejected", swarm: this.#host.key, link: this.link, reason, detail });
    this.close("local", now);
  }

  #end(event: ChannelEvent, reason: CloseReason): void {
    // Before that nothing was asked of the peer, nor left to it.
    if (this.state === "established") this.#host.released(this.download.releaseAll());
    this.state = nextState(this.state, event);
    this.#outbox.clear();
    this.upload.close();
    this.#host.closed(this, reason);
  }
}
