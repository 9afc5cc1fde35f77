import type { CloseReason } from "../../core/connection/outputs.ts";
import type { ChannelSettings } from "../../core/connection/settings.ts";
import type { Input } from "../../core/swarm/endpoint.ts";
import { peerExchange } from "../../core/swarm/pex.ts";
import type { Swarm, SwarmOptions } from "../../core/swarm/swarm.ts";
import { Host, type News } from "../../engine/host.ts";
import type { ChunkStore, Clock, Link } from "../../engine/ports.ts";
import { systemClock, systemRandom32 } from "../../engine/system.ts";
import { chunkHash, nodeHash } from "../publish/hash-files.ts";
import type { UdpAddress } from "./address.ts";
import { Introductions, MAX_INTRODUCED } from "./introductions.ts";
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

/** Wait before a channel to a named peer that ended is opened again, ms. */
const REOPEN_MS = 500;
/** A named peer that refused so often in a row has another swarm or other options; once may be that it was just leaving. */
const REFUSALS = 3;

/**
 * Of the defaults, what differs over UDP: nobody tells us that a peer is gone, so one that is silent while we speak is
 * left after 10 s, which keep-alives of our own peers prevent where they have nothing to say, and one that may come back
 * is tried every few seconds. No data channel limits the window.
 */
export const UDP_SETTINGS = {
  deadMs: 10_000,
  keepAliveMs: 3_000,
  handshakeTries: 2,
  maxWindow: 1_048_576,
} as const satisfies Partial<ChannelSettings>;

/**
 * The user named the tracker, so all peers may come from it, and the only seeder may be one that was away for a moment. It
 * can lie all the same, so they are few, and an address is not tried again at once.
 */
const LISTED = { few: MAX_INTRODUCED, forgetMs: 60_000 };

/** Why a channel ends that never was open: its link keeps no address from others. */
const NEVER_THERE: ReadonlySet<CloseReason> = new Set(["no-answer", "replaced"]);

/** The system's clock; what the socket has received already comes before `soon`. */
const nodeClock: Clock = { ...systemClock, soon: (work) => void setImmediate(work) };

/** One swarm over one UDP socket: peers that the user named are kept, strangers come and go. */
export class UdpHost {
  readonly swarm: Swarm;
  readonly #host: Host;
  readonly #options: UdpHostOptions;
  /** Peers that the user named, by the ID of their link: opened again whenever they end. */
  readonly #named = new Map<string, UdpAddress>();
  /** How often they refused in a row. */
  readonly #refusals = new Map<string, number>();
  /** Peers that others told us of. */
  readonly #introductions = new Introductions();
  /** Peers that trackers told us of. */
  readonly #listed = new Introductions(LISTED);
  readonly #reopenings = new Map<string, () => void>();
  #closed = false;

  constructor(options: UdpHostOptions) {
    this.#options = options;
    const { swarm, socket, store } = options;
    this.#host = new Host({
      swarm: {
        pex: peerExchange,
        ...swarm,
        hash: nodeHash(swarm.metadata.hash),
        settings: { ...UDP_SETTINGS, ...swarm.settings },
      },
      store: { get: (chunk) => store.get(chunk), put: (chunk, data) => this.#keep(chunk, data) },
      clock: nodeClock,
      digest: chunkHash,
      random32: systemRandom32,
      news: (news) => this.#news(news),
    });
    this.swarm = this.#host.swarm;
    socket.onStranger = (link, datagram) => this.#stranger(link, datagram);
  }

  /** Whether there is a peer to hope for: one that the user named and that neither refuses nor misbehaved, or one with a channel. */
  get hasPeers(): boolean {
    const hopeful = (link: string): boolean => (this.#refusals.get(link) ?? 0) < REFUSALS;
    for (const { link } of this.swarm.connections) if (hopeful(link)) return true;
    for (const link of this.#named.keys()) if (hopeful(link)) return true;
    return false;
  }

  /** Opens a channel to a peer, and again whenever it ends. @throws CommandError if the socket cannot reach it */
  connect(remote: UdpAddress): void {
    const link = this.#options.socket.link(remote);
    if (this.#named.has(link.id)) return;
    this.#named.set(link.id, remote);
    this.#host.add(link, true);
  }

  /** Opens a channel to a peer that a tracker told us of, if there is room for one more such. */
  meet(remote: UdpAddress): void {
    if (!this.#closed) this.#contact(remote, this.#listed);
  }

  /** How many peers have a channel, or are asked for one. */
  get peerCount(): number {
    return [...this.swarm.connections].length;
  }

  /** Gives the core an input and carries out what it says. */
  step(input: Input): void {
    this.#host.step(input);
  }

  /** Says goodbye to everybody, stops, and frees the port. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#reopenings.values()) cancel();
    this.#options.socket.onStranger = undefined;
    this.#host.close();
    await this.#options.socket.close();
  }

  /** A stranger that opened no channel with its first datagram keeps no link; the answer to it has left by then. */
  #stranger(link: Link, data: Uint8Array): void {
    this.#host.add(link, false);
    link.onDatagram?.(data);
    if (this.swarm.connection(link.id) === undefined) this.#host.drop(link.id);
  }

  #news(news: News): void {
    if (this.#closed) return;
    if (news.type === "rejected" && news.reason !== "incompatible") this.#named.delete(news.link);
    if (news.type === "opened") this.#refusals.delete(news.link);
    const refused = news.type === "closed" ? news.reason === "refused" : news.type === "rejected";
    if (refused && this.#named.has(news.link)) this.#refusals.set(news.link, (this.#refusals.get(news.link) ?? 0) + 1);
    if (news.type === "closed" && this.#named.has(news.link)) this.#reopen(news.link);
    else if (news.type === "closed" && NEVER_THERE.has(news.reason) && this.swarm.connection(news.link) === undefined)
      this.#host.drop(news.link);
    if (news.type === "closed") {
      this.#introductions.ended(news.link, nodeClock.now());
      this.#listed.ended(news.link, nodeClock.now());
    }
    if (news.type === "peer") this.#contact({ host: hostOf(news.address), port: news.port }, this.#introductions);
    this.#options.news(news);
  }

  #contact(remote: UdpAddress, introductions: Introductions): void {
    const { socket } = this.#options;
    if (!socket.reaches(remote) || socket.has(remote)) return;
    const link = socket.link(remote);
    if (introductions.admit(link.id, this.#host.size, nodeClock.now())) this.#host.add(link, true);
    else link.close();
  }

  #keep(chunk: number, data: Uint8Array): void {
    try {
      this.#options.store.put(chunk, data);
    } catch (error) {
      this.#closed = true;
      this.#host.stop();
      this.#options.failed(error);
    }
  }

  #reopen(id: string): void {
    this.#reopenings.get(id)?.();
    const cancel = nodeClock.after(REOPEN_MS, () => {
      this.#reopenings.delete(id);
      const remote = this.#named.get(id);
      if (remote === undefined || this.swarm.connection(id) !== undefined) return;
      // The link anew too, so that the core forgets its closed channels.
      this.#host.drop(id);
      this.#host.add(this.#options.socket.link(remote), true);
    });
    this.#reopenings.set(id, cancel);
  }
}
