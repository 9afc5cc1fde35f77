import type { Voucher } from "../auth/grant.ts";
import { type PolicyChange, SwarmDesk } from "../manage/desk.ts";
import type { SwarmPolicy } from "../manage/policy.ts";
import type { MemberSummary, SwarmSummary, SwarmTotals } from "../manage/summary.ts";
import type { ConnectRequest, FindRequest, PeerProperties, StatReport, StreamStatistics } from "../messages.ts";
import type { Asker, Entry, Listing, Outcome, Wish } from "../objects.ts";
import type { SignalMessage } from "../signal.ts";
import { partOf, type PartName, shardName, shardOf } from "./names.ts";
import { Outbox } from "./outbox.ts";
import type { Exchange, Moved, Page, PartHost, PassedSignal, SwarmObjectPort } from "./port.ts";
import { Root } from "./root.ts";
import { Shard } from "./shard.ts";
import { Others, type Window } from "./windows.ts";

/** One object of a swarm: the whole of it until it has grown, then its root or one of its shards (docs/adr/0011-shards.md). */
export class SwarmPart implements SwarmObjectPort {
  /** What it does for the members that are here, once {@link admit} has said that it answers for them. */
  readonly desk: SwarmDesk;
  readonly #host: PartHost;
  readonly #name: PartName;
  readonly #root: Root | undefined;
  readonly #shard: Shard | undefined;
  readonly #outboxes = new Map<string, Outbox>();

  constructor(host: PartHost) {
    this.#host = host;
    this.#name = partOf(host.name);
    const { swarmId, shard, shards } = this.#name;
    const others = shard === undefined ? undefined : new Others(() => host.random());
    this.desk = new SwarmDesk({
      ...host,
      swarmId,
      ...(others !== undefined && { others }),
      occupied: () => this.#shard !== undefined || this.#root?.moved !== undefined,
      pass: (to, message) => this.#pass(to, message),
    });
    if (shard === undefined || others === undefined) this.#root = new Root(host, this.desk);
    else this.#shard = new Shard(host, { shard, shards }, this.desk, others, () => host.part(swarmId));
  }

  /** Whether this object tells the registry of the swarm. */
  get isRoot(): boolean {
    return this.#root !== undefined;
  }

  /** Whether the swarm has members, as far as this object knows. */
  get populated(): boolean {
    return this.#root?.moved !== undefined || this.desk.size > 0;
  }

  /** Undefined when this object answers for its members, as it does until the end of this turn; else where to ask. */
  async admit(): Promise<Moved | undefined> {
    return this.#root === undefined ? this.#shard?.begin() : this.#root.moved;
  }

  onConnect(request: ConnectRequest, asker: Asker): Promise<Outcome | Moved> {
    return this.#answer(() => this.desk.onConnect(request, asker));
  }

  onFind(request: FindRequest, asker: Asker): Promise<Outcome | Moved> {
    return this.#answer(() => this.desk.onFind(request, asker));
  }

  onReport(request: StatReport, asker: Asker): Promise<Outcome | Moved> {
    return this.#answer(() => this.desk.onReport(request, asker));
  }

  enter(entry: Entry, wish: Wish): Promise<Listing | "unauthorized" | "forbidden" | "unavailable" | Moved> {
    return this.#answer(() => this.desk.enter(entry, wish));
  }

  find(peerId: string, asker: Asker, wish: Wish): Promise<Listing | undefined | Moved> {
    return this.#answer(() => this.desk.find(peerId, asker, wish));
  }

  remove(peerId: string): Promise<void | Moved> {
    return this.#answer(() => this.desk.remove(peerId));
  }

  note(
    peerId: string,
    stat: StreamStatistics | undefined,
    properties: PeerProperties | undefined,
  ): Promise<void | Moved> {
    return this.#answer(() => this.desk.note(peerId, stat, properties));
  }

  /** Lets silent members go, or hands them over; when to call again at the latest, milliseconds since 1970. */
  expire(): number | undefined {
    if (this.#root?.moved !== undefined) return this.#root.due;
    return this.#shard?.open === false ? undefined : this.desk.expire();
  }

  /** Hands over the members that are not to be here any more. Never rejects. */
  async handOver(): Promise<void> {
    await this.#root?.handOver();
  }

  /** Ends this part of the swarm when nobody is left; then a shard has cleared its storage. Rejects when it is to be tried again. */
  async end(): Promise<void> {
    await this.#shard?.end();
    this.#root?.end();
  }

  async describe(): Promise<SwarmSummary> {
    if (this.#root?.moved !== undefined) return this.#root.describe();
    if (this.#shard !== undefined) this.#host.background(this.#shard.mend());
    return this.desk.describe();
  }

  async list(after: string, limit: number): Promise<readonly MemberSummary[]> {
    return this.#root?.moved === undefined ? this.desk.list(after, limit) : this.#root.list(after, limit);
  }

  async change(change: PolicyChange): Promise<SwarmSummary> {
    this.desk.change(change);
    await this.#root?.spread();
    return this.describe();
  }

  async ban(peerId: string, withAddress: boolean, seconds: number | undefined): Promise<boolean> {
    const present = this.desk.ban(peerId, withAddress, seconds, await this.#root?.sourceOf(peerId));
    await this.#root?.spread();
    return present;
  }

  async unban(peerId: string): Promise<boolean> {
    const had = this.desk.unban(peerId);
    if (had) await this.#root?.spread();
    return had;
  }

  async close(): Promise<number> {
    if (this.#shard === undefined) return this.#root?.close() ?? 0;
    await this.#shard.settled();
    this.#shard.forget();
    return this.desk.close();
  }

  async join(shard: number, shards: number, after: string): Promise<Page | Moved> {
    return this.#root?.join(shard, shards, after) ?? { shards: 1 };
  }

  async took(shard: number): Promise<void> {
    this.#root?.took(shard);
  }

  async exchange(shard: number, window: Window, policy: number, granted: Voucher | undefined): Promise<Exchange> {
    return this.#root?.exchange(shard, window, policy, granted) ?? {};
  }

  async leave(shard: number, departed: SwarmTotals): Promise<void> {
    this.#root?.leave(shard, departed);
  }

  async wake(): Promise<void> {
    const { swarmId, shard } = this.#name;
    if (shard !== undefined && (await this.admit()) === undefined) await this.#host.part(swarmId).took(shard);
  }

  async relay(signals: readonly PassedSignal[]): Promise<readonly boolean[]> {
    return signals.map(({ to, message }) => this.#shard?.open === true && this.desk.signals.hand(to, message));
  }

  async obey(policy: SwarmPolicy): Promise<void> {
    await this.#shard?.settled();
    if (this.#shard?.open === true) this.#shard.obey(policy);
  }

  async sourceOf(peerId: string): Promise<string | undefined> {
    await this.#shard?.settled();
    return this.desk.members.get(peerId)?.source;
  }

  async #answer<T>(work: () => T): Promise<T | Moved> {
    // A shard may begin to end while others wait for the same beginning.
    while (this.#shard?.open === false) {
      const moved = await this.#shard.begin();
      if (moved !== undefined) return moved;
    }
    if (this.#root?.moved !== undefined) return this.#root.moved;
    const result = work();
    this.#root?.grow();
    this.#shard?.refresh();
    return result;
  }

  #pass(to: string, message: SignalMessage): Promise<boolean> | undefined {
    const { swarmId, shard } = this.#name;
    const shards = this.#root?.moved?.shards ?? this.#name.shards;
    const receiver = shardOf(to, shards);
    if (shards === 1 || receiver === shard) return undefined;
    const name = shardName(swarmId, receiver, shards);
    const outbox = this.#outboxes.get(name) ?? new Outbox((signals) => this.#host.part(name).relay(signals));
    this.#outboxes.set(name, outbox);
    const passed = outbox.put(to, message);
    this.#host.background(passed);
    return passed;
  }
}
