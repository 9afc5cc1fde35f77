import type { Voucher } from "../auth/grant.ts";
import type { SwarmDesk } from "../manage/desk.ts";
import { type MemberSummary, sumTotals, type SwarmSummary, type SwarmTotals } from "../manage/summary.ts";
import type { ListedMember, Member } from "../member.ts";
import { SampleSet } from "../roster.ts";
import { hashOf, shardName, shardOf } from "./names.ts";
import type { Exchange, Moved, Page, PartHost, PartPort } from "./port.ts";
import { mixed, type Window, windowOf } from "./windows.ts";

/** Members in one page: one or two MiB. */
const PAGE = 1000;
/** When shards that have not taken their members over are asked again, ms. */
const RETRY_MS = 1000;

/** A grown swarm as its root stores it. */
interface Grown extends Moved {
  /** Shards that have begun and not ended. */
  readonly alive: readonly number[];
}

/**
 * The root's side of a swarm that may grow. Once it has, the root answers for no member: it hands its own over to the
 * shards, shows the shards one another's members, and adds up and decides for all of them.
 */
export class Root {
  readonly #host: PartHost;
  readonly #swarmId: string;
  readonly #desk: SwarmDesk;
  #grown: Grown | undefined;
  /** What each shard showed last, and when, milliseconds since 1970. */
  readonly #windows = new Map<number, { readonly window: Window; readonly at: number }>();
  /** The last summary of each shard, for when one does not answer. */
  readonly #summaries = new Map<number, SwarmSummary>();
  #handing = false;

  constructor(host: PartHost, desk: SwarmDesk) {
    this.#host = host;
    this.#swarmId = host.name;
    this.#desk = desk;
    const state = host.storage.loadPart();
    if (typeof state === "object") this.#grown = state;
    this.#showOwn();
  }

  /** Where members are to be asked for; undefined while it is here. */
  get moved(): Moved | undefined {
    return this.#grown === undefined ? undefined : { shards: this.#grown.shards };
  }

  /** When members have to be handed over again, milliseconds since 1970; undefined when there are none, or no shards. */
  get due(): number | undefined {
    return this.#grown === undefined || this.#desk.size === 0 ? undefined : this.#host.now() + RETRY_MS;
  }

  /** Becomes several objects when there are too many members for one. */
  grow(): void {
    const { shardMembers, shards } = this.#host;
    if (this.#grown !== undefined || shardMembers === 0 || this.#desk.size <= shardMembers) return;
    this.#save({ shards, alive: [] });
    this.#showOwn();
    this.#host.background(this.handOver());
  }

  /** Has each shard take its members over that are still here. Never rejects. */
  async handOver(): Promise<void> {
    const { shards } = this.#grown ?? { shards: 0 };
    if (this.#handing) return;
    this.#handing = true;
    for (let shard = 0; shard < shards; shard += 1) {
      if (this.#membersOf(shard).length > 0) await this.#ask(shard, (part) => part.wake()).catch(() => undefined);
    }
    this.#handing = false;
  }

  /** See PartPort. */
  join(shard: number, shards: number, after: string): Page | Moved {
    const grown = this.#grown;
    if (grown?.shards !== shards) return this.moved ?? { shards: 1 };
    if (!grown.alive.includes(shard)) this.#save({ shards, alive: [...grown.alive, shard] });
    const rest = this.#membersOf(shard).filter(({ peerId }) => peerId > after);
    rest.sort((a, b) => (a.peerId < b.peerId ? -1 : 1));
    const members = rest.slice(0, PAGE);
    const others = this.#mix(shard);
    return { members, more: rest.length > members.length, policy: this.#desk.policy, others };
  }

  /** See PartPort. */
  took(shard: number): void {
    if (this.#grown?.alive.includes(shard) !== true) return;
    for (const { peerId } of this.#membersOf(shard)) this.#desk.release(peerId);
  }

  /** See PartPort. */
  exchange(shard: number, window: Window, policy: number, granted: Voucher | undefined): Exchange {
    if (this.#grown?.alive.includes(shard) !== true) return {};
    this.#desk.vouch(granted);
    this.#windows.set(shard, { window, at: this.#host.now() });
    const known = this.#grown.alive.every((other) => this.#windows.has(other));
    return {
      ...(known && { others: this.#mix(shard) }),
      ...(policy !== policyHash(this.#desk) && { policy: this.#desk.policy }),
    };
  }

  /** See PartPort. A repeated call finds the shard gone, and changes nothing. */
  leave(shard: number, departed: SwarmTotals): void {
    const grown = this.#grown;
    if (grown?.alive.includes(shard) !== true) return;
    this.#desk.inherit(departed);
    this.#windows.delete(shard);
    this.#summaries.delete(shard);
    this.#save({ ...grown, alive: grown.alive.filter((other) => other !== shard) });
    this.end();
  }

  /** When nobody is left anywhere, the swarm has ended: the next one begins with one object. */
  end(): void {
    if (this.#grown?.alive.length === 0 && this.#desk.size === 0) this.#save(undefined);
  }

  /** The swarm with all its shards. */
  async describe(): Promise<SwarmSummary> {
    const shards = await this.#askAll((part) => part.describe());
    const own = this.#desk.describe();
    for (const [shard, summary] of shards) if (summary !== undefined) this.#summaries.set(shard, summary);
    return [...shards].reduce<SwarmSummary>((sum, [shard, fresh]) => {
      const summary = fresh ?? this.#summaries.get(shard);
      if (summary === undefined) return sum;
      return {
        ...sum,
        members: sum.members + summary.members,
        seeds: sum.seeds + summary.seeds,
        sockets: sum.sockets + summary.sockets,
        totals: sumTotals(sum.totals, summary.totals),
        signals: sum.signals + (fresh?.signals ?? 0),
      };
    }, own);
  }

  /** Members here and in all shards, in the order of their Peer-IDs. */
  async list(after: string, limit: number): Promise<readonly MemberSummary[]> {
    const own = this.#desk.list(after, limit);
    const shards = await this.#askAll((part) => part.list(after, limit));
    const all = new Map(
      [...own, ...[...shards.values()].flatMap((members) => members ?? [])].map((m) => [m.peerId, m]),
    );
    return [...all.values()].sort((a, b) => (a.peerId < b.peerId ? -1 : 1)).slice(0, limit);
  }

  /** The address from which a member came, wherever it is. */
  async sourceOf(peerId: string): Promise<string | undefined> {
    const shard = shardOf(peerId, this.#grown?.shards ?? 1);
    const here = this.#desk.members.get(peerId)?.source;
    if (here !== undefined || this.#grown?.alive.includes(shard) !== true) return here;
    return this.#ask(shard, (part) => part.sourceOf(peerId));
  }

  /** Tells all shards what has been decided. @throws what one of them threw; it hears of it with the next exchange. */
  async spread(): Promise<void> {
    const { policy } = this.#desk;
    await Promise.all((this.#grown?.alive ?? []).map((shard) => this.#ask(shard, (part) => part.obey(policy))));
  }

  /** Ends all registrations everywhere; how many there were. @throws what a shard threw. */
  async close(): Promise<number> {
    this.#windows.clear();
    const here = this.#desk.close();
    const counts = (this.#grown?.alive ?? []).map((shard) => this.#ask(shard, (part) => part.close()));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, here);
  }

  #membersOf(shard: number): Member[] {
    const shards = this.#grown?.shards ?? 1;
    return [...this.#desk.members.values()].filter(({ peerId }) => shardOf(peerId, shards) === shard);
  }

  /** Shows each shard's members to the others until the shard itself does. */
  #showOwn(): void {
    if (this.#grown === undefined) return;
    const nobody = new SampleSet<ListedMember>(() => this.#host.random());
    for (let shard = 0; shard < this.#grown.shards; shard += 1) {
      const all = new SampleSet<ListedMember>(() => this.#host.random());
      const superNodes = new SampleSet<ListedMember>(() => this.#host.random());
      for (const member of this.#membersOf(shard)) {
        all.set(member.peerId, member);
        if (member.superNode) superNodes.set(member.peerId, member);
      }
      // Those that can be signalled have to come back first.
      const window = windowOf(all, nobody, superNodes, (member) => member);
      if (all.size > 0) this.#windows.set(shard, { window, at: this.#host.now() });
    }
  }

  #mix(shard: number): Window {
    const now = this.#host.now();
    const fresh = [...this.#windows].filter(([other, { at }]) => other !== shard && at + this.#host.trackTimer > now);
    return mixed(
      fresh.map(([, { window }]) => window),
      () => this.#host.random(),
    );
  }

  #ask<T>(shard: number, call: (part: PartPort) => Promise<T>): Promise<T> {
    return call(this.#host.part(shardName(this.#swarmId, shard, this.#grown?.shards ?? 1)));
  }

  /** What each shard answers; undefined for one that does not. */
  async #askAll<T>(call: (part: PartPort) => Promise<T>): Promise<Map<number, T | undefined>> {
    const alive = this.#grown?.alive ?? [];
    const answers = await Promise.all(alive.map((shard) => this.#ask(shard, call).catch(() => undefined)));
    return new Map(alive.map((shard, index) => [shard, answers[index]]));
  }

  #save(grown: Grown | undefined): void {
    this.#grown = grown;
    if (grown === undefined) this.#windows.clear();
    this.#host.storage.savePart(grown);
  }
}

/** Tells whether two objects have decided the same. */
export const policyHash = ({ policy: { p2p, bans, content, granted } }: SwarmDesk): number =>
  hashOf(JSON.stringify([p2p, bans, content, granted]));
