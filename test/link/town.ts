import type { Link, Membership, RendezvousEvents } from "../../src/engine/ports.ts";
import { BaseLink } from "../../src/link/base.ts";
import { memoryPair } from "../../src/link/memory.ts";
import type { LinkOptions, SignalledLink } from "../../src/link/neighbourhood.ts";
import { type RendezvousOptions, SwarmMembership, type Surroundings } from "../../src/link/rendezvous.ts";
import type { Signal } from "../../src/link/signal.ts";

type Tracker = ReturnType<Surroundings["tracker"]>;
type TrackerOptions = Parameters<Surroundings["tracker"]>[0];

/** Ends of memory pairs that wait for whoever got the offer with their number. */
const offered = new Map<string, BaseLink>();
let offers = 0;

/** A link in memory that comes about by offer and answer, as WebRTC's do. */
class OfferedLink extends BaseLink implements SignalledLink {
  readonly maxDatagram = 256 * 1024;
  readonly reliable = false;
  readonly #options: LinkOptions;
  #wire: BaseLink | undefined;

  constructor(options: LinkOptions) {
    super(options.id);
    this.#options = options;
    if (!options.initiator) return;
    const [mine, other] = memoryPair();
    this.#wire = mine;
    const sdp = `m=application ${offers++}`;
    offered.set(sdp, other);
    queueMicrotask(() => options.signal({ type: "offer", sdp }));
  }

  receive(signal: Signal): void {
    if (signal.type === "candidate") return;
    if (signal.type === "offer") {
      this.#wire = offered.get(signal.sdp);
      offered.delete(signal.sdp);
      this.#options.signal({ type: "answer", sdp: signal.sdp });
    }
    const wire = this.#wire;
    if (!wire) return;
    setTimeout(() => {
      if (this.closed) return;
      wire.onDatagram = (datagram) => this.deliver(datagram);
      wire.onClose = () => this.close();
      this.#options.open(this);
    }, 5);
  }

  send(head: Uint8Array, payload?: Uint8Array): void {
    this.#wire?.send(head, payload);
  }

  close(): void {
    if (!this.end()) return;
    this.#wire?.close();
    this.#options.ended();
  }
}

/** How often a client tries again to reach a tracker that is dead, ms. */
const RETRY_MS = 15_000;

/** A resident of the town, with what its engine would see. */
export interface Resident {
  readonly id: string;
  readonly membership: Membership;
  /** Open links by neighbour; true: we made the offer. */
  readonly links: Map<string, boolean>;
  readonly states: string[];
  readonly met: string[];
  /** Ends the link with this neighbour. */
  close(id: string): void;
}

/** A tracker's table and relay in memory, with members that use the real membership logic. */
export class Town {
  readonly #rolls = new Map<string, Map<string, TrackerOptions>>();
  readonly #retries = new Map<TrackerOptions, () => void>();
  #claimed: number | undefined;
  /** ICE servers that answers name. */
  iceServers: Parameters<NonNullable<TrackerOptions["events"]["iceServers"]>>[0] = [];
  /** ICE servers of the links that were made, by peer. */
  readonly used = new Map<string, Parameters<Surroundings["link"]>[1]["iceServers"]>();
  /** Whether answers say how large the swarm is. */
  sizes = false;
  /** Who asked for more peers, each time. */
  readonly refreshed: string[] = [];
  /** URLs of trackers that answer nothing at all, and of those that refuse at once. */
  readonly silent = new Set<string>();
  readonly dead = new Set<string>();
  /** All that was relayed. */
  readonly relayed: { from: string; to: string; payload: { type: string } }[] = [];
  readonly contacted: string[] = [];
  /** Members to list, though nobody answers to the name. */
  ghosts: string[] = [];
  /** Members to list that the relay says are gone. */
  gone: string[] = [];

  #tracker(options: TrackerOptions): Tracker {
    const roll = this.#rolls.get(options.url) ?? new Map<string, TrackerOptions>();
    this.#rolls.set(options.url, roll);
    let left = false;
    const others = (): string[] =>
      [...roll.keys(), ...this.ghosts, ...this.gone].filter((id) => id !== options.peerId).slice(-options.peerNum);
    const register = (): void => {
      if (left || this.silent.has(options.url)) return;
      if (this.dead.has(options.url)) {
        options.events.state("offline");
        setTimeout(register, RETRY_MS);
        return;
      }
      const listed = others();
      roll.set(options.peerId, options);
      this.#retries.set(options, register);
      options.events.iceServers?.(this.iceServers);
      if (this.sizes) options.events.size?.(roll.size);
      options.events.peers(listed);
      options.events.state("open");
    };
    return {
      start: () => {
        this.contacted.push(options.url);
        options.events.state("connecting");
        setTimeout(register, 20);
      },
      refresh: () => {
        this.refreshed.push(options.peerId);
        setTimeout(() => {
          if (!roll.has(options.peerId)) return;
          options.events.size?.(this.#claimed ?? roll.size);
          options.events.peers(others());
        }, 20);
      },
      reconnect: () => {
        roll.delete(options.peerId);
        options.events.state("connecting");
        setTimeout(register, 20);
      },
      signal: (to, payload) => {
        if (this.dead.has(options.url) || !roll.has(options.peerId)) return false;
        this.say(options.peerId, to, payload, options.url);
        return true;
      },
      leave: () => {
        left = true;
        roll.delete(options.peerId);
      },
    };
  }

  /** Relays a payload as if `from` had said it. */
  say(from: string, to: string, payload: unknown, url = "tracker"): void {
    this.relayed.push({ from, to, payload: payload as { type: string } });
    setTimeout(() => {
      const roll = this.#rolls.get(url);
      const receiver = roll?.get(to);
      if (receiver) receiver.events.signal(from, structuredClone(payload));
      else if (this.gone.includes(to)) roll?.get(from)?.events.gone?.(to);
    }, 10);
  }

  /** Ends a tracker for good, or until it is no longer `dead`. */
  kill(url = "tracker"): void {
    this.dead.add(url);
    const roll = this.#rolls.get(url) ?? new Map<string, TrackerOptions>();
    for (const [id, options] of roll) {
      roll.delete(id);
      options.events.state("offline");
      setTimeout(() => this.#retries.get(options)?.(), RETRY_MS);
    }
  }

  /** Tells every member how large the swarm is, as answers to reports do. */
  tellSizes(url = "tracker"): void {
    const roll = this.#rolls.get(url) ?? new Map<string, TrackerOptions>();
    for (const { events } of roll.values()) events.size?.(roll.size);
  }

  /** Tells every member that the swarm has this size, whatever it has. */
  claim(size: number, url = "tracker"): void {
    this.#claimed = size;
    for (const { events } of this.#rolls.get(url)?.values() ?? []) events.size?.(size);
  }

  /** Members at a tracker. */
  members(url: string): string[] {
    return [...(this.#rolls.get(url)?.keys() ?? [])];
  }

  /** Brings every member's view of the others up to date. */
  relist(url = "tracker"): void {
    const roll = this.#rolls.get(url) ?? new Map<string, TrackerOptions>();
    for (const [id, { events }] of roll) events.peers([...roll.keys()].filter((other) => other !== id));
  }

  /** Adds a member; `hasSpare`: whether its line can carry more. */
  join(id: string, options: Partial<RendezvousOptions> = {}, hasSpare?: () => boolean): Resident {
    const links = new Map<string, boolean>();
    const open = new Map<string, Link>();
    const states: string[] = [];
    const met: string[] = [];
    const events: RendezvousEvents = {
      size: () => undefined,
      link: (link, initiator) => {
        met.push(link.id);
        links.set(link.id, initiator);
        open.set(link.id, link);
        link.onDatagram = () => {};
        link.onClose = () => links.delete(link.id);
      },
      state: (state) => states.push(state),
      warning: () => {},
      ...(hasSpare && { hasSpare }),
      report: () => ({ uploadedBytes: 0, downloadedBytes: 0, availBandwidth: 0 }),
    };
    const membership = new SwarmMembership(
      { trackers: [["tracker"]], iceServers: [], warn: () => {}, peerId: id, ...options },
      {
        tracker: (client) => this.#tracker(client),
        link: (link, { iceServers }) => {
          this.used.set(id, iceServers);
          return new OfferedLink(link);
        },
      },
      Uint8Array.of(1, 2, 3),
      events,
    );
    return { id, membership, links, states, met, close: (other) => open.get(other)?.close() };
  }
}
