import { reflexiveAddress } from "./address.ts";
import { addressesFor, type CheckAddress, checkFurther, furtherAddresses } from "./further.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { judge, TrackerMachine, type TrackerState } from "./machine.ts";
import { holds, type ListedMember, type Member, reported } from "./member.ts";
import type {
  ConnectRequest,
  FindRequest,
  PeerAddress,
  PeerInfo,
  PeerProperties,
  StatReport,
  StreamStatistics,
} from "./messages.ts";
import {
  type Asker,
  type Entry,
  type Listing,
  NOT_ALLOWED,
  NOT_REGISTERED,
  NOT_YOURS,
  type Outcome,
  refusal,
  type Wish,
} from "./objects.ts";
import { type Place, Topology } from "./place.ts";
import { isRelayOnly, rank, sampleSize, superNodeSample } from "./ranking.ts";
import { RecentAnswers } from "./retries.ts";
import { SampleSet } from "./roster.ts";
import { mixedCandidates, type Others, type Window, windowOf } from "./shards/windows.ts";
import { wishOf } from "./wish.ts";

/** Where members survive the end of the process or object. Synchronous, as SQLite in a Durable Object is. */
export interface SwarmStorage {
  /** Members in any order. */
  load(): Iterable<Member>;
  put(member: Member): void;
  delete(peerId: string): void;
}

/** What a registration says of its peer. */
type Shown = Pick<Member, "peerMode" | "token" | "address" | "transactionId" | "wish" | "relayOnly" | "seen">;

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** What a swarm needs from its host. */
export interface SwarmHost {
  readonly storage: SwarmStorage;
  /** Milliseconds of silence after which a member is forgotten. */
  readonly trackTimer: number;
  /** @defaultValue those of the parameters */
  readonly limits?: Limits;
  /** Where networks are and what traffic between them costs. @defaultValue nothing is known but what the edge says */
  readonly topology?: Topology;
  /** Milliseconds since 1970. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  /** An unguessable token of visible characters. */
  newToken(): string;
  /** Last sign of life on the member's signalling socket or poll, milliseconds since 1970; 0 when it has none. */
  heard(peerId: string): number;
  /** Checks the further addresses of members. @defaultValue they are never listed */
  readonly checkAddress?: CheckAddress;
  /** Called when a member's registration has ended, or when it is at another object from now on. */
  ended(peerId: string, moved?: true): void;
  /** Members of this swarm at other objects; absent: there are none. */
  readonly others?: Pick<Others, "size" | "pool">;
}

/** One swarm at the tracker: roster, peer lists, and the machines of members with tokens (§2.4). */
export class SwarmTracker {
  readonly #host: SwarmHost;
  readonly #members = new Map<string, Member>();
  /** Members with a track timer, longest silent first: only the front is ever looked at. */
  readonly #timed = new Set<string>();
  /** Before this moment nobody has been silent for too long, milliseconds since 1970. */
  #due = 0;
  readonly #machine = new TrackerMachine();
  readonly #limits: Limits;
  readonly #ended: RecentAnswers;
  readonly #listed: SampleSet<Member>;
  /** Members with an open signalling socket. */
  readonly #reachable: SampleSet<Member>;
  readonly #superNodes: SampleSet<Member>;
  readonly #topology: Topology;

  constructor(host: SwarmHost) {
    this.#host = host;
    this.#limits = host.limits ?? DEFAULT_LIMITS;
    this.#ended = new RecentAnswers(this.#limits);
    this.#topology = host.topology ?? new Topology();
    this.#superNodes = new SampleSet(() => host.random());
    this.#listed = new SampleSet(() => host.random());
    this.#reachable = new SampleSet(() => host.random());
    for (const member of [...host.storage.load()].sort((a, b) => a.seen - b.seen)) this.#keep(member);
  }

  /** Number of members here. */
  get size(): number {
    return this.#members.size;
  }

  get #full(): boolean {
    return this.#members.size >= this.#limits.members;
  }

  /** Number of members of the swarm, those at other objects included. */
  get total(): number {
    return this.#members.size + (this.#host.others?.size ?? 0);
  }

  /** State of the tracker as far as this swarm goes (Figure 4). */
  get state(): TrackerState {
    return this.#machine.state;
  }

  /** CONNECT of a peer that asks for a token or shows one (§4.1 and our Registration extension). */
  onConnect(request: ConnectRequest, asker: Asker): Outcome {
    this.expire();
    const { source } = asker;
    const { peerId, transactionId } = request;
    const swarmId = request.actions[0]?.swarmId ?? "";
    const member = this.#members.get(peerId);
    // Most requests neither begin nor end a registration.
    const key = (): string => JSON.stringify([source, request]);
    const answered = member === undefined ? this.#ended.get(key(), this.#host.now()) : undefined;
    if (answered !== undefined) return answered;
    const repeated = member?.transactionId === transactionId && member.source === source;
    if (member !== undefined && !repeated && !holds(member, request.registration?.token)) return NOT_YOURS;
    const joined = new Map(member === undefined ? [] : [[swarmId, member.peerMode]]);
    const verdict = judge(request.actions, joined, true);
    if (verdict.state === "TERMINATE") this.#forget(peerId);
    if (!verdict.valid)
      return member === undefined ? NOT_ALLOWED : this.#ended.set(key(), NOT_ALLOWED, this.#host.now());
    const results = request.actions.map((action) => action.transactionId);
    const address = reflexiveAddress(source, request.addresses);
    const self: PeerInfo = { peerId, addresses: [address] };
    const peerMode = verdict.join.get(swarmId);
    if (peerMode === undefined) {
      const outcome: Outcome = {
        ok: true,
        response: { response: "SUCCESSFUL", transactionId, results, peers: [self] },
      };
      return this.#ended.set(key(), outcome, this.#host.now());
    }
    if (member === undefined && this.#full) return refusal("unavailable", "Swarm is full");
    const now = this.#host.now();
    const token = member?.token ?? this.#host.newToken();
    const wish = wishOf(peerMode, request, this.#limits);
    const shown: Mutable<Shown> = { peerMode, token, address, transactionId, wish, seen: now };
    if (request.registration?.relayOnly) shown.relayOnly = true;
    this.#store(this.#entry(swarmId, peerId, asker, shown, member));
    this.#check(swarmId, peerId, furtherAddresses(request.addresses, address));
    const peers = [self, ...this.#list(swarmId, peerId, wish)];
    const registration = { token, trackTimer: Math.ceil(this.#host.trackTimer / 1000) };
    const swarmSizes = [{ swarmId, size: this.total }];
    return { ok: true, response: { response: "SUCCESSFUL", transactionId, results, peers, swarmSizes, registration } };
  }

  /** FIND of such a peer (RFC 7846). */
  onFind(request: FindRequest): Outcome {
    this.expire();
    const { peerId, transactionId, swarmId } = request;
    const member = this.#members.get(peerId);
    if (member === undefined) return NOT_REGISTERED;
    if (!holds(member, request.registration?.token)) return NOT_YOURS;
    const wish = wishOf("LEECH", request, this.#limits);
    this.#store({ ...member, wish, seen: this.#host.now() });
    const peers = this.#list(swarmId, peerId, wish);
    const swarmSizes = [{ swarmId, size: this.total }];
    return { ok: true, response: { response: "SUCCESSFUL", transactionId, peers, swarmSizes } };
  }

  /** STAT_REPORT of such a peer (§4.2). */
  onReport(request: StatReport): Outcome {
    this.expire();
    const { peerId, transactionId } = request;
    const member = this.#members.get(peerId);
    if (member === undefined) return NOT_REGISTERED;
    if (!holds(member, request.registration?.token)) return NOT_YOURS;
    this.#store(reported(member, request.stats[0], request.properties, this.#host.now()));
    const swarmSizes = [{ swarmId: request.stats[0]?.swarmId ?? "", size: this.total }];
    return { ok: true, response: { response: "SUCCESSFUL", transactionId, swarmSizes } };
  }

  /** See SwarmPort. */
  enter(swarmId: string, entry: Entry, wish: Wish): Listing | "unauthorized" | "unavailable" {
    this.expire();
    const member = this.#members.get(entry.peerId);
    if (member?.token !== undefined) return "unauthorized";
    if (member === undefined && this.#full) return "unavailable";
    const now = this.#host.now();
    const { peerId, peerMode, address, further = [], asker } = entry;
    this.#store(this.#entry(swarmId, peerId, asker, { peerMode, address, wish, seen: now }, member));
    this.#check(swarmId, peerId, further);
    return { peers: this.#list(swarmId, peerId, wish), size: this.total };
  }

  /** See SwarmPort. */
  find(swarmId: string, peerId: string, _asker: Asker, wish: Wish): Listing | undefined {
    this.expire();
    const member = this.#members.get(peerId);
    if (member === undefined || member.token !== undefined) return undefined;
    return { peers: this.#list(swarmId, peerId, wish), size: this.total };
  }

  /** See SwarmPort. */
  remove(peerId: string): void {
    if (this.#members.get(peerId)?.token === undefined) this.#forget(peerId);
  }

  /** Ends a registration, whoever holds it. */
  evict(peerId: string): void {
    this.#forget(peerId);
  }

  /** Takes over a member from another object: those that have been silent longest first. */
  adopt(member: Member): void {
    this.#due = 0;
    this.#store(member);
  }

  /** Lets a member go that another object has taken over. */
  release(peerId: string): void {
    if (this.#drop(peerId)) this.#host.ended(peerId, true);
  }

  /** What other objects may show of these members. */
  window(): Window {
    const current = (member: ListedMember): ListedMember => {
      const heard = this.#host.heard(member.peerId);
      return heard > member.seen ? { ...member, seen: heard } : member;
    };
    return windowOf(this.#listed, this.#reachable, this.#superNodes, current);
  }

  /** See SwarmPort. */
  note(peerId: string, stat: StreamStatistics | undefined, properties: PeerProperties | undefined): void {
    const member = this.#members.get(peerId);
    if (member === undefined || member.token !== undefined) return;
    this.#store(reported(member, stat, properties, this.#host.now()));
  }

  /** Whether this peer has registered as one that is met at a relay only. */
  isRelayOnly(peerId: string): boolean {
    return this.#members.get(peerId)?.relayOnly === true;
  }

  /** Whether this peer may open a signalling socket. */
  admits(peerId: string, token: string): boolean {
    this.expire();
    const member = this.#members.get(peerId);
    return member !== undefined && holds(member, token);
  }

  /** A member can be signalled, as before its object was evicted. */
  reachable(peerId: string): void {
    const member = this.#members.get(peerId);
    if (member !== undefined) this.#reachable.set(peerId, member);
  }

  /** A member can be signalled from now on: the others that can be, as many as it wants, best first. */
  opened(peerId: string): readonly string[] {
    this.reachable(peerId);
    const wish = this.#members.get(peerId)?.wish ?? { count: 0 };
    return this.#ranked(peerId, wish).map((member) => member.peerId);
  }

  /** A member can no longer be signalled. */
  closed(peerId: string): void {
    this.#reachable.delete(peerId);
  }

  /** Forgets members that were silent for longer than the track timer; when to call again at the latest. */
  expire(): number | undefined {
    const { trackTimer } = this.#host;
    const now = this.#host.now();
    // A Set keeps holes where members were before they reported: its front is far to look at each time.
    if (now < this.#due) return this.#due;
    this.#due = 0;
    for (const peerId of this.#timed) {
      const member = this.#members.get(peerId);
      if (member === undefined) continue;
      if (member.seen + trackTimer > now) return (this.#due = member.seen + trackTimer);
      const heard = this.#host.heard(peerId);
      if (heard + trackTimer > now) this.#store({ ...member, seen: heard });
      else this.#forget(peerId);
    }
    return undefined;
  }

  /** The entry of a peer that registers (again): what it shows now, and of before what it has reported. */
  #entry(swarmId: string, peerId: string, asker: Asker, shown: Shown, before: Member | undefined): Member {
    const { source, asn, country, superNodeOf } = asker;
    const { seen } = shown;
    // Properties one by one: this is done for every CONNECT, and spread objects cost more than all else about it.
    // The text that is a key already, not one more of the same.
    const entry: Mutable<Member> = { peerId: before?.peerId ?? peerId, source, since: before?.since ?? seen, ...shown };
    const edge: Mutable<Place> = {};
    if (asn !== undefined) edge.asn = asn;
    if (country !== undefined) edge.country = country;
    const place = this.#topology.placeOf(source, edge);
    if (Object.keys(place).length > 0) entry.place = place;
    if (superNodeOf?.includes(swarmId)) entry.superNode = true;
    if (before?.further !== undefined) entry.further = before.further;
    if (before?.checked !== undefined) entry.checked = before.checked;
    if (before?.stat !== undefined) entry.stat = before.stat;
    if (before?.properties !== undefined) entry.properties = before.properties;
    return entry;
  }

  /** Has the further addresses checked that a member states. */
  #check(swarmId: string, peerId: string, further: readonly PeerAddress[]): void {
    const member = (): Member | undefined => this.#members.get(peerId);
    checkFurther(swarmId, further, member, (changed) => this.#store(changed), this.#host.checkAddress);
  }

  #list(swarmId: string, asker: string, wish: Wish): PeerInfo[] {
    const source = this.#members.get(asker)?.source ?? "";
    return this.#ranked(asker, wish).map((member): PeerInfo => {
      const { peerId } = member;
      const addresses = isRelayOnly(member) ? [] : addressesFor(member, source);
      return member.superNode ? { swarmId, peerId, addresses, superNode: true } : { swarmId, peerId, addresses };
    });
  }

  /** Draws some members and ranks them: the work depends on the length of the list, not on the size of the swarm. */
  #ranked(peerId: string, { count, peerNum, position }: Wish): ListedMember[] {
    if (count === 0) return [];
    const now = this.#host.now();
    // Those that can be signalled are of no use to others, nor the others to them.
    const kind = this.#reachable.has(peerId) ? "reachable" : "all";
    const pool = kind === "reachable" ? this.#reachable : this.#listed;
    const superNodes =
      this.#superNodes.size === 0
        ? []
        : this.#superNodes.sample(superNodeSample(count), peerId).filter((other) => pool.has(other.peerId));
    const others = this.#host.others?.pool(kind);
    const candidates =
      others === undefined
        ? superNodes.concat(pool.sample(sampleSize(count), peerId))
        : mixedCandidates({
            except: peerId,
            count,
            pool,
            superNodes,
            others,
            random: () => this.#host.random(),
          }).flatMap(
            // Who has come here since the others were shown is as this object knows it.
            (other) => this.#members.get(other.peerId) ?? (other.seen + this.#host.trackTimer > now ? other : []),
          );
    const asker = { peerId, wishes: peerNum, position, place: this.#members.get(peerId)?.place };
    return rank(candidates, asker, count, {
      now,
      random: () => this.#host.random(),
      cost: (from, to) => this.#topology.cost(from, to),
    });
  }

  #keep(member: Member): void {
    const { peerId } = member;
    this.#members.set(peerId, member);
    this.#listed.set(peerId, member);
    if (this.#reachable.size > 0 && this.#reachable.has(peerId)) this.#reachable.set(peerId, member);
    if (member.superNode) this.#superNodes.set(peerId, member);
    else if (this.#superNodes.size > 0) this.#superNodes.delete(peerId);
    this.#timed.delete(peerId);
    if (member.token !== undefined) this.#timed.add(peerId);
    this.#machine.count(this.#members.size);
  }

  #store(member: Member): void {
    this.#keep(member);
    this.#host.storage.put(member);
  }

  #forget(peerId: string): void {
    if (!this.#drop(peerId)) return;
    this.#host.storage.delete(peerId);
    this.#host.ended(peerId);
  }

  #drop(peerId: string): boolean {
    if (!this.#members.delete(peerId)) return false;
    this.#timed.delete(peerId);
    this.#listed.delete(peerId);
    this.#reachable.delete(peerId);
    this.#superNodes.delete(peerId);
    this.#machine.count(this.#members.size);
    return true;
  }
}
