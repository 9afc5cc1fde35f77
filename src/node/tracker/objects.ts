import type { SwarmTotals } from "../../tracker/manage/summary.ts";
import type { DeskPort, DeskStorage } from "../../tracker/manage/desk.ts";
import type { SwarmPolicy } from "../../tracker/manage/policy.ts";
import { Registry } from "../../tracker/manage/registry.ts";
import { type Outcome, type PeerPort, refusal, type SwarmPort, type TrackerObjects } from "../../tracker/objects.ts";
import type { Parameters } from "../../tracker/parameters.ts";
import { type PeerRecord, PeerTracker } from "../../tracker/peer.ts";
import type { Member } from "../../tracker/member.ts";
import { AddressChecks } from "./address-checks.ts";
import { LocalSwarm } from "./swarm.ts";

/** All that is kept of one swarm. */
export interface SwarmState {
  readonly members: Map<string, Member>;
  policy?: SwarmPolicy | undefined;
  departed?: SwarmTotals | undefined;
}

/** All that a tracker in one process keeps, and what a restart brings back. */
export class TrackerState {
  readonly swarms = new Map<string, SwarmState>();
  readonly peers = new Map<string, PeerRecord>();
  readonly registry = new Map<string, unknown>();
  /** Something has changed since it was last written. */
  changed = false;
}

const FULL: Outcome = refusal("unavailable", "The tracker is full");

interface LocalPeer {
  readonly tracker: PeerTracker;
  /** Requests that are being handled. */
  busy: number;
  /** It was registered at some time: a repeated request about its end is to be answered as the first was. */
  used: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** The objects of a tracker in one process: what Durable Objects are to the Worker. */
export class LocalObjects implements TrackerObjects {
  readonly registry: Registry;
  readonly #state: TrackerState;
  readonly #swarms = new Map<string, LocalSwarm>();
  readonly #peers = new Map<string, LocalPeer>();
  readonly #parameters: Parameters;
  readonly #checks: AddressChecks;
  readonly #swarmLimit: number;
  readonly #peerLimit: number;

  constructor(parameters: Parameters, state: TrackerState, write: (line: string) => void) {
    this.#state = state;
    this.#parameters = parameters;
    this.#checks = new AddressChecks(parameters.number("ADDRESS_CHECKS"));
    this.#swarmLimit = parameters.number("SWARM_LIMIT");
    this.#peerLimit = parameters.number("PEER_LIMIT");
    this.registry = new Registry({
      storage: {
        get: (key) => state.registry.get(key),
        put: (key, value) => {
          state.registry.set(key, value);
          state.changed = true;
        },
        delete: (key) => state.registry.delete(key),
        list: ({ prefix }) => [...state.registry].filter(([key]) => key.startsWith(prefix)),
      },
      now: () => Date.now(),
      iso: (at) => new Date(at).toISOString(),
      write,
      eventsKept: parameters.number("EVENTS_KEPT"),
      tolerance: parameters.number("ACCOUNT_TOLERANCE") / 100,
    });
    for (const swarmId of state.swarms.keys()) this.#open(swarmId).settle();
    for (const peerId of state.peers.keys()) void this.#expire(peerId, this.#peer(peerId));
  }

  swarm(swarmId: string): SwarmPort {
    const swarm = this.#swarms.get(swarmId);
    if (swarm === undefined && this.#swarms.size >= this.#swarmLimit) return NO_ROOM;
    return (swarm ?? this.#open(swarmId)).port;
  }

  peer(peerId: string): PeerPort {
    if (!this.#peers.has(peerId) && this.#peers.size >= this.#peerLimit) return FULL_PEER;
    const peer = this.#peer(peerId);
    const handle = async (work: (tracker: PeerTracker) => Promise<Outcome>): Promise<Outcome> => {
      peer.busy += 1;
      try {
        return await work(peer.tracker);
      } finally {
        peer.used ||= this.#state.peers.has(peerId);
        peer.busy -= 1;
        await this.#expire(peerId, peer);
      }
    };
    return {
      onConnect: (request, asker) => handle((tracker) => tracker.onConnect(request, asker)),
      onFind: (request, asker) => handle((tracker) => tracker.onFind(request, asker)),
      onReport: (request, asker) => handle((tracker) => tracker.onReport(request, asker)),
    };
  }

  /** The swarm with its sockets, if it has members. */
  local(swarmId: string): LocalSwarm | undefined {
    return this.#swarms.get(swarmId);
  }

  /** The management side of a swarm. */
  desk(swarmId: string): DeskPort {
    const swarm = this.#swarms.get(swarmId) ?? this.#open(swarmId);
    const { desk } = swarm;
    const settled = async <T>(work: () => T): Promise<T> => {
      const result = work();
      swarm.settle();
      return result;
    };
    return {
      describe: () => settled(() => desk.describe()),
      list: async (after, limit) => desk.list(after, limit),
      change: (change) =>
        settled(() => {
          desk.change(change);
          return desk.describe();
        }),
      ban: (peerId, withAddress, seconds) => settled(() => desk.ban(peerId, withAddress, seconds)),
      unban: (peerId) => settled(() => desk.unban(peerId)),
      close: () => settled(() => desk.close()),
    };
  }

  /** Tells the registry of all swarms. */
  async collect(): Promise<void> {
    for (const { desk } of this.#swarms.values()) await this.registry.report(desk.describe());
  }

  /** Ends all timers and sockets; what is kept stays. */
  stop(): void {
    this.#checks.close();
    for (const swarm of this.#swarms.values()) swarm.stop();
    for (const { timer } of this.#peers.values()) clearTimeout(timer);
  }

  #open(swarmId: string): LocalSwarm {
    const state = this.#state.swarms.get(swarmId) ?? { members: new Map<string, Member>() };
    this.#state.swarms.set(swarmId, state);
    let opened: LocalSwarm | undefined = undefined;
    const swarm = new LocalSwarm({
      swarmId,
      parameters: this.#parameters,
      checkAddress: (check, answered) => this.#checks.check(check, answered),
      storage: this.#storage(state),
      emptied: () => {
        const ended = this.#swarms.get(swarmId);
        if (ended === undefined || ended !== opened) return;
        void this.registry.report(ended.desk.describe());
        this.#swarms.delete(swarmId);
        this.#state.swarms.delete(swarmId);
        this.#state.changed = true;
      },
    });
    opened = swarm;
    this.#swarms.set(swarmId, swarm);
    return swarm;
  }

  #storage(state: SwarmState): DeskStorage {
    const { members } = state;
    const touch = (): void => {
      this.#state.changed = true;
    };
    return {
      load: () => [...members.values()],
      put: (member) => {
        members.set(member.peerId, member);
        touch();
      },
      delete: (peerId) => {
        members.delete(peerId);
        touch();
      },
      loadDeparted: () => state.departed,
      saveDeparted: (totals) => {
        state.departed = totals;
      },
      loadPolicy: () => state.policy,
      savePolicy: (policy) => {
        state.policy = policy;
        touch();
      },
    };
  }

  #peer(peerId: string): LocalPeer {
    const found = this.#peers.get(peerId);
    if (found !== undefined) return found;
    const { peers } = this.#state;
    const tracker = new PeerTracker({
      load: () => peers.get(peerId),
      save: (record) => {
        if (record === undefined) peers.delete(peerId);
        else peers.set(peerId, record);
        this.#state.changed = true;
      },
      swarm: (swarmId) => this.swarm(swarmId),
      trackTimer: this.#parameters.number("TRACK_TIMER") * 1000,
      limits: this.#parameters.limits,
      now: () => Date.now(),
    });
    const peer: LocalPeer = { tracker, busy: 0, used: peers.has(peerId), timer: undefined };
    this.#peers.set(peerId, peer);
    return peer;
  }

  /** Lets a silent peer go, and one that never registered; else sets its timer. */
  async #expire(peerId: string, peer: LocalPeer): Promise<void> {
    const due = await peer.tracker.expire();
    if (this.#peers.get(peerId) !== peer || peer.busy > 0) return;
    if (due === undefined && !peer.used) {
      this.#peers.delete(peerId);
    } else if (peer.timer === undefined) {
      peer.timer = setTimeout(
        () => {
          peer.timer = undefined;
          if (due === undefined) peer.used = false;
          void this.#expire(peerId, peer);
        },
        due === undefined ? this.#parameters.limits.retryWindowMs : Math.max(due - Date.now(), 10),
      );
      peer.timer.unref();
    }
  }
}

const full = async (): Promise<Outcome> => FULL;
const FULL_PEER: PeerPort = { onConnect: full, onFind: full, onReport: full };
const NO_ROOM: SwarmPort = {
  ...FULL_PEER,
  enter: async () => "unavailable",
  find: async () => undefined,
  remove: async () => undefined,
  note: async () => undefined,
};
