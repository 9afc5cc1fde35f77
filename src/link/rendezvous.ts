import type { Membership, Rendezvous, RendezvousEvents } from "../engine/ports.ts";
import { Neighbourhood, type LinkOptions, type SignalledLink } from "./neighbourhood.ts";
import { TrackerClient } from "./tracker-client.ts";
import { hasWebRtc, WebRtcLink, type IceServer } from "./webrtc.ts";

/** How to meet others. */
export interface RendezvousOptions {
  /** Tiers of PPSP-TP tracker URLs, best first. */
  readonly trackers: readonly (readonly string[])[];
  /** Empty: no third party is asked for addresses. */
  readonly iceServers: readonly IceServer[];
  /** @defaultValue a random UUID for each membership */
  readonly peerId?: string;
  /** Most links of one membership. @defaultValue 8: more cost each neighbour upload slots and gain little */
  readonly maxNeighbours?: number;
  /** One line for the console. */
  readonly warn: (message: string) => void;
}

/** What a membership stands on: the real tracker and WebRTC, or a table in memory. */
export interface Surroundings {
  readonly tracker: (
    options: ConstructorParameters<typeof TrackerClient>[0],
  ) => Pick<TrackerClient, "start" | "signal" | "leave">;
  readonly link: (options: LinkOptions) => SignalledLink;
}

type State = Parameters<RendezvousEvents["state"]>[0];

/** A tracker that has not answered by then does not keep the player waiting, ms. */
const PATIENCE_MS = 2000;
/** Pause after every tracker of every tier has failed, ms. */
const ROUND_MS = 30_000;
/** Members to ask the tracker for. */
const PEER_NUM = 20;

/** How trackers and WebRTC bring peers together; undefined, after one warning, where that cannot be. */
export const createRendezvous = (options: RendezvousOptions): Rendezvous | undefined => {
  if (!hasWebRtc()) {
    options.warn("This browser has no WebRTC: the video plays over HTTP only.");
    return undefined;
  }
  if (options.trackers.flat().length === 0) {
    options.warn("The presentation names no tracker: the video plays over HTTP only.");
    return undefined;
  }
  const surroundings: Surroundings = {
    tracker: (client) => new TrackerClient(client),
    link: (link) => new WebRtcLink({ ...link, iceServers: options.iceServers }),
  };
  return { join: (swarmId, events) => new SwarmMembership(options, surroundings, swarmId, events) };
};

/** crypto.randomUUID exists in secure contexts only. */
const randomPeerId = (): string =>
  typeof crypto.randomUUID === "function" ? crypto.randomUUID() : toHex(crypto.getRandomValues(new Uint8Array(16)));

const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** One peer in one swarm: a tracker at a time, and links that outlive it. */
export class SwarmMembership implements Membership {
  readonly #surroundings: Surroundings;
  readonly #events: RendezvousEvents;
  readonly #urls: readonly string[];
  readonly #peerId: string;
  readonly #swarmId: string;
  readonly #neighbourhood: Neighbourhood;
  readonly #warned = new Set<string>();
  #client: ReturnType<Surroundings["tracker"]> | undefined;
  #url = 0;
  /** Trackers that failed since one last answered. */
  #failures = 0;
  #listed = false;
  #offline = false;
  #state: State = "searching";
  #nextTracker: ReturnType<typeof setTimeout> | undefined;
  readonly #patience: ReturnType<typeof setTimeout>;
  #left = false;

  constructor(options: RendezvousOptions, surroundings: Surroundings, swarmId: Uint8Array, events: RendezvousEvents) {
    this.#surroundings = surroundings;
    this.#events = events;
    this.#urls = options.trackers.flat();
    this.#peerId = options.peerId ?? randomPeerId();
    this.#swarmId = toHex(swarmId);
    this.#neighbourhood = new Neighbourhood({
      self: this.#peerId,
      maxNeighbours: options.maxNeighbours ?? 8,
      relay: (to, payload) => this.#client?.signal(to, payload) ?? false,
      connect: surroundings.link,
      link: (link, initiator) => events.link(link, initiator),
      changed: () => this.#update(),
    });
    this.#patience = setTimeout(() => {
      if (!this.#listed) this.#offline = true;
      this.#update();
    }, PATIENCE_MS);
    this.#ask();
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    clearTimeout(this.#patience);
    clearTimeout(this.#nextTracker);
    this.#neighbourhood.close();
    this.#client?.leave();
  }

  ban(id: string): void {
    this.#neighbourhood.ban(id);
  }

  /** Registers with the tracker whose turn it is. */
  #ask(): void {
    const client = this.#surroundings.tracker({
      url: this.#urls[this.#url]!,
      peerId: this.#peerId,
      swarmId: this.#swarmId,
      peerNum: PEER_NUM,
      mode: "LEECH",
      events: {
        peers: (peerIds) => {
          if (this.#client !== client || this.#left) return;
          this.#listed = true;
          this.#offline = false;
          this.#failures = 0;
          this.#neighbourhood.list(peerIds);
        },
        signal: (from, payload) => {
          if (this.#client === client) this.#neighbourhood.receive(from, payload);
        },
        gone: (peerId) => {
          if (this.#client === client) this.#neighbourhood.gone(peerId);
        },
        state: (state) => {
          if (this.#client !== client || this.#left) return;
          this.#neighbourhood.online = state === "open";
          if (state === "open") this.#offline = false;
          if (state === "offline") this.#failed();
          this.#update();
        },
        warning: (message) => this.#warn(message),
        report: () => this.#events.report(),
      },
    });
    this.#client = client;
    client.start();
  }

  /** The only tracker keeps trying by itself; where there are more, the next has its turn. */
  #failed(): void {
    this.#failures++;
    const round = this.#failures % this.#urls.length === 0;
    if (round) this.#offline = true;
    if (this.#urls.length === 1) return;
    const client = this.#client;
    this.#client = undefined;
    client?.leave();
    this.#url = (this.#url + 1) % this.#urls.length;
    this.#nextTracker = setTimeout(() => this.#ask(), round ? ROUND_MS : 0);
  }

  #update(): void {
    const { linked, known } = this.#neighbourhood;
    let state: State = "searching";
    if (linked > 0) state = "joined";
    else if (this.#offline) state = "offline";
    else if (known > 0) state = "joined";
    else if (this.#listed) state = "alone";
    if (state === this.#state || this.#left) return;
    this.#state = state;
    this.#events.state(state);
  }

  #warn(message: string): void {
    if (this.#left || this.#warned.has(message) || this.#warned.size >= 8) return;
    this.#warned.add(message);
    this.#events.warning(message);
  }
}
