import type { Voucher } from "../auth/grant.ts";
import { DEFAULT_LIMITS, type Limits } from "../limits.ts";
import { Mailboxes } from "../mailbox.ts";
import type { ConnectRequest, FindRequest, PeerProperties, StatReport, StreamStatistics } from "../messages.ts";
import { type Asker, type Entry, type Listing, NOT_YOURS, type Outcome, refusal, type Wish } from "../objects.ts";
import {
  CLOSE,
  exposesAddress,
  receiveSignal,
  SignalAllowance,
  type SignalCodec,
  type SignalMessage,
} from "../signal.ts";
import { type SwarmHost, SwarmTracker } from "../swarm.ts";
import { type AccountStorage, SwarmAccount } from "./account.ts";
import { isDefault, NO_POLICY, objection, type SwarmPolicy } from "./policy.ts";
import type { ContentCharacteristics, MemberSummary, SwarmSummary } from "./summary.ts";

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
  /** The encoding that a socket was opened with. */
  encoding(socket: DeskSocket): SignalCodec;
  /** The operator names the swarm: nobody need vouch for it. */
  readonly named: boolean;
  /** Public keys of the publishers by whose word swarms are served. */
  readonly publishers: { has(publisher: string): boolean };
  /** A time as ISO 8601 in UTC. */
  iso(at: number): string;
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
  readonly #limits: Limits;
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
    this.#limits = host.limits ?? DEFAULT_LIMITS;
    this.#mailboxes = new Mailboxes({
      limits: this.#limits,
      admits: (peerId, token) => this.#swarm.admits(peerId, token),
      opened: (peerId) => {
        for (const socket of host.sockets(peerId)) socket.close(CLOSE.replaced, "replaced by a poll");
        return this.#swarm.opened(peerId);
      },
      lapsed: (peerId) => {
        if (host.sockets(peerId).length === 0) this.#swarm.closed(peerId);
      },
      relays: (from, payload) => this.#relays(from, payload),
      deliver: (to, message) => this.#deliver(to, message),
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
      ended: (peerId) => {
        this.#mailboxes.delete(peerId);
        for (const socket of host.sockets(peerId)) socket.close(CLOSE.ended, "registration ended");
      },
    });
  }

  /** Nobody is in it, and nothing has been decided about it. */
  get idle(): boolean {
    return this.#swarm.size === 0 && isDefault(this.#policy);
  }

  /** Members. */
  get size(): number {
    return this.#swarm.size;
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

  /** See SwarmTracker. */
  expire(): number | undefined {
    const { granted } = this.#policy;
    if (this.#host.named) return this.#swarm.expire();
    if (this.#swarm.size > 0 && !this.#holds(granted)) this.#end();
    const due = this.#swarm.expire();
    return granted === undefined || this.#swarm.size === 0 ? due : Math.min(due ?? Infinity, granted.until);
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
  opened(peerId: string, codec: SignalCodec): string {
    this.#mailboxes.delete(peerId);
    return codec.writeMessage({ peers: this.#swarm.opened(peerId) });
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
    const allowance = this.#allowances.get(socket) ?? new SignalAllowance(now, this.#limits);
    this.#allowances.set(socket, allowance);
    if (!allowance.take(now)) {
      socket.close(CLOSE.tooMany, "too many signals");
      return;
    }
    const codec = this.#host.encoding(socket);
    const signal = receiveSignal(codec, message);
    if ("code" in signal) {
      socket.close(signal.code, signal.reason);
      return;
    }
    const { to, payload } = signal;
    const relayed = { from, payload };
    if (!this.#relays(from, payload) || !(this.#deliver(to, relayed) || this.#mailboxes.put(to, relayed))) {
      socket.send(codec.writeMessage({ gone: to }));
    }
  }

  /** What the registry is told; the last summary of a swarm takes its sums along. */
  describe(): SwarmSummary {
    const { swarmId } = this.#host;
    const { p2p, bans, content, granted } = this.#policy;
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

  /** See DeskPort. */
  ban(peerId: string, withAddress: boolean, seconds: number | undefined): boolean {
    const now = this.#host.now();
    const member = this.#account.members.get(peerId);
    const source = withAddress ? member?.source : undefined;
    const others = this.#policy.bans.filter((ban) => ban.peerId !== peerId && (ban.until ?? Infinity) > now);
    const ban = {
      peerId,
      ...(source !== undefined && { source }),
      ...(seconds !== undefined && { until: now + seconds * 1000 }),
    };
    this.#decide({ ...this.#policy, bans: [...others, ban].slice(-this.#limits.bans) });
    this.#swarm.evict(peerId);
    return member !== undefined;
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

  /** A relay-only member's own addresses go to nobody, not even by its own fault. */
  #relays(from: string, payload: string): boolean {
    return !this.#swarm.isRelayOnly(from) || !exposesAddress(payload);
  }

  /** Hands a signal to a member that has a socket. */
  #deliver(to: string, message: SignalMessage): boolean {
    const [receiver] = this.#host.sockets(to);
    if (receiver === undefined) return false;
    receiver.send(this.#host.encoding(receiver).writeMessage(message));
    this.#signals += 1;
    return true;
  }

  #decide(policy: SwarmPolicy): void {
    this.#policy = policy;
    this.#host.storage.savePolicy(isDefault(policy) && policy.granted === undefined ? undefined : policy);
  }

  /** Remembers who vouches for a swarm that has members, so that not every request need say so. */
  #grant({ vouched }: Asker): void {
    const word = vouched?.get(this.#host.swarmId);
    if (typeof word !== "object" || this.#swarm.size === 0) return;
    if (word.until > (this.#policy.granted?.until ?? 0)) this.#decide({ ...this.#policy, granted: word });
  }

  #holds(word: Voucher | undefined): boolean {
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
    if (granted !== undefined && (this.#swarm.size === 0 || !this.#holds(granted))) this.#end();
    const word = asker.vouched?.get(this.#host.swarmId);
    if (typeof word === "string" && this.#policy.granted === undefined) return refusal("forbidden", word);
    const reason = objection(this.#policy, peerId, asker, this.#host.now());
    if (reason !== undefined) return refusal("forbidden", reason);
    const bound = this.#account.members.get(peerId)?.subject;
    return bound !== undefined && bound !== asker.subject ? NOT_YOURS : undefined;
  }
}
