import type { Voucher } from "../auth/grant.ts";
import { DEFAULT_LIMITS, type Limits } from "../limits.ts";
import type { Member } from "../member.ts";
import type { ConnectRequest, FindRequest, PeerProperties, StatReport, StreamStatistics } from "../messages.ts";
import { type Asker, type Entry, type Listing, NOT_YOURS, type Outcome, refusal, type Wish } from "../objects.ts";
import { networkOf } from "../sources.ts";
import type { Window } from "../shards/windows.ts";
import { type SwarmHost, SwarmTracker } from "../swarm.ts";
import { Switchboard, type SwitchboardHost } from "../switchboard.ts";
import { type AccountStorage, SwarmAccount } from "./account.ts";
import { isDefault, NO_POLICY, objection, type SwarmPolicy } from "./policy.ts";
import type { ContentCharacteristics, MemberSummary, SwarmSummary, SwarmTotals } from "./summary.ts";

/** Where a swarm and what an operator decided about it survive. */
export interface DeskStorage extends AccountStorage {
  loadPolicy(): SwarmPolicy | undefined;
  /** undefined: nothing has been decided any more. */
  savePolicy(policy: SwarmPolicy | undefined): void;
}

/** What a swarm with its signalling needs from its host. */
export interface DeskHost extends Omit<SwarmHost, "storage" | "ended">, SwitchboardHost {
  readonly swarmId: string;
  readonly storage: DeskStorage;
  /** The operator names the swarm: nobody need vouch for it. */
  readonly named: boolean;
  /** Public keys of the publishers by whose word swarms are served. */
  readonly publishers: { has(publisher: string): boolean };
  /** A time as ISO 8601 in UTC. */
  iso(at: number): string;
  /** Whether the swarm has more than is here, so that it has not ended when nobody is. */
  occupied?(): boolean;
}

/** A change that an operator makes; what is absent stays as it is. */
export interface PolicyChange {
  readonly p2p?: boolean;
  readonly content?: ContentCharacteristics;
}

/** What the management API does with one swarm; calls may cross objects. */
export interface DeskPort {
  describe(): Promise<SwarmSummary>;
  /** Members in the order of their Peer-IDs, behind `after`. */
  list(after: string, limit: number): Promise<readonly MemberSummary[]>;
  change(change: PolicyChange): Promise<SwarmSummary>;
  /** Ends a registration and lets this Peer-ID (and its address) not in again; false if nobody had it. */
  ban(peerId: string, withAddress: boolean, seconds: number | undefined): Promise<boolean>;
  unban(peerId: string): Promise<boolean>;
  /** Ends all registrations; how many there were. */
  close(): Promise<number>;
}

/**
 * One swarm at the tracker with all that is around its roster: signalling between members, sums of what they report,
 * and what an operator decides about it. The same in a Durable Object and under Node.
 */
export class SwarmDesk {
  /** Signalling between its members. */
  readonly signals: Switchboard;
  readonly #host: DeskHost;
  readonly #limits: Limits;
  readonly #swarm: SwarmTracker;
  readonly #account: SwarmAccount;
  #policy: SwarmPolicy;

  constructor(host: DeskHost) {
    this.#host = host;
    this.#account = new SwarmAccount(host.storage);
    this.#policy = host.storage.loadPolicy() ?? NO_POLICY;
    this.#limits = host.limits ?? DEFAULT_LIMITS;
    this.signals = new Switchboard(host, this.#limits, () => this.#swarm);
    this.#swarm = new SwarmTracker({
      ...host,
      storage: this.#account,
      now: () => host.now(),
      random: () => host.random(),
      newToken: () => host.newToken(),
      heard: (peerId) => this.signals.heard(peerId),
      ended: (peerId, moved) => this.signals.ended(peerId, moved),
    });
  }

  /** Nobody is in it, and nothing has been decided about it. */
  get idle(): boolean {
    return this.#swarm.size === 0 && isDefault(this.#policy) && this.#host.occupied?.() !== true;
  }

  /** Members. */
  get size(): number {
    return this.#swarm.size;
  }

  /** All that is kept of the members. */
  get members(): ReadonlyMap<string, Member> {
    return this.#account.members;
  }

  /** What an operator has decided. */
  get policy(): SwarmPolicy {
    return this.#policy;
  }

  /** What members that have left had reported. */
  get departed(): SwarmTotals {
    return this.#account.departed;
  }

  /** See SwarmTracker. */
  adopt(member: Member): void {
    this.#swarm.adopt(member);
  }

  /** Lets a member go that another object has taken over. */
  release(peerId: string): void {
    this.#account.release(peerId);
    this.#swarm.release(peerId);
  }

  /** Takes over what another object had counted of members that have left. */
  inherit(totals: SwarmTotals): void {
    this.#account.inherit(totals);
  }

  /** What other objects may show of these members. */
  window(): Window {
    return this.#swarm.window();
  }

  /** Begins anew, after all that was kept has been given away. */
  reset(): void {
    this.#account.clear();
    this.#policy = NO_POLICY;
  }

  /** See SwarmPort. */
  onConnect(request: ConnectRequest, asker: Asker): Outcome {
    const refused = this.#refused(request.peerId, asker);
    if (refused !== undefined) return refused;
    const outcome = this.#swarm.onConnect(request, asker);
    this.#grant(asker);
    if (outcome.ok && asker.subject !== undefined) this.#account.bind(request.peerId, asker.subject);
    return outcome;
  }

  /** See SwarmPort. */
  onFind(request: FindRequest, asker: Asker): Outcome {
    return this.#refused(request.peerId, asker) ?? this.#swarm.onFind(request);
  }

  /** See SwarmPort. */
  onReport(request: StatReport, asker: Asker): Outcome {
    return this.#refused(request.peerId, asker) ?? this.#swarm.onReport(request);
  }

  /** See SwarmPort. */
  enter(entry: Entry, wish: Wish): Listing | "unauthorized" | "forbidden" | "unavailable" {
    const refused = this.#refused(entry.peerId, entry.asker);
    if (refused !== undefined) return !refused.ok && refused.code === "unauthorized" ? "unauthorized" : "forbidden";
    const listing = this.#swarm.enter(this.#host.swarmId, entry, wish);
    this.#grant(entry.asker);
    if (typeof listing !== "string" && entry.asker.subject !== undefined) {
      this.#account.bind(entry.peerId, entry.asker.subject);
    }
    return listing;
  }

  /** See SwarmPort. */
  find(peerId: string, asker: Asker, wish: Wish): Listing | undefined {
    return this.#swarm.find(this.#host.swarmId, peerId, asker, wish);
  }

  /** See SwarmPort. */
  remove(peerId: string): void {
    this.#swarm.remove(peerId);
  }

  /** See SwarmPort. */
  note(peerId: string, stat: StreamStatistics | undefined, properties: PeerProperties | undefined): void {
    this.#swarm.note(peerId, stat, properties);
  }

  /** See SwarmTracker; forgets bans that are over too. */
  expire(): number | undefined {
    const due = Math.min(this.#lapse(), this.#expire() ?? Infinity);
    return due === Infinity ? undefined : due;
  }

  #expire(): number | undefined {
    const { granted } = this.#policy;
    if (this.#host.named) return this.#swarm.expire();
    if (this.#swarm.size > 0 && !this.#holds(granted)) this.#end();
    const due = this.#swarm.expire();
    return granted === undefined || this.#swarm.size === 0 ? due : Math.min(due ?? Infinity, granted.until);
  }

  /** Whether this peer may open a signalling socket. */
  admits(peerId: string, token: string): boolean {
    const member = this.#account.members.get(peerId);
    return member !== undefined && !this.#bars(member) && this.#swarm.admits(peerId, token);
  }

  /** A member has a signalling socket, as before its object was evicted. */
  reachable(peerId: string): void {
    this.#swarm.reachable(peerId);
  }

  /** What the registry is told; the last summary of a swarm takes its sums along. */
  describe(): SwarmSummary {
    this.#lapse();
    const { swarmId } = this.#host;
    const { p2p, bans, content, granted } = this.#policy;
    const summary: SwarmSummary = {
      swarmId,
      members: this.#swarm.size,
      seeds: this.#account.seeds,
      sockets: this.#host.sockets().length,
      totals: this.#account.totals,
      signals: this.signals.count(),
      p2p,
      bans: bans.length,
      ...(content !== undefined && { content }),
      ...(granted !== undefined && { publisher: granted.publisher }),
      ...(this.idle && { ended: true }),
    };
    if (this.idle) this.#account.clear();
    return summary;
  }

  /** See DeskPort. */
  list(after: string, limit: number): readonly MemberSummary[] {
    const now = this.#host.now();
    const ids = [...this.#account.members.keys()].filter((peerId) => peerId > after).sort();
    return ids.slice(0, limit).flatMap((peerId) => {
      const member = this.#account.members.get(peerId);
      if (member === undefined) return [];
      const { peerMode, since, seen, stat, properties } = member;
      return {
        peerId,
        peerMode,
        reachable: this.signals.reaches(peerId),
        since: this.#host.iso(since),
        silent: Math.max(0, Math.round((now - Math.max(seen, this.signals.heard(peerId))) / 1000)),
        uploadedBytes: stat?.uploadedBytes ?? 0,
        downloadedBytes: stat?.downloadedBytes ?? 0,
        stalls: properties?.playback?.stalls ?? 0,
        rejected: properties?.playback?.rejected ?? 0,
      };
    });
  }

  /** See DeskPort. */
  change({ p2p, content }: PolicyChange): void {
    this.#decide({
      ...this.#policy,
      ...(p2p !== undefined && { p2p }),
      ...(content !== undefined && { content }),
    });
    this.#expel();
  }

  /** See DeskPort; `elsewhere` is the address of a member that another object has. */
  ban(peerId: string, withAddress: boolean, seconds: number | undefined, elsewhere?: string): boolean {
    const now = this.#host.now();
    const member = this.#account.members.get(peerId);
    const source = withAddress ? (member?.source ?? elsewhere) : undefined;
    const others = this.#policy.bans.filter((ban) => ban.peerId !== peerId);
    const ban = {
      peerId,
      ...(source !== undefined && { source: networkOf(source) }),
      ...(seconds !== undefined && { until: now + seconds * 1000 }),
    };
    this.#decide({ ...this.#policy, bans: [...others, ban].slice(-this.#limits.bans) });
    this.#expel();
    return member !== undefined || elsewhere !== undefined;
  }

  /** Takes over what an operator has decided at another object of the swarm. */
  obey({ granted, ...policy }: SwarmPolicy): void {
    const { granted: own } = this.#policy;
    this.#decide({ ...policy, ...(own !== undefined && { granted: own }) });
    this.vouch(granted);
    this.#expel();
  }

  /** See DeskPort. */
  unban(peerId: string): boolean {
    const bans = this.#policy.bans.filter((ban) => ban.peerId !== peerId);
    const had = bans.length < this.#policy.bans.length;
    if (had) this.#decide({ ...this.#policy, bans });
    return had;
  }

  /** See DeskPort. */
  close(): number {
    const ids = [...this.#account.members.keys()];
    for (const peerId of ids) this.#swarm.evict(peerId);
    return ids.length;
  }

  /** Forgets bans that are over; when the next one will be, milliseconds since 1970. */
  #lapse(): number {
    const now = this.#host.now();
    const bans = this.#policy.bans.filter(({ until = Infinity }) => until > now);
    if (bans.length < this.#policy.bans.length) this.#decide({ ...this.#policy, bans });
    return Math.min(...bans.map(({ until = Infinity }) => until));
  }

  /** Ends the registrations of all that may not be in the swarm any more, under whatever Peer-ID. */
  #expel(): void {
    const barred = [...this.#account.members.values()].filter((member) => this.#bars(member));
    for (const { peerId } of barred) this.#swarm.evict(peerId);
  }

  #bars(member: Member): boolean {
    return objection(this.#policy, member.peerId, member, this.#host.now()) !== undefined;
  }

  #decide(policy: SwarmPolicy): void {
    this.#policy = policy;
    this.#host.storage.savePolicy(isDefault(policy) && policy.granted === undefined ? undefined : policy);
  }

  /** Remembers who vouches for the swarm, as this object or another one of it was told. */
  vouch(word: Voucher | undefined): void {
    if (!this.#holds(word) || word.until <= (this.#policy.granted?.until ?? 0)) return;
    this.#decide({ ...this.#policy, granted: word });
  }

  /** Remembers who vouches for a swarm that has members, so that not every request need say so. */
  #grant({ vouched }: Asker): void {
    const word = vouched?.get(this.#host.swarmId);
    if (typeof word === "object" && this.#swarm.size > 0) this.vouch(word);
  }

  #holds(word: Voucher | undefined): word is Voucher {
    return word !== undefined && word.until > this.#host.now() && this.#host.publishers.has(word.publisher);
  }

  /** Nobody vouches for the swarm any more. */
  #end(): void {
    this.close();
    const { granted: _, ...policy } = this.#policy;
    this.#decide(policy);
  }

  #refused(peerId: string, asker: Asker): Outcome | undefined {
    const { granted } = this.#policy;
    // What a swarm without members knew is gone from storage.
    const over = this.#swarm.size === 0 && this.#host.occupied?.() !== true;
    if (granted !== undefined && (over || !this.#holds(granted))) this.#end();
    const word = asker.vouched?.get(this.#host.swarmId);
    if (typeof word === "string" && this.#policy.granted === undefined) return refusal("forbidden", word);
    const reason = objection(this.#policy, peerId, asker, this.#host.now());
    if (reason !== undefined) return refusal("forbidden", reason);
    const bound = this.#account.members.get(peerId)?.subject;
    return bound !== undefined && bound !== asker.subject ? NOT_YOURS : undefined;
  }
}
