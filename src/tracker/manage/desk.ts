import { Mailboxes } from "../mailbox.ts";
import type { Member } from "../member.ts";
import type { ConnectRequest, FindRequest, PeerProperties, StatReport, StreamStatistics } from "../messages.ts";
import { type Asker, type Entry, type Listing, NOT_YOURS, type Outcome, refusal, type Wish } from "../objects.ts";
import type { Window } from "../shards/windows.ts";
import { CLOSE, readSignal, SignalAllowance } from "../signal.ts";
import { type SwarmHost, SwarmTracker } from "../swarm.ts";
import { type AccountStorage, SwarmAccount } from "./account.ts";
import { isDefault, MAX_BANS, NO_POLICY, objection, type SwarmPolicy } from "./policy.ts";
import type { ContentCharacteristics, MemberSummary, SwarmSummary, SwarmTotals } from "./summary.ts";

/** A signalling socket as a swarm needs it. */
export interface DeskSocket {
  send(text: string): void;
  close(code: number, reason: string): void;
}

/** Where a swarm and what an operator decided about it survive. */
export interface DeskStorage extends AccountStorage {
  loadPolicy(): SwarmPolicy | undefined;
  /** undefined: nothing has been decided any more. */
  savePolicy(policy: SwarmPolicy | undefined): void;
}

/** What a swarm with its signalling needs from its host. */
export interface DeskHost extends Omit<SwarmHost, "storage" | "ended"> {
  readonly swarmId: string;
  readonly storage: DeskStorage;
  /** Open signalling sockets of one member, or of all. */
  sockets(peerId?: string): readonly DeskSocket[];
  /** A time as ISO 8601 in UTC. */
  iso(at: number): string;
  /** Whether the swarm has more than is here, so that it has not ended when nobody is. */
  occupied?(): boolean;
  /** Hands a signal to the object that the receiver is at, which says whether it got it; undefined when that is this one. */
  pass?(to: string, text: string): Promise<boolean> | undefined;
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
  readonly #host: DeskHost;
  readonly #swarm: SwarmTracker;
  readonly #account: SwarmAccount;
  readonly #mailboxes: Mailboxes;
  readonly #allowances = new WeakMap<DeskSocket, SignalAllowance>();
  #policy: SwarmPolicy;
  #signals = 0;

  constructor(host: DeskHost) {
    this.#host = host;
    this.#account = new SwarmAccount(host.storage);
    this.#policy = host.storage.loadPolicy() ?? NO_POLICY;
    this.#mailboxes = new Mailboxes({
      admits: (peerId, token) => this.#swarm.admits(peerId, token),
      opened: (peerId) => {
        for (const socket of host.sockets(peerId)) socket.close(CLOSE.replaced, "replaced by a poll");
        return this.#swarm.opened(peerId);
      },
      lapsed: (peerId) => {
        if (host.sockets(peerId).length === 0) this.#swarm.closed(peerId);
      },
      send: (to, text, gone) => this.#send(to, text, gone),
      now: () => host.now(),
      newSession: () => host.newToken(),
    });
    this.#swarm = new SwarmTracker({
      ...host,
      storage: this.#account,
      now: () => host.now(),
      random: () => host.random(),
      newToken: () => host.newToken(),
      heard: (peerId) => this.#heard(peerId),
      ended: (peerId, moved) => {
        this.#mailboxes.delete(peerId);
        const [code, reason] = moved ? [CLOSE.moved, "swarm has grown"] : [CLOSE.ended, "registration ended"];
        for (const socket of host.sockets(peerId)) socket.close(code, reason);
      },
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

  /** See SwarmTracker. */
  expire(): number | undefined {
    return this.#swarm.expire();
  }

  /** Whether this peer may open a signalling socket. */
  admits(peerId: string, token: string): boolean {
    return this.#swarm.admits(peerId, token);
  }

  /** A member has a signalling socket, as before its object was evicted. */
  reachable(peerId: string): void {
    this.#swarm.reachable(peerId);
  }

  /** A member's signalling socket is open: its first message. */
  opened(peerId: string): string {
    this.#mailboxes.delete(peerId);
    return JSON.stringify({ peers: this.#swarm.opened(peerId) });
  }

  /** A member's last signalling socket has closed. */
  closed(peerId: string): void {
    if (!this.#mailboxes.has(peerId)) this.#swarm.closed(peerId);
  }

  /** Answers a poll, for members whose network lets no socket through. Never rejects. */
  poll(request: Request): Promise<Response> {
    return this.#mailboxes.answer(request);
  }

  /** A message from a member's socket that is open. */
  receive(socket: DeskSocket, from: string, message: unknown): void {
    const now = this.#host.now();
    const allowance = this.#allowances.get(socket) ?? new SignalAllowance(now);
    this.#allowances.set(socket, allowance);
    if (!allowance.take(now)) {
      socket.close(CLOSE.tooMany, "too many signals");
      return;
    }
    const relay = readSignal(from, message);
    if (relay.kind === "close") {
      socket.close(relay.code, relay.reason);
      return;
    }
    this.#send(relay.to, relay.text, () => socket.send(JSON.stringify({ gone: relay.to })));
  }

  /** Hands a signal to a member that is here; false when it cannot be reached. */
  hand(to: string, text: string): boolean {
    return this.#deliver(to, text) || this.#mailboxes.put(to, text);
  }

  /** What the registry is told; the last summary of a swarm takes its sums along. */
  describe(): SwarmSummary {
    const { swarmId } = this.#host;
    const { p2p, bans, content } = this.#policy;
    const signals = this.#signals;
    this.#signals = 0;
    const summary: SwarmSummary = {
      swarmId,
      members: this.#swarm.size,
      seeds: this.#account.seeds,
      sockets: this.#host.sockets().length,
      totals: this.#account.totals,
      signals,
      p2p,
      bans: bans.length,
      ...(content !== undefined && { content }),
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
        reachable: this.#host.sockets(peerId).length > 0 || this.#mailboxes.has(peerId),
        since: this.#host.iso(since),
        silent: Math.max(0, Math.round((now - Math.max(seen, this.#heard(peerId))) / 1000)),
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
    if (p2p === false) this.close();
  }

  /** See DeskPort; `elsewhere` is the address of a member that another object has. */
  ban(peerId: string, withAddress: boolean, seconds: number | undefined, elsewhere?: string): boolean {
    const now = this.#host.now();
    const member = this.#account.members.get(peerId);
    const source = withAddress ? (member?.source ?? elsewhere) : undefined;
    const others = this.#policy.bans.filter((ban) => ban.peerId !== peerId && (ban.until ?? Infinity) > now);
    const ban = {
      peerId,
      ...(source !== undefined && { source }),
      ...(seconds !== undefined && { until: now + seconds * 1000 }),
    };
    this.#decide({ ...this.#policy, bans: [...others, ban].slice(-MAX_BANS) });
    this.#swarm.evict(peerId);
    return member !== undefined || elsewhere !== undefined;
  }

  /** Takes over what an operator has decided at another object of the swarm. */
  obey(policy: SwarmPolicy): void {
    this.#decide(policy);
    for (const { peerId, until } of policy.bans) if ((until ?? Infinity) > this.#host.now()) this.#swarm.evict(peerId);
    if (!policy.p2p) this.close();
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

  #heard(peerId: string): number {
    return Math.max(this.#host.heard(peerId), this.#mailboxes.heard(peerId));
  }

  /** Hands a signal to a member of the swarm, wherever it is; calls `gone`, now or later, when it cannot be reached. */
  #send(to: string, text: string, gone: () => void): void {
    if (this.hand(to, text)) return;
    const passed = this.#host.pass?.(to, text);
    if (passed === undefined) return gone();
    // `passed` never rejects.
    void passed.then((reached) => (reached ? undefined : gone()));
  }

  /** Hands a signal to a member that has a socket. */
  #deliver(to: string, text: string): boolean {
    const [receiver] = this.#host.sockets(to);
    if (receiver === undefined) return false;
    receiver.send(text);
    this.#signals += 1;
    return true;
  }

  #decide(policy: SwarmPolicy): void {
    this.#policy = policy;
    this.#host.storage.savePolicy(isDefault(policy) ? undefined : policy);
  }

  #refused(peerId: string, asker: Asker): Outcome | undefined {
    const reason = objection(this.#policy, peerId, asker, this.#host.now());
    if (reason !== undefined) return refusal("forbidden", reason);
    const bound = this.#account.members.get(peerId)?.subject;
    return bound !== undefined && bound !== asker.subject ? NOT_YOURS : undefined;
  }
}
