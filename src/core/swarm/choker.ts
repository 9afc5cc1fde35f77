import type { Millis } from "../connection/settings.ts";

/** What a choker knows of one peer. */
export interface ChokerPeer {
  /** Whether it is choked now. */
  readonly choked: boolean;
  /** Since when it is so; a newcomer is choked since its channel opened. */
  readonly since: Millis;
  /** Whether it lacks chunks that we hold. PPSPP has no message for interest: who lacks nothing will not ask. */
  readonly needy: boolean;
  /** When content last went out to it; `since` if none has since then. */
  readonly activeAt: Millis;
  /** Content bytes that went out to it, and how many per ms of late. */
  readonly uploaded: number;
  readonly uploadRate: number;
  /** Proven content bytes that came from it, and how many per ms of late. */
  readonly downloaded: number;
  readonly downloadRate: number;
}

/** What a choker may look at. */
export interface ChokerView {
  /** All peers with an open channel, in the order of their opening. */
  readonly peers: readonly ChokerPeer[];
  /** Whether we hold everything and so need nothing of anybody. */
  readonly complete: boolean;
}

/** Whose REQUESTs are answered from now on, and when to ask again at the latest. */
export interface Choice {
  readonly served: ReadonlySet<ChokerPeer>;
  /** Infinity: only when a peer comes or goes. */
  readonly againAt: Millis;
  /** Set: among those served, who gives us most in proportion comes first. @defaultValue whom we have given least of late does */
  readonly rewards?: true;
}

/**
 * Chooses who is served (RFC 7574 §3.9, §9.2); the others are told CHOKE. Pure. Asked whenever a channel opens, when one
 * that was served closes, and at `againAt`.
 */
export type Choker = (view: ChokerView, now: Millis) => Choice;

/** Peers that are served at a time by default: as many as a page has neighbours, so that few swarms ever choke. */
export const OPEN_SLOTS = 64;
/** A peer that is served keeps its slot this long, ms, while others wait: enough to get up to speed. */
export const TURN_MS = 10_000;
/** … unless nothing went out to it for so long, ms. */
export const IDLE_MS = 3_000;
/** While there are more peers than slots, one that waits gets a free slot after this time at the latest, ms. */
const LOOK_MS = 1_000;

/**
 * The default: at most `slots` peers at a time, first come, first served. Who waits longest gets the slot of who needs
 * none, of who is idle, and of who has had it for its turn, so that nobody starves.
 */
export function openSlots(slots: number = OPEN_SLOTS): Choker {
  return ({ peers }, now) => {
    if (peers.length <= slots) return { served: new Set(peers), againAt: Infinity };
    const place = (peer: ChokerPeer): number => {
      if (!peer.needy) return peer.choked ? 4 : 3;
      if (peer.choked) return 1;
      return now - peer.since < TURN_MS && now - peer.activeAt < IDLE_MS ? 0 : 2;
    };
    // Among those who wait the first, among those whose time is up the last to begin.
    const order = (a: ChokerPeer, b: ChokerPeer): number =>
      place(a) - place(b) || (place(a) === 2 ? b.since - a.since : a.since - b.since);
    return { served: new Set([...peers].sort(order).slice(0, slots)), againAt: now + LOOK_MS };
  };
}

/** Slots of `reciprocal` by default: few, or nobody would have to earn one. */
export const RECIPROCAL_SLOTS = 8;
/** Ranks are looked at again after this time, ms: rates need that long to show anything. */
export const RANK_MS = 10_000;
/** A peer on trial keeps its slot this long, ms: until the other has ranked us. Longer trials are what freeriders live on. */
export const TRIAL_MS = 10_000;

/**
 * Tit for tat (HAVE.2 of RFC 7574 §13.6.2): all slots but one go to the peers that give us most, or, when we need nothing
 * any more, to those that take our chunks the fastest and can pass them on. The last slot, and those that nobody has
 * earned, go to the others, to whom owes us least first, so that a newcomer can show what it gives and what is given for
 * nothing is the same for all.
 */
export function reciprocal(slots: number = RECIPROCAL_SLOTS): Choker {
  return ({ peers, complete }, now) => {
    if (peers.length <= slots) return { served: new Set(peers), againAt: Infinity };
    const score = (peer: ChokerPeer): number => (complete ? peer.uploadRate : peer.downloadRate);
    const ranked = peers.filter((peer) => peer.needy && score(peer) > 0).sort((a, b) => score(b) - score(a));
    const served = new Set(ranked.slice(0, slots - 1));
    const place = (peer: ChokerPeer): number => {
      if (!peer.needy) return peer.choked ? 4 : 3;
      if (peer.choked) return 1;
      return now - peer.since < TRIAL_MS ? 0 : 2;
    };
    const debt = (peer: ChokerPeer): number => (peer.choked ? Math.max(0, peer.uploaded - peer.downloaded) : 0);
    const order = (a: ChokerPeer, b: ChokerPeer): number =>
      place(a) - place(b) || debt(a) - debt(b) || a.since - b.since;
    const others = peers.filter((peer) => !served.has(peer)).sort(order);
    for (const peer of others.slice(0, slots - served.size)) served.add(peer);
    return { served, againAt: now + RANK_MS, rewards: true };
  };
}
