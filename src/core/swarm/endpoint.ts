import type { ChunkRange } from "../address/range.ts";
import { decodeDatagram, encodeDatagram, readChannel } from "../codec/datagram.ts";
import { DatagramError } from "../codec/errors.ts";
import { ChunkAddressing, MessageType, type Datagram, type Format, type Handshake } from "../codec/messages.ts";
import type { ChannelLink } from "../connection/channel-host.ts";
import { Connection } from "../connection/connection.ts";
import type { Output } from "../connection/outputs.ts";
import type { PeerAddress } from "../connection/peer-address.ts";
import type { Millis } from "../connection/settings.ts";
import { Swarm, type SwarmOptions } from "./swarm.ts";

/** All that can happen to an endpoint. `swarm` is the swarm ID in lower-case hexadecimal. */
export type Input =
  /**
   * A link to a neighbour is up. `reliable`: it repeats by itself what it lost, as a data channel does. `address`: where the
   * neighbour is, if the link has such a thing, so that PEX can tell others (RFC 7574 §3.10).
   */
  | {
      readonly type: "link";
      readonly link: string;
      readonly maxDatagram: number;
      readonly reliable?: boolean;
      readonly address?: PeerAddress;
    }
  /** It is gone. */
  | { readonly type: "unlink"; readonly link: string }
  /** Open a channel over a link. */
  | { readonly type: "open"; readonly link: string; readonly swarm: string }
  /** A datagram came in. The endpoint keeps views on it. */
  | { readonly type: "datagram"; readonly link: string; readonly data: Uint8Array }
  /** These chunks are wanted by `deadline`; replaces what was said of them before. */
  | { readonly type: "want"; readonly swarm: string; readonly chunks: ChunkRange; readonly deadline: Millis }
  /** These chunks are not wanted any more. */
  | { readonly type: "unwant"; readonly swarm: string; readonly chunks: ChunkRange }
  /** These chunks came from elsewhere; their hashes are in the swarm's tree. */
  | { readonly type: "have"; readonly swarm: string; readonly chunks: ChunkRange }
  /** These chunks are not held any more, nor wanted unless that is said anew. */
  | { readonly type: "forget"; readonly swarm: string; readonly chunks: readonly ChunkRange[] }
  /** Answer REQUESTs from now on, or CHOKE. */
  | { readonly type: "serve"; readonly swarm: string; readonly serving: boolean }
  /** Answer to `digest`. */
  | { readonly type: "digested"; readonly swarm: string; readonly token: number; readonly hash: Uint8Array }
  /** Answer to `read`; undefined if the chunk could not be had. */
  | { readonly type: "read"; readonly swarm: string; readonly token: number; readonly data: Uint8Array | undefined }
  /** The time of the latest `wake` has come. */
  | { readonly type: "timeout" }
  /** Nothing new: the end of a burst of inputs that were said to have more behind them. */
  | { readonly type: "settle" }
  /** Leave: close every channel. */
  | { readonly type: "close" };

/** What an endpoint needs from its host. */
export interface EndpointOptions {
  /** Unpredictable 32-bit numbers, for channel IDs (RFC 7574 §8.3). */
  readonly random32: () => number;
  /** System time at `now` = 0, microseconds since 1970, for DATA timestamps (RFC 7574 §8.6). */
  readonly epochMicros: bigint;
}

/** Channels that a link may have at a time: no neighbour needs more swarms with us at once. */
const MAX_CHANNELS_PER_LINK = 32;
/** Of the latest channels that were opened to us so many may be half open, and so many of a link and swarm; the oldest gives way to a newcomer. */
const MAX_HALF_OPEN = 256;
const MAX_HALF_OPEN_PER_LINK = 4;
/** Closed channels of a link that are remembered, so that a peer which missed the closing is told. */
const CLOSED_KEPT = 4;

const NOTHING: readonly Output[] = [];

interface LinkState extends ChannelLink {
  readonly channels: Map<number, { readonly swarm: Swarm; readonly connection: Connection }>;
  banned: boolean;
}

/**
 * One PPSPP peer: several swarms over several links (RFC 7574 §3.11). Pure: the same inputs at the same times give the
 * same outputs.
 */
export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #swarms = new Map<string, Swarm>();
  readonly #links = new Map<string, LinkState>();
  readonly #micros: (now: Millis) => bigint;
  /** The latest channels that were opened to us, oldest first, from the first one on that is still half open. */
  readonly #answered = new Set<Connection>();
  #out: Output[] = [];
  #wakeAt: Millis = Infinity;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#micros = (now) => options.epochMicros + BigInt(Math.round(now * 1000));
  }

  /** Joins a swarm; its key is the swarm ID in lower-case hexadecimal. @throws RangeError if it is joined already. */
  add(options: SwarmOptions): Swarm {
    const key = swarmKey(options.metadata.id);
    if (this.#swarms.has(key)) throw new RangeError(`swarm ${key} is joined already`);
    const swarm = new Swarm(key, options, this.#out, this.#micros);
    this.#swarms.set(key, swarm);
    return swarm;
  }

  /**
   * The only way in. Never throws on remote bytes: a bad datagram becomes a `rejected` output. `more` says that another
   * input follows at once: only the last of a burst makes REQUESTs and ACKs leave, so that one datagram holds those of many.
   */
  step(input: Input, now: Millis, more = false): readonly Output[] {
    this.#apply(input, now);
    for (const output of this.#out) if (output.type === "rejected") this.#ban(output, now);
    if (!more) {
      for (const swarm of this.#swarms.values()) swarm.settle(now);
      this.#wake();
    }
    return this.#out.length === 0 ? NOTHING : this.#out.splice(0);
  }

  #apply(input: Input, now: Millis): void {
    switch (input.type) {
      case "link":
        this.#unlink(input.link, now);
        this.#links.set(input.link, {
          id: input.link,
          maxDatagram: input.maxDatagram,
          reliable: input.reliable ?? false,
          ...(input.address && { address: input.address }),
          channels: new Map(),
          banned: false,
        });
        return;
      case "unlink":
        this.#unlink(input.link, now);
        return;
      case "open": {
        const link = this.#links.get(input.link);
        const swarm = this.#swarm(input.swarm);
        if (link !== undefined && !link.banned && swarm.connection(link.id) === undefined)
          this.#open(link, swarm, true, now);
        return;
      }
      case "datagram": {
        const link = this.#links.get(input.link);
        if (link !== undefined && !link.banned) this.#datagram(link, input.data, now);
        return;
      }
      case "want":
        this.#swarm(input.swarm).want(input.chunks, input.deadline);
        return;
      case "unwant":
        this.#swarm(input.swarm).unwant(input.chunks);
        return;
      case "have":
        this.#swarm(input.swarm).obtained(input.chunks, now);
        return;
      case "forget": {
        const swarm = this.#swarm(input.swarm);
        for (const id of swarm.forget(input.chunks, now)) {
          const link = this.#links.get(id);
          if (link !== undefined) this.#open(link, swarm, true, now);
        }
        return;
      }
      case "serve":
        this.#swarm(input.swarm).serve(input.serving, now);
        return;
      case "digested":
        this.#swarm(input.swarm).digested(input.token, input.hash, now);
        return;
      case "read":
        this.#swarm(input.swarm).wasRead(input.token, input.data, now);
        return;
      case "timeout":
        this.#wakeAt = Infinity;
        for (const swarm of this.#swarms.values()) swarm.timeout(now);
        return;
      case "settle":
        return;
      case "close":
        for (const swarm of this.#swarms.values()) {
          for (const connection of swarm.connections) connection.close("local", now);
        }
        return;
    }
  }

  #swarm(key: string): Swarm {
    const swarm = this.#swarms.get(key);
    if (swarm === undefined) throw new RangeError(`no swarm ${key}`);
    return swarm;
  }

  #unlink(id: string, now: Millis): void {
    for (const { connection } of this.#links.get(id)?.channels.values() ?? []) connection.close("dead", now);
    this.#links.delete(id);
  }

  #open(link: LinkState, swarm: Swarm, initiator: boolean, now: Millis): Connection {
    forgetClosed(link);
    let channel = 0;
    while (channel === 0 || link.channels.has(channel)) channel = this.#options.random32() >>> 0;
    const connection = new Connection(swarm, link, channel, initiator, now);
    link.channels.set(channel, { swarm, connection });
    swarm.add(connection);
    return connection;
  }

  #datagram(link: LinkState, data: Uint8Array, now: Millis): void {
    try {
      const channel = readChannel(data);
      if (channel === 0) {
        this.#stranger(link, decodeDatagram(data, STRANGER_FORMAT), now);
      } else {
        const entry = link.channels.get(channel);
        if (entry === undefined) return;
        const { swarm, connection } = entry;
        if (connection.state === "closed") {
          // Not in answer to a HANDSHAKE, or two closed ends would tell each other for ever.
          if (data[4] !== MessageType.HANDSHAKE) connection.sayClosed(now);
          return;
        }
        let messages: Datagram["messages"];
        try {
          ({ messages } = decodeDatagram(data, swarm.format));
          messages = swarm.bytes?.fromWire(messages) ?? messages;
        } catch (error) {
          if (!(error instanceof DatagramError)) throw error;
          connection.reject("malformed", error.message);
          return;
        }
        connection.receive(messages, now);
        swarm.touch(connection);
      }
    } catch (error) {
      // Of nobody in particular: over UDP it may bear another's address, so it counts against no one.
      if (!(error instanceof DatagramError)) throw error;
    }
  }

  /** A datagram to channel 0: somebody opens a channel (RFC 7574 §8.4). */
  #stranger(link: LinkState, { messages }: Datagram, now: Millis): void {
    const [handshake, ...others] = messages;
    // A close to channel 0 answers nothing and must not be answered, or two peers would answer each other for ever.
    if (handshake?.type !== "HANDSHAKE" || handshake.channel === 0) return;
    const { swarmId } = handshake.options;
    const swarm = swarmId === undefined ? undefined : this.#swarms.get(swarmKey(swarmId));
    if (swarm === undefined) {
      this.#refuse(link, handshake);
      return;
    }
    for (const { swarm: of, connection } of link.channels.values()) {
      if (of !== swarm || connection.remoteChannel !== handshake.channel) continue;
      // A repeat, whose channel may be closed by now.
      if (connection.state === "closed") connection.sayClosed(now);
      else connection.handshake(handshake, now);
      return;
    }
    const mine = swarm.connection(link.id);
    if (mine?.state === "opening") {
      // Both opened at once: the HANDSHAKE with the lower channel ID stands.
      // An equal one is our own: somebody sent us to ourselves.
      if (mine.channel <= handshake.channel) return;
      mine.close("replaced", now);
    }
    if (!this.#makeRoom(link, swarm, now)) return;
    const haves = others.filter(({ type }) => type === "HAVE");
    const rest = swarm.bytes?.fromWire(haves) ?? haves;
    // A channel that is in use stays so until the third datagram: a stray HANDSHAKE must not end it (RFC 7574 §13.1.3).
    const connection = this.#open(link, swarm, false, now);
    this.#answered.add(connection);
    connection.greet(handshake, rest, now);
  }

  #refuse(link: LinkState, handshake: Handshake): void {
    const close = { channel: handshake.channel, messages: [{ type: "HANDSHAKE", channel: 0, options: {} }] } as const;
    this.#out.push({ type: "transmit", link: link.id, head: encodeDatagram(close, STRANGER_FORMAT).head });
  }

  /** Who broke the rules is not listened to any more (RFC 7574 §3, §13.7); other options than ours break none. */
  #ban({ link, reason }: Extract<Output, { type: "rejected" }>, now: Millis): void {
    const state = this.#links.get(link);
    if (state === undefined || reason === "incompatible") return;
    state.banned = true;
    for (const { connection } of state.channels.values()) connection.close("misbehaving", now);
  }

  /** Room for one more channel that somebody opens; there is none where a link has too many that are open. */
  #makeRoom(link: LinkState, swarm: Swarm, now: Millis): boolean {
    const ofLink = [...link.channels.values()]
      .filter((entry) => entry.swarm === swarm)
      .map(({ connection }) => connection);
    const halfOpen = ofLink.filter(({ state }) => state === "answering");
    if (halfOpen.length >= MAX_HALF_OPEN_PER_LINK) this.#giveWay(halfOpen[0]!, now);
    forgetClosed(link);
    if (link.channels.size >= MAX_CHANNELS_PER_LINK) return false;
    for (const oldest of this.#answered) {
      if (oldest.state === "answering" && this.#answered.size < MAX_HALF_OPEN) break;
      this.#giveWay(oldest, now);
    }
    return true;
  }

  #giveWay(connection: Connection, now: Millis): void {
    this.#answered.delete(connection);
    if (connection.state === "answering") connection.close("replaced", now);
  }

  #wake(): void {
    let at = Infinity;
    for (const swarm of this.#swarms.values()) at = Math.min(at, swarm.wakeAt);
    if (at >= this.#wakeAt) return;
    this.#wakeAt = at;
    // First, so that a host which steps again while it carries out the others ends up with the newest.
    if (at !== Infinity) this.#out.unshift({ type: "wake", at });
  }
}

function forgetClosed({ channels }: LinkState): void {
  const closed = [...channels].filter(([, { connection }]) => connection.state === "closed");
  for (const [id] of closed.slice(0, -CLOSED_KEPT)) channels.delete(id);
}

/** Format of a datagram before its HANDSHAKE has said anything: what follows is read by the HANDSHAKE's own options. */
const STRANGER_FORMAT: Format = { addressing: ChunkAddressing.chunk32, hashSize: 20, signatureSize: 0 };

/** A swarm ID as the key that inputs and outputs use: lower-case hexadecimal. */
function swarmKey(id: Uint8Array): string {
  return Array.from(id, (octet) => octet.toString(16).padStart(2, "0")).join("");
}
