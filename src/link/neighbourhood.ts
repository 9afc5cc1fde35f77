import type { BaseLink } from "./base.ts";
import { parseSignal, type Signal, type SignalPayload } from "./signal.ts";

/** A link that comes about by signals; WebRtcLink is one. */
export interface SignalledLink extends BaseLink {
  receive(signal: Signal): void;
}

/** What makes a link to one neighbour. */
export interface LinkOptions {
  readonly id: string;
  readonly initiator: boolean;
  readonly signal: (signal: Signal) => void;
  readonly open: (link: SignalledLink) => void;
  readonly ended: () => void;
}

/** What a neighbourhood needs from its surroundings. */
export interface NeighbourhoodOptions {
  /** Our own Peer-ID. */
  readonly self: string;
  /** Most links that we offer; offers of others are taken as our line allows. */
  readonly maxNeighbours: number;
  /** Whether our line can carry more than is asked of it. @defaultValue not known: see `mayAccept` */
  readonly hasSpare?: (() => boolean) | undefined;
  /** Gives a payload to the tracker's relay; false if it cannot travel now. */
  readonly relay: (to: string, payload: SignalPayload) => boolean;
  readonly connect: (options: LinkOptions) => SignalledLink;
  readonly link: (link: SignalledLink, initiator: boolean) => void;
  /** Members or links have come or gone. */
  readonly changed: () => void;
}

/** From offer or answer to an open channel; ICE over a relay takes a few seconds at most, ms. */
const ATTEMPT_MS = 15_000;
/** Before the first retry with a peer that was lost or did not answer; doubled every time, ms. */
const RETRY_MS = 5000;
/** Before asking again a peer that had no room, ms. */
const REFUSED_MS = 30_000;
/** Failures in a row after which a peer is forgotten until the tracker lists it again. */
const FAILURES_MAX = 3;
/** Offers to a part of the swarm with which there is no link: one may fail. */
const BRIDGES = 2;
/** Members remembered; a tracker that lists more, or strangers that offer, add nothing beyond. */
const MEMBERS_MAX = 64;
const BANNED_MAX = 1024;
/** A link that lived shorter counts as a failure, or two that cannot get on would meet for ever, ms. */
const STEADY_MS = 30_000;
/** Parts of `maxNeighbours` that we take at most while our line can carry more, and while somebody waits for it: then newcomers turn to those who have room. */
const SPARE_SHARE = 2;
const BUSY_SHARE = 5 / 8;
/** Offers answered in any such time, since each costs a connection object whatever becomes of it: 16 in 10 s. */
const OFFERS_MAX = 16;
/** Of them, what one member may have; who looks for us after a failure offers every 5 s at most. */
const OFFERS_EACH = 4;
const OFFERS_MS = 10_000;
const PEER_ID_MAX = 128;

/** Another peer of the swarm. No `link`: known, and perhaps tried again after `notBefore`. */
interface Member {
  readonly id: string;
  failures: number;
  notBefore: number;
  attempt?: Attempt | undefined;
}

/** A link that is being made or is open. */
interface Attempt {
  /** The offerer's random name for it. */
  readonly name: string;
  readonly initiator: boolean;
  link?: SignalledLink;
  /** When it opened, ms; undefined: not yet. */
  openedAt?: number;
  timeout: ReturnType<typeof setTimeout>;
}

/**
 * Whether an offer is taken by who has so many neighbours, of whom so many had offered. `hasSpare`: whether the own line can carry
 * more; where nobody knows, neither more nor less than `maxNeighbours` are taken.
 */
export function mayAccept(maxNeighbours: number, neighbours: number, accepted: number, hasSpare?: boolean): boolean {
  const most = maxNeighbours * (hasSpare === undefined ? 1 : hasSpare ? SPARE_SHARE : BUSY_SHARE);
  return neighbours < most && accepted < most - Math.floor(maxNeighbours / 4);
}

const randomName = (): string => crypto.getRandomValues(new Uint32Array(1))[0]!.toString(16).padStart(8, "0");

/**
 * Decides with whom there is a link. We offer to members until half of the slots are taken, the other half is left for
 * offers from newcomers; and a quarter of the slots is never given to offers, so that nobody can surround us (RFC 7574
 * §13.6.1, HS.1). When two offer to each other at once, the offer of the lower Peer-ID stands.
 */
export class Neighbourhood {
  readonly #options: NeighbourhoodOptions;
  readonly #members = new Map<string, Member>();
  readonly #banned = new Set<string>();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #online = false;
  #closed = false;
  /** How many offers of whom were answered since `offersFrom`, ms: of few members, since all together are bounded. */
  readonly #offers = new Map<string, number>();
  #offersFrom = -Infinity;

  constructor(options: NeighbourhoodOptions) {
    this.#options = options;
  }

  /** Other members known now, with a link or without. */
  get known(): number {
    return this.#members.size;
  }

  /** Links that are open. */
  get linked(): number {
    return this.#attempts().filter(({ openedAt }) => openedAt !== undefined).length;
  }

  /** Members that might still be offered to. */
  get spare(): number {
    return [...this.#members.values()].filter(({ attempt }) => attempt === undefined).length;
  }

  /** Whether the link with this peer is open. */
  isLinked(id: string): boolean {
    return this.#members.get(id)?.attempt?.openedAt !== undefined;
  }

  /** Takes the tracker's list of other members. */
  list(peerIds: readonly string[]): void {
    for (const id of peerIds) this.#member(id);
    this.#fill();
    this.#bridge(peerIds);
    this.#options.changed();
  }

  /** Takes what another peer said through the relay. */
  receive(from: string, value: unknown): void {
    const payload = parseSignal(value);
    if (this.#closed || !payload) return;
    if (payload.type === "offer") {
      this.#offered(from, payload);
      this.#options.changed();
      return;
    }
    const member = this.#members.get(from);
    const attempt = member?.attempt;
    if (!member || attempt?.name !== payload.attempt) return;
    if (payload.type !== "refuse") attempt.link?.receive(payload);
    else if (attempt.initiator && attempt.openedAt === undefined) this.#lost(member, attempt, REFUSED_MS);
  }

  /** The relay could not reach this peer; a link that is open does not mind. */
  gone(id: string): void {
    const member = this.#members.get(id);
    if (member?.attempt && member.attempt.openedAt === undefined) this.#lost(member, member.attempt);
  }

  /** Ends the link with this peer and never makes one again. */
  ban(id: string): void {
    const [oldest] = this.#banned;
    if (this.#banned.size >= BANNED_MAX && oldest !== undefined) this.#banned.delete(oldest);
    this.#banned.add(id);
    const member = this.#members.get(id);
    if (!member) return;
    this.#members.delete(id);
    this.#drop(member);
    this.#fill();
    this.#options.changed();
  }

  /** What failed so far was the network's fault: everybody without a link may be tried at once. */
  forgive(): void {
    for (const member of this.#members.values()) member.failures = member.notBefore = 0;
    this.#fill();
  }

  /** Whether signals can travel now; offers wait while they cannot. Links do not mind. */
  set online(online: boolean) {
    this.#online = online;
    this.#fill();
  }

  /** Ends everything; no call comes after this. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const member of this.#members.values()) this.#drop(member);
    this.#members.clear();
  }

  #offered(from: string, offer: SignalPayload & Signal): void {
    if (offer.type === "candidate") return;
    const current = this.#members.get(from)?.attempt;
    // Glare: the lower Peer-ID's offer stands, and its owner waits for our answer.
    if (current?.initiator && current.openedAt === undefined && this.#options.self < from) return;
    // Otherwise whoever offers has no link any more, or never had one: this offer takes the place of what we have.
    // Counted last: who is not let in anyway uses up nothing of what the others may have.
    const room = this.#mayBe(from) && (current !== undefined || this.#mayAccept()) && this.#mayAnswer(from);
    const member = room ? this.#member(from) : undefined;
    if (!member) {
      this.#options.relay(from, { type: "refuse", attempt: offer.attempt });
      return;
    }
    this.#drop(member);
    this.#start(member, offer.attempt, false).link?.receive(offer);
  }

  #start(member: Member, name: string, initiator: boolean): Attempt {
    const { connect, relay, link: opened, changed } = this.#options;
    const attempt: Attempt = {
      name,
      initiator,
      timeout: setTimeout(() => this.#lost(member, attempt), ATTEMPT_MS),
    };
    member.attempt = attempt;
    attempt.link = connect({
      id: member.id,
      initiator,
      signal: (signal) => {
        // Without a relay nothing comes of it; candidates are dispensable, descriptions are not.
        const sent = relay(member.id, { ...signal, attempt: name });
        if (!sent && signal.type !== "candidate") this.#lost(member, attempt);
      },
      open: (link) => {
        if (member.attempt !== attempt) return;
        clearTimeout(attempt.timeout);
        attempt.openedAt = performance.now();
        opened(link, initiator);
        changed();
      },
      ended: () => this.#lost(member, attempt),
    });
    return attempt;
  }

  /** An attempt failed or a link ended: the slot is free. */
  #lost(member: Member, attempt: Attempt, wait = RETRY_MS * 2 ** member.failures): void {
    if (member.attempt !== attempt) return;
    this.#drop(member);
    const now = performance.now();
    const steady = attempt.openedAt !== undefined && now - attempt.openedAt > STEADY_MS;
    member.failures = steady ? 0 : member.failures + 1;
    member.notBefore = now + wait;
    if (member.failures >= FAILURES_MAX) this.#members.delete(member.id);
    this.#fill();
    this.#options.changed();
  }

  #drop(member: Member): void {
    const { attempt } = member;
    // First, so that the link's own end is not taken for a loss.
    member.attempt = undefined;
    clearTimeout(attempt?.timeout);
    attempt?.link?.close();
  }

  /** Makes offers as far as slots and members allow, and comes back when the next member may be tried. */
  #fill(): void {
    clearTimeout(this.#retry);
    if (this.#closed || !this.#online) return;
    const now = performance.now();
    let next = Infinity;
    for (const member of this.#members.values()) {
      if (!this.#mayOffer()) return;
      if (member.attempt) continue;
      if (member.notBefore > now) next = Math.min(next, member.notBefore - now);
      else this.#start(member, randomName(), true);
    }
    if (next < Infinity) this.#retry = setTimeout(() => this.#fill(), next);
  }

  /**
   * A list that names nobody with whom we have to do is of a part of the swarm that we do not touch, at another tracker
   * perhaps: two offers go there although half of the slots may be taken, so that the parts become one.
   */
  #bridge(peerIds: readonly string[]): void {
    if (this.#closed || !this.#online) return;
    const listed = peerIds.flatMap((id) => this.#members.get(id) ?? []);
    if (listed.some(({ attempt }) => attempt !== undefined)) return;
    const now = performance.now();
    const ready = listed.filter(({ notBefore }) => notBefore <= now).slice(0, BRIDGES);
    for (const member of ready) {
      if (this.#attempts().length < this.#options.maxNeighbours) this.#start(member, randomName(), true);
    }
  }

  #attempts(): Attempt[] {
    return [...this.#members.values()].flatMap(({ attempt }) => attempt ?? []);
  }

  #mayOffer(): boolean {
    const attempts = this.#attempts();
    const { maxNeighbours } = this.#options;
    if (attempts.length >= maxNeighbours) return false;
    const offered = attempts.filter(({ initiator }) => initiator).length;
    return attempts.length < Math.ceil(maxNeighbours / 2) || offered < Math.floor(maxNeighbours / 4);
  }

  #mayAccept(): boolean {
    const attempts = this.#attempts();
    const { maxNeighbours, hasSpare } = this.#options;
    const accepted = attempts.filter(({ initiator }) => !initiator).length;
    return mayAccept(maxNeighbours, attempts.length, accepted, hasSpare?.());
  }

  /** Counts an offer that is to be answered; false if there were too many lately, of this member or of all. */
  #mayAnswer(from: string): boolean {
    const now = performance.now();
    if (now - this.#offersFrom > OFFERS_MS) {
      this.#offersFrom = now;
      this.#offers.clear();
    }
    const own = this.#offers.get(from) ?? 0;
    let all = 0;
    for (const count of this.#offers.values()) all += count;
    if (own >= OFFERS_EACH || all >= OFFERS_MAX) return false;
    this.#offers.set(from, own + 1);
    return true;
  }

  /** Whether somebody of this name may be a member. */
  #mayBe(id: string): boolean {
    return id !== this.#options.self && id.length <= PEER_ID_MAX && !this.#banned.has(id);
  }

  /** The member of this name, new if need be. */
  #member(id: string): Member | undefined {
    const found = this.#members.get(id);
    if (found) return found;
    if (this.#closed || !this.#mayBe(id)) return undefined;
    if (this.#members.size >= MEMBERS_MAX) {
      // Links are far fewer, so there is somebody who was never needed.
      const spare = [...this.#members.values()].find(({ attempt }) => !attempt);
      if (!spare) return undefined;
      this.#members.delete(spare.id);
    }
    const member: Member = { id, failures: 0, notBefore: 0 };
    this.#members.set(id, member);
    return member;
  }
}
