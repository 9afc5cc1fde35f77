import type { PeerMode, SwarmAction } from "./messages.ts";

/** States of the tracker itself (§2.4, Figure 4); a tracker of many objects has it in each, about whom it keeps. */
export type TrackerState = "INIT" | "STARTED" | "TERMINATED";

/** What moves it; it leaves TERMINATED by itself, at once. */
export type TrackerEvent = "first registration" | "last removal" | "restart";

/** Figure 4. */
export const TRACKER_TRANSITIONS = {
  INIT: { "first registration": "STARTED" },
  STARTED: { "last removal": "TERMINATED" },
  TERMINATED: { restart: "INIT" },
} as const satisfies Record<TrackerState, Partial<Record<TrackerEvent, TrackerState>>>;

/** The machine of Figure 4 over a number of registrations. */
export class TrackerMachine {
  #state: TrackerState = "INIT";
  readonly #terminated: () => void;

  /** @param terminated - called in TERMINATED, on the way back to INIT */
  constructor(terminated: () => void = () => undefined) {
    this.#terminated = terminated;
  }

  get state(): TrackerState {
    return this.#state;
  }

  /** Says how many registrations there are now. */
  count(registrations: number): void {
    this.#on(registrations > 0 ? "first registration" : "last removal");
    if (this.#state !== "TERMINATED") return;
    this.#terminated();
    this.#on("restart");
  }

  #on(event: TrackerEvent): void {
    const row: Partial<Record<TrackerEvent, TrackerState>> = TRACKER_TRANSITIONS[this.#state];
    this.#state = row[event] ?? this.#state;
  }
}

/** States of the machine that the tracker keeps for each Peer-ID (§2.4, Figure 5). */
export type PeerState = "START" | "PEER REGISTERED" | "TRACKING" | "TERMINATE";

/** What moves it. */
export type PeerEvent =
  "CONNECT" | "valid actions" | "invalid actions" | "last swarm left" | "STAT_REPORT" | "init timer" | "track timer";

/**
 * Figure 5 with the error conditions of §2.4.2. START and TERMINATE are never stored: no machine exists before the
 * first CONNECT, nor after TERMINATE.
 */
export const TRANSITIONS = {
  START: { CONNECT: "PEER REGISTERED", STAT_REPORT: "TERMINATE" },
  "PEER REGISTERED": {
    "valid actions": "TRACKING",
    "invalid actions": "TERMINATE",
    "init timer": "TERMINATE",
  },
  TRACKING: {
    "valid actions": "TRACKING",
    "invalid actions": "TERMINATE",
    "last swarm left": "TERMINATE",
    STAT_REPORT: "TRACKING",
    "track timer": "TERMINATE",
  },
  TERMINATE: {},
} as const satisfies Record<PeerState, Partial<Record<PeerEvent, PeerState>>>;

/** The state after `event`; an event that a state does not know leaves it as it is. */
export function nextState(state: PeerState, event: PeerEvent): PeerState {
  const row: Partial<Record<PeerEvent, PeerState>> = TRANSITIONS[state];
  return row[event] ?? state;
}

type Condition = "always" | "never" | "joined" | "left by the same request";

/**
 * When an action is valid. Table 8 follows from this and from two rules: LEAVEs come before JOINs, and one invalid action
 * makes the request invalid.
 */
const RULES = {
  START: { JOIN: { LEECH: "always", SEED: "always" }, LEAVE: { LEECH: "never", SEED: "never" } },
  TRACKING: {
    JOIN: { LEECH: "always", SEED: "left by the same request" },
    LEAVE: { LEECH: "joined", SEED: "joined" },
  },
} as const satisfies Record<string, Record<SwarmAction["action"], Record<PeerMode, Condition>>>;

/** What a CONNECT does to its Peer-ID. */
export interface Verdict {
  /** False: 403, and the registration is deleted. */
  readonly valid: boolean;
  /** What remains of the machine afterwards. */
  readonly state: PeerState;
  /** Swarms to leave, without those that are joined again at once. */
  readonly leave: readonly string[];
  /** Swarms to join. */
  readonly join: ReadonlyMap<string, PeerMode>;
}

/**
 * Judges the actions of a CONNECT (Table 8).
 *
 * @param joined - swarms that the Peer-ID is in: empty in START, never empty in TRACKING
 * @param rejoin - whether a SEED may JOIN again while TRACKING: an extension for peers that show a token
 */
export function judge(
  actions: readonly SwarmAction[],
  joined: ReadonlyMap<string, PeerMode>,
  rejoin: boolean,
): Verdict {
  const tracking = joined.size > 0;
  const rules = RULES[tracking ? "TRACKING" : "START"];
  const state = tracking ? "TRACKING" : nextState("START", "CONNECT");
  const leave = new Set<string>();
  const join = new Map<string, PeerMode>();
  const holds = (condition: Condition, swarmId: string): boolean => {
    if (condition === "joined") return joined.has(swarmId);
    if (condition === "left by the same request") return rejoin || leave.has(swarmId);
    return condition === "always";
  };
  for (const now of ["LEAVE", "JOIN"] as const) {
    for (const { action, swarmId, peerMode } of actions) {
      if (action !== now) continue;
      const repeated = now === "LEAVE" ? leave.has(swarmId) : join.has(swarmId);
      if (repeated || !holds(rules[action][peerMode], swarmId)) {
        return { valid: false, state: nextState(state, "invalid actions"), leave: [], join: new Map() };
      }
      if (now === "LEAVE") leave.add(swarmId);
      else join.set(swarmId, peerMode);
    }
  }
  let remaining = join.size;
  for (const swarmId of joined.keys()) if (!leave.has(swarmId)) remaining += 1;
  return {
    valid: true,
    state: nextState(state, remaining > 0 ? "valid actions" : "last swarm left"),
    leave: [...leave].filter((swarmId) => !join.has(swarmId)),
    join,
  };
}
