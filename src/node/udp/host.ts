import { decodeDatagram, DatagramError, readChannel } from "../../core/codec/datagram.ts";
import type { ChannelSettings } from "../../core/connection/settings.ts";
import type { Output } from "../../core/connection/outputs.ts";
import { Endpoint, type Input } from "../../core/swarm/endpoint.ts";
import type { Swarm, SwarmOptions } from "../../core/swarm/swarm.ts";
import type { News } from "../../engine/host.ts";
import type { ChunkStore, Link } from "../../engine/ports.ts";
import { systemClock, systemRandom32 } from "../../engine/system.ts";
import { chunkHash } from "../publish/hash-files.ts";
import type { UdpAddress } from "./address.ts";
import { Introductions } from "./introductions.ts";
import { hostOf } from "./octets.ts";
import type { UdpSocket } from "./socket.ts";

/** What a host works with. */
export interface UdpHostOptions {
  readonly swarm: SwarmOptions;
  readonly socket: UdpSocket;
  readonly store: Pick<ChunkStore, "get" | "put">;
  /** Told what happened, after the store holds a verified chunk. */
  readonly news: (news: News) => void;
  /** Told once if the store cannot keep a chunk; the host has stopped then. */
  readonly failed: (error: unknown) => void;
}

/** A stranger's link without a channel lasts this long, ms, so that a peer which missed the closing is told. */
const IDLE_LINK_MS = 5_000;
/** Wait before a channel to a named peer that ended is opened again, ms. */
const REOPEN_MS = 500;

/**
 * Of the defaults, what differs over UDP: nobody tells us that a peer is gone, so one that leaves REQUESTs unanswered is
 * left after 10 s, and one that may come back is tried every few seconds.
 */
const UDP_SETTINGS: Partial<ChannelSettings> = { deadMs: 10_000, handshakeTries: 2 };

/** The one loop that turns the core's outputs into effects over UDP: socket, store, digests, one timer. */
export class UdpHost {
  readonly swarm: Swarm;
  readonly #endpoint: Endpoint;
  readonly #options: UdpHostOptions;
  readonly #links = new Map<string, Link>();
  /** Links to peers that the user named: they are kept, and opened again. */
  readonly #named = new Set<string>();
  /** Peers that others told us of. */
  readonly #introductions = new Introductions();
  /** What is to be done after the input that is being carried out. */
  readonly #inputs: Input[] = [];
  #stepping = false;
  #wakeAt = Infinity;
  /** When the timer ends; it may be earlier than `#wakeAt`, which costs less than a new timer for each step. */
  #timerAt = Infinity;
  #stopTimer: () => void = () => undefined;
  #stopSweep: (() => void) | undefined;
  readonly #reopenings = new Map<string, () => void>();
  #closed = false;

  constructor(options: UdpHostOptions) {
    this.#options = options;
    const epochMicros = systemClock.unixMicros() - BigInt(Math.round(systemClock.now() * 1000));
    this.#endpoint = new Endpoint({ random32: systemRandom32, epochMicros });
    const { settings } = options.swarm;
    this.swarm = this.#endpoint.add({ ...options.swarm, settings: { ...UDP_SETTINGS, ...settings } });
    options.socket.onStranger = (link, datagram) => this.#stranger(link, datagram);
  }

  /** Whether there is a peer to hope for: one that the user named and that has not misbehaved, or one with a channel. */
  get hasPeers(): boolean {
    for (const _ of this.swarm.connections) return true;
    return this.#named.size > 0;
  }

  /** Opens a channel to a peer, and again whenever it ends. @throws CommandError if the socket cannot reach it */
  connect(remote: UdpAddress): void {
    const link = this.#options.socket.link(remote);
    if (this.#named.has(link.id)) return;
    this.#named.add(link.id);
    this.#add(link);
    this.step({ type: "open", link: link.id, swarm: this.swarm.key });
  }

  /** Gives the core an input and carries out what it says; from within that, the input waits for its turn. */
  step(input: Input): void {
    if (this.#closed) return;
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        for (const output of this.#endpoint.step(next, systemClock.now())) this.#carryOut(output);
      }
    } finally {
      // Also where a listener to our news throws: the next input must not wait for ever.
      this.#stepping = false;
    }
  }

  /** Says goodbye to everybody, stops, and frees the port. */
  async close(): Promise<void> {
    this.step({ type: "close" });
    this.#stop();
    await this.#options.socket.close();
  }

  #stop(): void {
    this.#closed = true;
    this.#stopTimer();
    this.#stopSweep?.();
    for (const cancel of this.#reopenings.values()) cancel();
    this.#options.socket.onStranger = undefined;
  }

  #add(link: Link): void {
    this.#links.set(link.id, link);
    link.onDatagram = (data) => {
      if (!isStray(data)) this.step({ type: "datagram", link: link.id, data });
    };
    const { id, maxDatagram, address } = link;
    this.step({ type: "link", link: id, maxDatagram, ...(address && { address }) });
  }

  /** A peer told us of another one. */
  #introduce({ address, port }: Extract<Output, { type: "peer" }>): void {
    const { socket } = this.#options;
    const remote = { host: hostOf(address), port };
    if (!socket.reaches(remote)) return;
    const link = socket.link(remote);
    if (this.#links.has(link.id)) return;
    if (!this.#introductions.admit(link.id, this.#links.size, systemClock.now())) {
      link.close();
      return;
    }
    this.#add(link);
    this.step({ type: "open", link: link.id, swarm: this.swarm.key });
  }

  /** A stranger that opened no channel with its first datagram keeps no link; the answer to it has left by then. */
  #stranger(link: Link, data: Uint8Array): void {
    if (isStray(data)) {
      link.close();
      return;
    }
    this.#add(link);
    this.step({ type: "datagram", link: link.id, data });
    if (this.swarm.connection(link.id) === undefined) this.#drop(link);
  }

  #drop(link: Link): void {
    this.#links.delete(link.id);
    link.close();
    this.step({ type: "unlink", link: link.id });
  }

  #carryOut(output: Output): void {
    const { store, news } = this.#options;
    switch (output.type) {
      case "transmit":
        this.#links.get(output.link)?.send(output.head, output.payload);
        return;
      case "wake":
        this.#wakeAt = output.at;
        this.#arm();
        return;
      case "digest": {
        const { swarm, token, data } = output;
        this.step({ type: "digested", swarm, token, hash: chunkHash(this.swarm.metadata.hash, data) });
        return;
      }
      case "read":
        this.step({ type: "read", swarm: output.swarm, token: output.token, data: store.get(output.chunk) });
        return;
      case "verified":
        if (this.#closed || !this.#keep(output.chunk, output.data)) return;
        news(output);
        return;
      case "closed":
        this.#introductions.ended(output.link, systemClock.now());
        if (this.#named.has(output.link)) this.#reopen(output.link);
        else this.#sweep();
        news(output);
        return;
      case "rejected":
        if (output.reason !== "incompatible") this.#named.delete(output.link);
        news(output);
        return;
      case "peer":
        this.#introduce(output);
        return;
      case "opened":
      case "peerhas":
      case "uploaded":
        news(output);
        return;
    }
  }

  #keep(chunk: number, data: Uint8Array): boolean {
    try {
      this.#options.store.put(chunk, data);
      return true;
    } catch (error) {
      this.#stop();
      this.#options.failed(error);
      return false;
    }
  }

  #arm(): void {
    if (this.#timerAt <= this.#wakeAt) return;
    this.#stopTimer();
    this.#timerAt = this.#wakeAt;
    this.#stopTimer = systemClock.after(Math.max(0, this.#wakeAt - systemClock.now()), () => {
      this.#timerAt = Infinity;
      if (systemClock.now() < this.#wakeAt) this.#arm();
      else this.step({ type: "timeout" });
    });
  }

  #reopen(id: string): void {
    this.#reopenings.get(id)?.();
    const cancel = systemClock.after(REOPEN_MS, () => {
      this.#reopenings.delete(id);
      const link = this.#links.get(id);
      if (link === undefined || !this.#named.has(id) || this.swarm.connection(id) !== undefined) return;
      // The link anew too, so that the core forgets its closed channels.
      this.#add(link);
      this.step({ type: "open", link: id, swarm: this.swarm.key });
    });
    this.#reopenings.set(id, cancel);
  }

  /** After a while, drops the links that have no channel. */
  #sweep(): void {
    this.#stopSweep ??= systemClock.after(IDLE_LINK_MS, () => {
      this.#stopSweep = undefined;
      for (const [id, link] of this.#links)
        if (!this.#named.has(id) && this.swarm.connection(id) === undefined) this.#drop(link);
    });
  }
}

/**
 * Whether a datagram is none, or addresses channel 0 without being readable. Anybody can send such a thing in another's
 * name, so over UDP it must not count against the peer at that address.
 */
function isStray(data: Uint8Array): boolean {
  try {
    if (readChannel(data) === 0) decodeDatagram(data, { addressing: 2, hashSize: 20, signatureSize: 0 });
    return false;
  } catch (error) {
    if (error instanceof DatagramError) return true;
    throw error;
  }
}
