import { ChunkSet } from "../address/chunk-set.ts";
import type { ChunkRange } from "../address/range.ts";
import type { Data, Format, Message } from "../codec/messages.ts";
import { byteRangesOf, type ByteRanges } from "../connection/byte-ranges.ts";
import type { ChannelHost } from "../connection/channel-host.ts";
import type { Connection } from "../connection/connection.ts";
import { swarmFormat, type Compat, type SwarmMetadata } from "../connection/metadata.ts";
import type { CloseReason, Output } from "../connection/outputs.ts";
import { CHANNEL_SETTINGS, type ChannelSettings, type Millis } from "../connection/settings.ts";
import { Uplink } from "../connection/uplink.ts";
import { hashFunction } from "../integrity/hashes.ts";
import { Verifier } from "../integrity/verifier.ts";
import { Arrivals, type Arrival, type ArrivalsHost } from "./arrivals.ts";
import { openSlots } from "./choker.ts";
import { Choking } from "./choking.ts";
import type { SwarmOptions } from "./options.ts";
import type { PeerExchange } from "./pex.ts";
import { deadlineThenRarest, mayAsk, without, type Picker, type PickerView, type Want } from "./picker.ts";

export type { SwarmOptions };

/** So many new chunks are worth a datagram to everybody. */
const ANNOUNCED_AT_ONCE = 8;

/** One swarm and its channels: availability, who is asked for what, verification. Driven by Endpoint. */
export class Swarm implements ChannelHost, PickerView, ArrivalsHost {
  readonly key: string;
  readonly metadata: SwarmMetadata;
  readonly format: Format;
  readonly bytes: ByteRanges | undefined;
  readonly compat: Compat | undefined;
  readonly settings: ChannelSettings;
  readonly verifier: Verifier;
  readonly uplink: Uplink<Connection>;
  /** Chunks held and verified. */
  readonly have = new ChunkSet();
  readonly busy = new ChunkSet();
  serving = true;
  wants: readonly Want[] = [];
  readonly out: Output[];
  readonly micros: (now: Millis) => bigint;
  /** All channels that are not closed. A link has several only while a handshake may be about to replace the one in use. */
  readonly #channels = new Set<Connection>();
  /** The one in use of each link. */
  readonly #byLink = new Map<string, Connection>();
  readonly #picker: Picker;
  readonly #choking: Choking;
  readonly exchanging: boolean;
  readonly #exchange: PeerExchange | undefined;
  readonly #chunkLength: ((chunk: number) => number) | undefined;
  readonly #announceMs: number;
  /** New chunks that are not announced yet. */
  readonly #fresh = new ChunkSet();
  #announceAt: Millis = Infinity;
  #announcedAt: Millis = -Infinity;
  /** When the first of the channels must be called: never too late, too early where answers came since it was computed. */
  #channelsAt: Millis = Infinity;
  readonly #arrivals: Arrivals;
  readonly #reading = new Map<number, { to: Connection; chunk: number }>();
  readonly #dirty = new Set<Connection>();
  /** What may be asked has changed on every channel; once for all such changes of a burst. */
  #allChanged = false;
  #tokens = 0;

  constructor(key: string, options: SwarmOptions, out: Output[], micros: (now: Millis) => bigint) {
    const { metadata } = options;
    this.key = key;
    this.metadata = metadata;
    this.format = swarmFormat(metadata);
    this.settings = { ...CHANNEL_SETTINGS, ...options.settings };
    this.verifier = new Verifier({
      root: metadata.id,
      hash: options.hash ?? hashFunction(metadata.hash),
      tree: options.tree,
      ...(metadata.chunkCount === undefined ? {} : { chunkCount: metadata.chunkCount }),
    });
    this.bytes = byteRangesOf(metadata, options, this.verifier);
    this.compat = options.compat;
    this.uplink = new Uplink(metadata.chunkSize, (to, now) => this.#choking.given(to, now));
    this.out = out;
    this.micros = micros;
    this.#picker = options.picker ?? deadlineThenRarest;
    this.#choking = new Choking(this, options.choker ?? openSlots());
    this.#exchange = options.pex?.(this);
    this.exchanging = this.#exchange !== undefined;
    this.#chunkLength = options.chunkLength;
    this.#announceMs = options.announceMs ?? 200;
    // Long enough for a lost chunk to be asked for again, since its datagram may have held the hashes that others lack.
    this.#arrivals = new Arrivals(this, 2 * this.settings.minRequestMs);
  }

  get chunkSize(): number {
    return this.metadata.chunkSize;
  }

  /** The channels, in no order. */
  get connections(): Iterable<Connection> {
    return this.#channels;
  }

  /** The channel in use over a link, if there is one. */
  connection(link: string): Connection | undefined {
    return this.#byLink.get(link);
  }

  /** Chunks of this swarm whose bytes are in memory on their way to their proof. */
  get unproven(): number {
    return this.#arrivals.size;
  }

  /** Adds a channel. */
  add(connection: Connection): void {
    this.#channels.add(connection);
    if (!this.#byLink.has(connection.link)) this.#byLink.set(connection.link, connection);
    this.#dirty.add(connection);
  }

  /** Something happened on this channel that may let it ask, answer or send. */
  touch(connection: Connection): void {
    this.#dirty.add(connection);
  }

  /** Wants chunks until a deadline; replaces what was wanted of them before. */
  want(chunks: ChunkRange, deadline: Millis): void {
    const wants = [...without(this.wants, chunks, this.have), { chunks, deadline }];
    this.wants = wants.sort((a, b) => a.deadline - b.deadline || a.chunks.start - b.chunks.start);
    this.#allChanged = true;
  }

  /** Wants chunks no more; what was asked for is cancelled. */
  unwant(chunks: ChunkRange): void {
    this.wants = without(this.wants, chunks, this.have);
    this.#cancel(chunks);
    this.#allChanged = true;
  }

  /** Chunks that came from elsewhere and whose hashes are in the tree already. */
  obtained(chunks: ChunkRange, now: Millis): void {
    this.#hold(chunks, now);
    // Whoever was asked for them need not send them any more (RFC 7574 §3.8).
    this.#cancel(chunks);
  }

  /** Chunks that are neither held nor wanted any more. HAVE cannot be withdrawn (RFC 7574 §3.2): channels that may have announced them are closed. Returns their links, to be opened anew. */
  forget(ranges: readonly ChunkRange[], now: Millis): Iterable<string> {
    const links = new Set<string>();
    const held = ranges.flatMap((range) => this.have.present(range));
    if (held.length === 0) return links;
    for (const chunks of held) this.#lose(chunks);
    for (const connection of this.#channels) {
      if (connection.state === "opening") continue;
      links.add(connection.link);
      // To a peer whose HANDSHAKE we have answered, a close would be a refusal.
      connection.close(connection.state === "answering" ? "replaced" : "local", now);
    }
    return links;
  }

  /** Serves peers, or chokes them all. */
  serve(serving: boolean, now: Millis): void {
    this.serving = serving;
    this.#choking.review(now);
    this.#allChanged = true;
  }

  /** The hash of an earlier `digest` output. */
  digested(token: number, leaf: Uint8Array, now: Millis): void {
    this.#arrivals.hashed(token, leaf, now);
  }

  /** The bytes of an earlier `read` output; undefined if they could not be had. */
  wasRead(token: number, data: Uint8Array | undefined, now: Millis): void {
    const reading = this.#reading.get(token);
    if (reading === undefined) return;
    this.#reading.delete(token);
    const { to, chunk } = reading;
    to.upload.fetched();
    if (data !== undefined && this.have.has(chunk)) {
      to.sendData(chunk, data, now);
      this.#choking.sent(to, data.length, now);
    }
    this.#dirty.add(to);
  }

  read(to: Connection, chunk: number): void {
    const token = this.#tokens++;
    this.#reading.set(token, { to, chunk });
    this.out.push({ type: "read", swarm: this.key, token, chunk });
  }

  arrived(from: Connection, message: Data, now: Millis): void {
    const { chunks, data, timestamp } = message;
    const chunk = chunks.start;
    if (chunks.end !== chunk) {
      from.reject("malformed", "DATA of several chunks");
      return;
    }
    const expected = from.download.isAsked(chunk);
    // Unrequested DATA costs us these look-ups and nothing more (DATA.2 of RFC 7574 §13.6.3).
    if (!from.download.arrived(chunk, data.length, now)) return;
    const delay = BigInt.asUintN(64, this.micros(now) - timestamp);
    const held = this.have.rangeAt(chunk);
    if (held !== undefined) {
      from.acknowledge(held, delay, now);
      return;
    }
    if (this.#arrivals.has(chunk)) return;
    if (!this.#fits(chunk, data.length)) {
      this.released([chunk]);
      from.reject("integrity", `chunk ${chunk} has ${data.length} bytes`, chunk);
      return;
    }
    this.busy.add({ start: chunk, end: chunk });
    this.#arrivals.add({ from, chunk, data, delay, at: now, expected });
    this.out.push({ type: "digest", swarm: this.key, token: chunk, data });
  }

  retry(now: Millis, only?: Connection): void {
    this.#arrivals.retry(now, only);
  }

  proven({ from, chunk, data, delay, expected }: Arrival, now: Millis): void {
    const range = { start: chunk, end: chunk };
    from.download.proved();
    this.#choking.received(from, data.length, now);
    if (!this.have.has(chunk)) {
      this.bytes?.learn(chunk, data.length);
      this.out.push({ type: "verified", swarm: this.key, link: from.link, chunk, data });
      this.#hold(range, now);
      // Late, it may be asked of somebody else by now, who need not send it any more (RFC 7574 §3.8).
      if (!expected) this.#cancel(range);
    }
    if (from.state !== "established") return;
    from.acknowledge(this.have.rangeAt(chunk) ?? range, delay, now);
    this.#dirty.add(from);
  }

  refused({ from, chunk }: Arrival): void {
    this.released([chunk]);
    from.reject("integrity", `chunk ${chunk} does not lead to the root`, chunk);
  }

  abandoned({ chunk }: Arrival): void {
    this.released([chunk]);
  }

  released(chunks: readonly number[]): void {
    for (const chunk of chunks) if (!this.#isBusy(chunk)) this.busy.delete({ start: chunk, end: chunk });
    this.#allChanged = true;
  }

  opened(connection: Connection, now: Millis): void {
    const { link } = connection;
    const earlier = this.#byLink.get(link);
    this.#byLink.set(link, connection);
    // Others that are not open yet may be newer: they open in turn or expire.
    if (earlier !== connection && earlier?.state !== "answering") earlier?.close("replaced", now);
    this.out.push({ type: "opened", swarm: this.key, link });
    this.#choking.opened(connection, now);
    this.#exchange?.opened(connection, now);
  }

  closed(connection: Connection, reason: CloseReason): void {
    const { link } = connection;
    this.#channels.delete(connection);
    this.#dirty.delete(connection);
    if (this.#byLink.get(link) === connection) {
      this.#byLink.delete(link);
      for (const other of this.#channels) if (other.link === link) this.#byLink.set(link, other);
    }
    this.#choking.closed(connection);
    this.#exchange?.closed(connection);
    this.#arrivals.closed(connection);
    for (const [token, { to }] of this.#reading) if (to === connection) this.#reading.delete(token);
    this.out.push({ type: "closed", swarm: this.key, link, reason });
  }

  /** What is due by time: announcements, repeats, lost requests. */
  timeout(now: Millis): void {
    this.#arrivals.expire(now);
    this.#channelsAt = Infinity;
    for (const connection of this.#channels) {
      if (connection.timeout(now)) this.#dirty.add(connection);
      else this.#channelsAt = Math.min(this.#channelsAt, connection.wakeAt);
    }
  }

  /** Asks, answers and sends on every channel where something changed. */
  settle(now: Millis): void {
    if (now >= this.#choking.wakeAt) this.#choking.review(now);
    this.#exchange?.ask(now);
    if (now >= this.#announceAt) this.#announce(now);
    const all = this.#allChanged;
    this.#allChanged = false;
    for (const connection of all ? this.#channels : this.#dirty) {
      if (all) connection.download.changed = true;
      if (connection.state === "established") {
        this.#pick(connection, now);
        this.uplink.wait(connection);
        connection.flush(now);
      }
      this.#channelsAt = Math.min(this.#channelsAt, connection.reckon());
    }
    this.#dirty.clear();
    this.uplink.serve(now, () => this.#reading.size * this.chunkSize);
  }

  /** Whether every chunk is held. */
  get complete(): boolean {
    return this.have.size === this.verifier.chunkCount;
  }

  take(from: Connection, message: Message, now: Millis): void {
    this.#exchange?.take(from, message, now);
  }

  /** When `timeout` must be called next, at the latest. */
  get wakeAt(): Millis {
    return Math.min(
      this.#channelsAt,
      this.#announceAt,
      this.#arrivals.timeoutAt,
      this.#choking.wakeAt,
      this.#exchange?.wakeAt ?? Infinity,
      this.uplink.wakeAt,
    );
  }

  #pick(connection: Connection, now: Millis): void {
    const { choked, download, proofs } = connection;
    if (!download.changed || choked || this.wants.length === 0) return;
    download.changed = false;
    const { chunkCount = this.verifier.chunkCount } = this.metadata;
    const end = chunkCount ?? proofs.claimedCount ?? Infinity;
    // Nothing is proven, nor acknowledged, before the last one is here (RFC 7574 §5.6.2); libswift dies of a REQUEST behind it.
    const room = chunkCount === undefined ? 1 - download.outstanding - download.unproven : download.room;
    const chunks = room <= 0 ? [] : this.#picker(this, connection, room, now).filter((chunk) => chunk < end);
    const last = chunkCount === undefined ? end - 1 : Infinity;
    if (!chunks.includes(last) && mayAsk(this, connection, last)) chunks.push(last);
    if (chunks.length === 0) return;
    for (const chunk of chunks) this.busy.add({ start: chunk, end: chunk });
    connection.request(chunks, now);
  }

  #hold(chunks: ChunkRange, now: Millis): void {
    this.have.add(chunks);
    this.busy.add(chunks);
    this.#fresh.add(chunks);
    if (this.#fresh.size >= ANNOUNCED_AT_ONCE) this.#announceAt = now;
    else if (this.#announceAt === Infinity) this.#announceAt = Math.max(now, this.#announcedAt + this.#announceMs);
  }

  #lose(chunks: ChunkRange): void {
    this.wants = without(this.wants, chunks, this.have);
    this.have.delete(chunks);
    this.busy.delete(chunks);
    this.#fresh.delete(chunks);
  }

  /** HAVE with the biggest complete interval around each new chunk (RFC 7574 §4.3.1), to all but complete peers. */
  #announce(now: Millis): void {
    this.#announcedAt = now;
    const ranges: ChunkRange[] = [];
    for (const fresh of this.#fresh) {
      const whole = this.have.rangeAt(fresh.start);
      if (whole !== undefined && ranges.at(-1)?.start !== whole.start) ranges.push(whole);
    }
    this.#fresh.clear();
    this.#announceAt = Infinity;
    for (const connection of this.#channels) {
      if (connection.state !== "established" || connection.peerHas.size === this.verifier.chunkCount) continue;
      for (const range of ranges) connection.announce(range);
      this.#dirty.add(connection);
    }
  }

  #cancel({ start, end }: ChunkRange): void {
    for (const connection of this.#channels) {
      const asked = connection.download.asked(start, end);
      if (asked.length === 0) continue;
      connection.cancel(asked);
      this.#dirty.add(connection);
      this.released(asked);
    }
  }

  #isBusy(chunk: number): boolean {
    if (this.have.has(chunk) || this.#arrivals.has(chunk)) return true;
    for (const connection of this.#channels) if (connection.download.isAsked(chunk)) return true;
    return false;
  }

  #fits(chunk: number, length: number): boolean {
    if (this.#chunkLength !== undefined) return length === this.#chunkLength(chunk);
    if (length === 0 || length > this.chunkSize) return false;
    const { chunkCount } = this.verifier;
    return length === this.chunkSize || chunkCount === undefined || chunk === chunkCount - 1;
  }
}
