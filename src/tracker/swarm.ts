import { reflexiveAddress } from "./address.ts";
import { DEFAULT_PEERS, MAX_MEMBERS, MAX_PEERS } from "./limits.ts";
import { judge, TrackerMachine, type TrackerState } from "./machine.ts";
import type {
  ConnectRequest,
  FindRequest,
  PeerAddress,
  PeerInfo,
  PeerMode,
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

/** What a swarm keeps of one member; plain data, so that it can be stored. */
export interface Member {
  readonly peerId: string;
  readonly peerMode: PeerMode;
  /** Absent: a peer of the base protocol, whose Peer object keeps its machine and timer. */
  readonly token?: string;
  /** IP address at registration. */
  readonly source: string;
  readonly address: PeerAddress;
  /** TransactionID of the CONNECT that registered it, which makes a repeated one recognisable (§4.3). */
  readonly transactionId?: string;
  /** Where that address is. */
  readonly place?: Place;
  /** It has authenticated as a super-node. */
  readonly superNode?: true;
  /** What it last wanted of a peer list. */
  readonly wish: Wish;
  /** Join time, milliseconds since 1970. */
  readonly since: number;
  /** Last request, milliseconds since 1970. */
  readonly seen: number;
  readonly stat?: StreamStatistics;
  readonly properties?: PeerProperties;
}

/** Where members survive the end of the process or object. Synchronous, as SQLite in a Durable Object is. */
export interface SwarmStorage {
  /** Members in any order. */
  load(): Iterable<Member>;
  put(member: Member): void;
  delete(peerId: string): void;
}

/** What a swarm needs from its host. */
export interface SwarmHost {
  readonly storage: SwarmStorage;
  /** Milliseconds of silence after which a member is forgotten. */
  readonly trackTimer: number;
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
  /** Called when a member's registration has ended. */
  ended(peerId: string): void;
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
  readonly #ended = new RecentAnswers();
  readonly #listed: SampleSet<Member>;
  /** Members with an open signalling socket. */
  readonly #reachable: SampleSet<Member>;
  readonly #superNodes: SampleSet<Member>;
  readonly #topology: Topology;

  constructor(host: SwarmHost) {
    this.#host = host;
    this.#topology = host.topology ?? new Topology();
    this.#superNodes = new SampleSet(() => host.random());
    this.#listed = new SampleSet(() => host.random());
    this.#reachable = new SampleSet(() => host.random());
    for (const member of [...host.storage.load()].sort((a, b) => a.seen - b.seen)) this.#keep(member);
  }

  /** Number of members. */
  get size(): number {
    return this.#members.size;
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
    if (member === undefined && this.#members.size >= MAX_MEMBERS) return refusal("unavailable", "Swarm is full");
    const now = this.#host.now();
    const token = member?.token ?? this.#host.newToken();
    const wish = wishOf(peerMode, request);
    this.#store({
      // The text that is a key already, not one more of the same.
      peerId: member?.peerId ?? peerId,
      peerMode,
      token,
      address,
      transactionId,
      wish,
      since: member?.since ?? now,
      seen: now,
      ...this.#standing(asker),
      ...(member?.stat !== undefined && { stat: member.stat }),
      ...(member?.properties !== undefined && { properties: member.properties }),
    });
    const peers = [self, ...this.#list(swarmId, peerId, wish)];
    const registration = { token, trackTimer: Math.ceil(this.#host.trackTimer / 1000) };
    const swarmSizes = [{ swarmId, size: this.size }];
    return { ok: true, response: { response: "SUCCESSFUL", transactionId, results, peers, swarmSizes, registration } };
  }

  /** FIND of such a peer (RFC 7846). */
  onFind(request: FindRequest): Outcome {
    this.expire();
    const { peerId, transactionId, swarmId } = request;
    const member = this.#members.get(peerId);
    if (member === undefined) return NOT_REGISTERED;
    if (!holds(member, request.registration?.token)) return NOT_YOURS;
    const wish = wishOf("LEECH", request);
    this.#store({ ...member, wish, seen: this.#host.now() });
    const peers = this.#list(swarmId, peerId, wish);
    const swarmSizes = [{ swarmId, size: this.size }];
    return { ok: true, response: { response: "SUCCESSFUL", transactionId, peers, swarmSizes } };
  }

  /** STAT_REPORT of such a peer (§4.2). */
  onReport(request: StatReport): Outcome {
    this.expire();
    const { peerId, transactionId } = request;
    const member = this.#members.get(peerId);
    if (member === undefined) return NOT_REGISTERED;
    if (!holds(member, request.registration?.token)) return NOT_YOURS;
    this.#store({ ...reported(member, request.stats[0], request.properties), seen: this.#host.now() });
    const swarmSizes = [{ swarmId: request.stats[0]?.swarmId ?? "", size: this.size }];
    return { ok: true, response: { response: "SUCCESSFUL", transactionId, swarmSizes } };
  }

  /** See SwarmPort. */
  enter(swarmId: string, entry: Entry, wish: Wish): Listing | "unauthorized" | "unavailable" {
    this.expire();
    const member = this.#members.get(entry.peerId);
    if (member?.token !== undefined) return "unauthorized";
    if (member === undefined && this.#members.size >= MAX_MEMBERS) return "unavailable";
    const now = this.#host.now();
    const { peerId, peerMode, address, asker } = entry;
    const since = member?.since ?? now;
    const { superNode: _superNode, place: _place, ...before } = member ?? {};
    this.#store({ ...before, ...this.#standing(asker), peerId, peerMode, address, wish, since, seen: now });
    return { peers: this.#list(swarmId, peerId, wish), size: this.size };
  }

  /** See SwarmPort. */
  find(swarmId: string, peerId: string, _asker: Asker, wish: Wish): Listing | undefined {
    this.expire();
    const member = this.#members.get(peerId);
    if (member === undefined || member.token !== undefined) return undefined;
    return { peers: this.#list(swarmId, peerId, wish), size: this.size };
  }

  /** See SwarmPort. */
  remove(peerId: string): void {
    if (this.#members.get(peerId)?.token === undefined) this.#forget(peerId);
  }

  /** Ends a registration, whoever holds it. */
  evict(peerId: string): void {
    this.#forget(peerId);
  }

  /** See SwarmPort. */
  note(peerId: string, stat: StreamStatistics | undefined, properties: PeerProperties | undefined): void {
    const member = this.#members.get(peerId);
    if (member === undefined || member.token !== undefined) return;
    this.#store({ ...reported(member, stat, properties), seen: this.#host.now() });
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

  /** What a request shows about the peer itself. */
  #standing({ source, asn, country, superNode }: Asker): Pick<Member, "source" | "place" | "superNode"> {
    const edge = { ...(asn !== undefined && { asn }), ...(country !== undefined && { country }) };
    const place = this.#topology.placeOf(source, edge);
    return {
      source,
      ...(Object.keys(place).length > 0 && { place }),
      ...(superNode !== undefined && { superNode }),
    };
  }

  #list(swarmId: string, asker: string, wish: Wish): PeerInfo[] {
    return this.#ranked(asker, wish).map((member) => ({
      swarmId,
      peerId: member.peerId,
      addresses: isRelayOnly(member) ? [] : [member.address],
      ...(member.superNode && { superNode: true }),
    }));
  }

  /** Draws some members and ranks them: the work depends on the length of the list, not on the size of the swarm. */
  #ranked(peerId: string, { count, peerNum, position }: Wish): Member[] {
    if (count === 0) return [];
    // Those that can be signalled are of no use to others, nor the others to them.
    const pool = this.#reachable.has(peerId) ? this.#reachable : this.#listed;
    const candidates = [
      ...this.#superNodes.sample(superNodeSample(count), peerId).filter((other) => pool.has(other.peerId)),
      ...pool.sample(sampleSize(count), peerId),
    ];
    const asker = { peerId, wishes: peerNum, position, place: this.#members.get(peerId)?.place };
    return rank(candidates, asker, count, {
      now: this.#host.now(),
      random: () => this.#host.random(),
      cost: (from, to) => this.#topology.cost(from, to),
    });
  }

  #keep(member: Member): void {
    const { peerId } = member;
    this.#members.set(peerId, member);
    this.#listed.set(peerId, member);
    if (this.#reachable.has(peerId)) this.#reachable.set(peerId, member);
    if (member.superNode) this.#superNodes.set(peerId, member);
    else this.#superNodes.delete(peerId);
    this.#timed.delete(peerId);
    if (member.token !== undefined) this.#timed.add(peerId);
    this.#machine.count(this.#members.size);
  }

  #store(member: Member): void {
    this.#keep(member);
    this.#host.storage.put(member);
  }

  #forget(peerId: string): void {
    if (!this.#members.delete(peerId)) return;
    this.#timed.delete(peerId);
    this.#listed.delete(peerId);
    this.#reachable.delete(peerId);
    this.#superNodes.delete(peerId);
    this.#host.storage.delete(peerId);
    this.#host.ended(peerId);
    this.#machine.count(this.#members.size);
  }
}

/** The member with what it has just reported; what it left out is as before. */
function reported(member: Member, stat: StreamStatistics | undefined, properties: PeerProperties | undefined): Member {
  return {
    ...member,
    ...(stat !== undefined && { stat }),
    ...(properties !== undefined && { properties: { ...member.properties, ...properties } }),
  };
}

/** What a request wants of a peer list. */
export function wishOf(peerMode: PeerMode, { peerNum, position }: Pick<ConnectRequest, "peerNum" | "position">): Wish {
  return {
    count: listLength(peerMode, peerNum?.count),
    ...(peerNum !== undefined && { peerNum }),
    ...(position !== undefined && { position }),
  };
}

/** How many peers to list for a CONNECT (§4.1): seeders get none unless they ask. */
export const listLength = (peerMode: PeerMode, wanted: number | undefined): number =>
  Math.min(wanted ?? (peerMode === "LEECH" ? DEFAULT_PEERS : 0), MAX_PEERS);

/** Whether `token` is the member's; in constant time, so that it cannot be guessed digit by digit. */
function holds(member: Member, token: string | undefined): boolean {
  if (member.token === undefined || token === undefined || token.length !== member.token.length) return false;
  let difference = 0;
  for (let at = 0; at < token.length; at += 1) difference |= token.charCodeAt(at) ^ member.token.charCodeAt(at);
  return difference === 0;
}
