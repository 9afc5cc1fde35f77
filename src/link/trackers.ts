import type { TrackerClient, TrackerClientEvents } from "./tracker-client.ts";

/** A registration as far as this file needs it. */
export type Registered = Pick<TrackerClient, "start" | "signal" | "leave" | "refresh" | "reconnect">;

/** What several trackers together lead to. */
export interface TrackersOptions {
  /** Tiers of tracker URLs, best first. */
  readonly tiers: readonly (readonly string[])[];
  /** Makes the registration at one of them. */
  readonly register: (url: string, events: TrackerClientEvents) => Registered;
  /** Whether there is an open link with this peer. */
  readonly linked: (peerId: string) => boolean;
  /** Events of all trackers in one stream; `state` comes with every change of {@link Trackers.state}. */
  readonly events: TrackerClientEvents;
}

type State = Parameters<TrackerClientEvents["state"]>[0];

/** One tracker. */
interface Station {
  readonly tier: number;
  readonly client: Registered;
  state: State;
  /** Members of the swarm there. */
  size: number | undefined;
}

/**
 * How long a worse tier is kept after a better one is back, ms: the longest wait between two attempts of a client, and a
 * little more. By then all others are back too, so that nobody is left behind at the worse one.
 */
const OVERLAP_MS = 75_000;
/** Peers of whom we remember which tracker reaches them. */
const ROUTES_MAX = 256;

/**
 * All trackers of a presentation as one (PPSP.TP.REQ-5). A peer registers with every tracker of a tier, so members that
 * reach different trackers of it still meet, and the swarm stays one. When none of a tier answers, the next tier joins in;
 * when a better one is back, the worse ones are left.
 */
export class Trackers {
  readonly #options: TrackersOptions;
  readonly #tiers: readonly (readonly string[])[];
  readonly #stations: Station[] = [];
  /** By which tracker a peer was last heard, so that what belongs together travels one way. */
  readonly #routes = new Map<string, Station>();
  #entered = 0;
  #overlap: ReturnType<typeof setTimeout> | undefined;
  #left = false;

  constructor(options: TrackersOptions) {
    this.#options = options;
    this.#tiers = options.tiers.filter((tier) => tier.length > 0).map((tier) => [...new Set(tier)]);
  }

  /** Registers with the best tier. Events follow. */
  start(): void {
    this.#enter();
  }

  /** open: at least one tracker can be used; offline: none of any tier. */
  get state(): State {
    if (this.#stations.some(({ state }) => state === "open")) return "open";
    const waiting = this.#entered < this.#tiers.length || this.#stations.some(({ state }) => state !== "offline");
    return waiting ? "connecting" : "offline";
  }

  /** Members of the swarm, by the tracker that knows most; undefined when none has said. */
  get size(): number | undefined {
    const sizes = this.#stations.flatMap(({ state, size }) => (state === "offline" ? [] : (size ?? [])));
    return sizes.length === 0 ? undefined : Math.max(...sizes);
  }

  /** Sends a JSON value to a member; false if it cannot travel now. */
  signal(to: string, payload: unknown): boolean {
    const route = this.#routes.get(to);
    if (route?.state === "open") return route.client.signal(to, payload);
    // Whoever is in the swarm is at every tracker of the tier.
    const station = this.#stations.find(({ state }) => state === "open");
    return station?.client.signal(to, payload) ?? false;
  }

  /** Asks for more peers. */
  refresh(): void {
    for (const { state, client } of this.#stations) if (state === "open") client.refresh();
  }

  /** Turns to all of them anew, at once. */
  reconnect(): void {
    for (const { client } of this.#stations) client.reconnect();
  }

  /** Leaves all of them; no event comes after this. Safe on `pagehide`. */
  leave(): void {
    this.#left = true;
    clearTimeout(this.#overlap);
    for (const { client } of this.#stations) client.leave();
    this.#stations.length = 0;
  }

  /** Joins the next tier. */
  #enter(): void {
    const tier = this.#entered;
    this.#entered += 1;
    const fresh = (this.#tiers[tier] ?? []).map((url) => {
      const station: Station = {
        tier,
        client: this.#options.register(
          url,
          this.#eventsOf(() => station),
        ),
        state: "connecting",
        size: undefined,
      };
      return station;
    });
    this.#stations.push(...fresh);
    for (const { client } of fresh) client.start();
  }

  #eventsOf(itself: () => Station): TrackerClientEvents {
    const { events } = this.#options;
    const here = (): boolean => !this.#left && this.#stations.includes(itself());
    return {
      peers: (peerIds) => {
        if (!here()) return;
        for (const id of peerIds) if (this.#routes.get(id)?.state !== "open") this.#route(id, itself());
        events.peers(peerIds);
      },
      signal: (from, payload) => {
        if (!here() || this.#intrudes(from, payload, itself())) return;
        this.#route(from, itself());
        events.signal(from, payload);
      },
      gone: (peerId) => {
        if (!here()) return;
        // The next attempt goes another way, if there is one.
        const other = this.#stations.find((station) => station !== itself() && station.state === "open");
        if (other === undefined) this.#routes.delete(peerId);
        else this.#route(peerId, other);
        events.gone?.(peerId);
      },
      state: (state) => {
        if (!here()) return;
        itself().state = state;
        this.#balance();
        events.state(this.state);
      },
      size: (members) => {
        if (!here()) return;
        itself().size = members;
        events.size?.(members);
      },
      iceServers: (servers) => {
        if (here()) events.iceServers?.(servers);
      },
      warning: (message) => {
        if (!this.#left) events.warning(message);
      },
      report: () => events.report(),
    };
  }

  /**
   * Trackers do not know each other's tokens, so at one of them a name may belong to somebody else: an offer in the name
   * of a linked peer counts only where that peer was met, as long as that tracker is there.
   */
  #intrudes(from: string, payload: unknown, station: Station): boolean {
    const route = this.#routes.get(from);
    if (route === undefined || route === station || route.state !== "open" || !this.#options.linked(from)) return false;
    return typeof payload === "object" && payload !== null && "type" in payload && payload.type === "offer";
  }

  #route(peerId: string, station: Station): void {
    const [oldest] = this.#routes.keys();
    if (!this.#routes.delete(peerId) && this.#routes.size >= ROUTES_MAX && oldest !== undefined) {
      this.#routes.delete(oldest);
    }
    this.#routes.set(peerId, station);
  }

  /** Joins the next tier when nobody answers, and leaves worse tiers when a better one does. */
  #balance(): void {
    const last = this.#entered - 1;
    const alive = (tier: number): boolean =>
      this.#stations.some((station) => station.tier <= tier && station.state !== "offline");
    if (!alive(last) && this.#entered < this.#tiers.length) this.#enter();
    if (this.#best() >= this.#entered - 1) {
      clearTimeout(this.#overlap);
      this.#overlap = undefined;
      return;
    }
    this.#overlap ??= setTimeout(() => {
      this.#overlap = undefined;
      this.#leaveWorse(this.#best());
    }, OVERLAP_MS);
  }

  /** The best tier that has an open tracker; Infinity when there is none. */
  #best(): number {
    return Math.min(...this.#stations.flatMap(({ tier, state }) => (state === "open" ? tier : [])));
  }

  #leaveWorse(best: number): void {
    if (best === Infinity) return;
    const worse = this.#stations.filter(({ tier }) => tier > best);
    this.#stations.splice(0, Infinity, ...this.#stations.filter(({ tier }) => tier <= best));
    this.#entered = best + 1;
    for (const station of worse) {
      for (const [id, route] of this.#routes) if (route === station) this.#routes.delete(id);
      station.client.leave();
    }
  }
}
