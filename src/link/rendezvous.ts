import { type AccessToken, authorizedFetch } from "./access-token.ts";
import type { Membership, Rendezvous, RendezvousEvents } from "../engine/ports.ts";
import { Neighbourhood, type LinkOptions, type SignalledLink } from "./neighbourhood.ts";
import { Condition, type Device } from "./condition.ts";
import type { EncodingName } from "./encoding.ts";
import { NatProbe } from "./nat.ts";
import { TrackerClient } from "./tracker-client.ts";
import { type Registered, Trackers } from "./trackers.ts";
import type { Dial, IceServer } from "./dial.ts";
import { type IceOptions, WebRtcLink } from "./webrtc.ts";

/** How to meet others. */
export interface RendezvousOptions {
  /** Tiers of PPSP-TP tracker URLs, best first. */
  readonly trackers: readonly (readonly string[])[];
  /** Empty: no third party is asked for addresses. "tracker": those that the tracker names, if it names any. */
  readonly iceServers: readonly IceServer[] | "tracker";
  /**
   * Meet others at a relay (TURN) of the ICE servers only, so that they never learn this peer's address. Without such a
   * relay there are no neighbours. @defaultValue false
   */
  readonly relayOnly?: boolean;
  /** @defaultValue a random UUID for each membership */
  readonly peerId?: string;
  /**
   * Links of one membership; offers of others are taken up to twice as many while our line has room, and up to five eighths
   * while it has not. @defaultValue 8: more cost each neighbour upload slots and gain little
   */
  readonly maxNeighbours?: number;
  /**
   * Make no links while the swarm has fewer members, oneself included. @defaultValue 2: with a single neighbour half of
   * the bytes need not come from the origin; more spares the viewers of quiet videos their connections
   */
  readonly minViewers?: number;
  /** How to write to trackers. @defaultValue json: a page then loads no XML parser */
  readonly encoding?: EncodingName;
  /** Grant of the publisher as in ppsp.json. @defaultValue none */
  readonly grant?: string | undefined;
  /** For trackers that ask for one. @defaultValue none */
  readonly accessToken?: AccessToken;
  /** Told what would take the registration at a tracker back, for who may be gone before `leave` is carried out. @defaultValue none */
  readonly farewell?: (trackerUrl: string, body: string) => void;
  /** What tells how this device is connected and powered. @defaultValue the global `navigator`, where there is one */
  readonly device?: Device;
  /** One line for the console. */
  readonly warn: (message: string) => void;
}

/** What a membership stands on: the real tracker and WebRTC, or a table in memory. */
export interface Surroundings {
  readonly tracker: (options: ConstructorParameters<typeof TrackerClient>[0]) => Registered;
  readonly link: (options: LinkOptions, ice: IceOptions) => SignalledLink;
}

type State = Parameters<RendezvousEvents["state"]>[0];

/** A tracker that has not answered by then does not keep the player waiting, ms. */
const PATIENCE_MS = 2000;
/** Who has fewer links asks for more peers, if there are any: one source of each kind, and one that is slow. */
const FEW_LINKS = 3;
/** Before the tracker is asked for more peers, ms; doubled each time, up to the second, as long as that brings no link. */
const REFRESH_MS = 30_000;
const REFRESH_MAX_MS = 480_000;
/** Said when others are to be met at a relay only, and there is none. */
const UNRELAYED =
  "No relay (TURN server) could be used, and only relayed links are wanted: no bytes from other viewers.";
/** Members to ask the tracker for. */
const PEER_NUM = 20;

/**
 * How trackers and WebRTC bring peers together; undefined, after one warning, where that cannot be. `dial` is undefined
 * where there is no WebRTC.
 */
export const createRendezvous = (options: RendezvousOptions, dial: Dial | undefined): Rendezvous | undefined => {
  const { accessToken } = options;
  if (dial === undefined) {
    options.warn("This browser has no WebRTC: the video plays over HTTP only.");
    return undefined;
  }
  if (options.trackers.flat().length === 0) {
    options.warn("The presentation names no tracker: the video plays over HTTP only.");
    return undefined;
  }
  const surroundings: Surroundings = {
    tracker: (client) =>
      new TrackerClient(
        accessToken === undefined
          ? client
          : { ...client, fetch: authorizedFetch((url, init) => fetch(url, init), client.url, accessToken) },
      ),
    link: (link, ice) => new WebRtcLink({ ...link, ...ice, dial }),
  };
  return { join: (swarmId, events) => new SwarmMembership(options, surroundings, swarmId, events) };
};

/** crypto.randomUUID exists in secure contexts only. */
const randomPeerId = (): string =>
  typeof crypto.randomUUID === "function" ? crypto.randomUUID() : toHex(crypto.getRandomValues(new Uint8Array(16)));

const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** One peer in one swarm: its trackers, and links that outlive them. */
export class SwarmMembership implements Membership {
  readonly peerId: string;
  readonly #events: RendezvousEvents;
  readonly #neighbourhood: Neighbourhood;
  readonly #trackers: Trackers;
  readonly #minViewers: number;
  readonly #nat = new NatProbe();
  readonly #condition: Condition;
  readonly #warned = new Set<string>();
  #iceServers: readonly IceServer[];
  #listed = false;
  #offline = false;
  #state: State = "searching";
  #refreshMs = REFRESH_MS;
  #refresh: ReturnType<typeof setTimeout> | undefined;
  readonly #patience: ReturnType<typeof setTimeout>;
  #left = false;

  constructor(options: RendezvousOptions, surroundings: Surroundings, swarmId: Uint8Array, events: RendezvousEvents) {
    const { iceServers, relayOnly = false, minViewers = 2, maxNeighbours = 8, peerId = randomPeerId() } = options;
    this.#events = events;
    this.peerId = peerId;
    this.#condition = new Condition(options.device ?? (globalThis.navigator as Device | undefined));
    this.#minViewers = minViewers;
    this.#iceServers = iceServers === "tracker" ? [] : iceServers;
    this.#neighbourhood = new Neighbourhood({
      self: peerId,
      maxNeighbours,
      hasSpare: events.hasSpare,
      relay: (to, payload) => {
        this.#nat.note(payload);
        return this.#trackers.signal(to, payload);
      },
      connect: (link) =>
        surroundings.link(link, { iceServers: this.#iceServers, relayOnly, unrelayed: () => this.#warn(UNRELAYED) }),
      link: (link, initiator) => {
        this.#refreshMs = REFRESH_MS;
        events.link(link, initiator);
      },
      changed: () => this.#update(),
    });
    this.#trackers = new Trackers({
      tiers: options.trackers,
      register: (url, trackerEvents) =>
        surroundings.tracker({
          url,
          peerId,
          swarmId: toHex(swarmId),
          peerNum: PEER_NUM,
          mode: "LEECH",
          relayOnly,
          ...(options.encoding !== undefined && { encoding: options.encoding }),
          grant: options.grant,
          farewell: (body) => options.farewell?.(url, body),
          events: trackerEvents,
        }),
      linked: (id) => this.#neighbourhood.isLinked(id),
      events: {
        peers: (peerIds) => {
          if (this.#left) return;
          this.#listed = true;
          this.#offline = false;
          this.#neighbourhood.list(peerIds);
        },
        signal: (from, payload) => this.#neighbourhood.receive(from, payload),
        gone: (id) => this.#neighbourhood.gone(id),
        state: (state) => {
          if (this.#left) return;
          if (state !== "connecting") this.#offline = state === "offline";
          this.#update();
        },
        size: () => {
          if (!this.#left) events.size(this.#trackers.size ?? 1);
          this.#update();
        },
        iceServers: (servers) => {
          if (iceServers === "tracker") this.#iceServers = servers;
        },
        warning: (message) => this.#warn(message),
        report: () => {
          const nat = this.#nat.ability;
          return { ...events.report(), ...this.#condition.properties, ...(nat !== undefined && { nat }) };
        },
      },
    });
    this.#patience = setTimeout(() => {
      if (!this.#listed) this.#offline = true;
      this.#update();
    }, PATIENCE_MS);
    this.#trackers.start();
    globalThis.addEventListener?.("online", this.#online);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    clearTimeout(this.#patience);
    clearTimeout(this.#refresh);
    globalThis.removeEventListener?.("online", this.#online);
    this.#neighbourhood.close();
    this.#trackers.leave();
  }

  ban(id: string): void {
    this.#neighbourhood.ban(id);
  }

  /** The network is back: neighbours whose links it has ended are met again without the usual pauses. */
  readonly #online = (): void => {
    this.#trackers.reconnect();
    this.#neighbourhood.forgive();
  };

  /** Whether the swarm is too small to bother. An offer from someone unknown shows that it has grown. */
  get #quiet(): boolean {
    const { size } = this.#trackers;
    return size !== undefined && Math.max(size, this.#neighbourhood.known + 1) < this.#minViewers;
  }

  #update(): void {
    if (this.#left) return;
    this.#neighbourhood.online = this.#trackers.state === "open" && !this.#quiet;
    this.#planRefresh();
    const { linked, known } = this.#neighbourhood;
    let state: State = "searching";
    if (linked > 0) state = "joined";
    else if (this.#offline) state = "offline";
    else if (this.#quiet && this.#listed) state = "alone";
    else if (known > 0) state = "joined";
    else if (this.#listed) state = "alone";
    if (state === this.#state) return;
    this.#state = state;
    this.#events.state(state);
  }

  /** Who has few links, and nobody left to offer to, asks the tracker for others: as long as it says that there are some. */
  #planRefresh(): void {
    if (this.#refresh !== undefined || !this.#needy) return;
    this.#refresh = setTimeout(() => {
      this.#refresh = undefined;
      if (!this.#needy) return;
      this.#refreshMs = Math.min(REFRESH_MAX_MS, this.#refreshMs * 2);
      this.#trackers.refresh();
      this.#planRefresh();
    }, this.#refreshMs);
  }

  get #needy(): boolean {
    const { linked, spare } = this.#neighbourhood;
    const { size = 0, state } = this.#trackers;
    return !this.#left && state === "open" && !this.#quiet && linked < FEW_LINKS && spare === 0 && size > linked + 1;
  }

  #warn(message: string): void {
    if (this.#left || this.#warned.has(message) || this.#warned.size >= 8) return;
    this.#warned.add(message);
    this.#events.warning(message);
  }
}
