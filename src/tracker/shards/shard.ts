import type { SwarmDesk } from "../manage/desk.ts";
import { objection, type SwarmPolicy } from "../manage/policy.ts";
import { NO_TOTALS } from "../manage/summary.ts";
import type { ListedMember, Member } from "../member.ts";
import { type Moved, isMoved, type PartHost, type PartPort } from "./port.ts";
import { policyHash } from "./root.ts";
import { NOBODY, type Others } from "./windows.ts";

/** How old the others' members get before they are shown anew, ms. */
const EXCHANGE_MS = 10_000;
/** How often they are shown at most, when many lists are made of them, ms. */
const HURRY_MS = 1000;

/** Which shard of how many. */
interface Place {
  readonly shard: number;
  readonly shards: number;
}

/**
 * A shard's side of a grown swarm: before its first answer it takes all its members over from the root, and when it has
 * none any more it tells the root and leaves nothing behind.
 */
export class Shard {
  readonly #host: PartHost;
  readonly #place: Place;
  readonly #desk: SwarmDesk;
  readonly #others: Others;
  readonly #root: () => PartPort;
  #state: "none" | "open" | "closing";
  /** Beginning or ending. */
  #change: Promise<Moved | undefined> | undefined;
  #exchanging = false;
  /** Last exchange, milliseconds since 1970. */
  #exchanged = -Infinity;

  constructor(host: PartHost, place: Place, desk: SwarmDesk, others: Others, root: () => PartPort) {
    this.#host = host;
    this.#place = place;
    this.#desk = desk;
    this.#others = others;
    this.#root = root;
    const state = host.storage.loadPart();
    this.#state = state === "open" || state === "closing" ? state : "none";
  }

  /** Whether it answers for its members. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** Has it begin, unless it has; where its members are to be asked for when it is no part of the swarm. Rejects as the root does. */
  async begin(): Promise<Moved | undefined> {
    while (this.#state !== "open") {
      const moved = await (this.#change ?? this.#turn(() => this.#begin()));
      if (moved !== undefined) return moved;
    }
    return undefined;
  }

  /** Resolves when it is neither beginning nor ending. Never rejects. */
  async settled(): Promise<void> {
    while (this.#change !== undefined) await this.#change.catch(() => undefined);
  }

  /** Ends, when nobody is left. Rejects as the root does; then it is to be called again. */
  async end(): Promise<void> {
    if (this.#change !== undefined || this.#state === "none") return;
    if (this.#state === "open") {
      if (this.#desk.size > 0) return;
      this.#save("closing");
    }
    await this.#turn(() => this.#end());
  }

  /** Puts right what a failure has left: an end that did not succeed, or a root that waits for a shard that never began. Never rejects. */
  async mend(): Promise<void> {
    const { shard } = this.#place;
    const work =
      this.#state === "none" && this.#change === undefined
        ? this.#turn(() =>
            this.#root()
              .leave(shard, NO_TOTALS)
              .then(() => undefined),
          )
        : this.end();
    await work.catch(() => undefined);
  }

  /** Shows the others members from here, and learns of theirs, when it is time; nobody waits for it. */
  refresh(): void {
    const age = this.#host.now() - this.#exchanged;
    if (this.#exchanging || age < HURRY_MS || (age < EXCHANGE_MS && !this.#others.worn)) return;
    this.#exchanging = true;
    const done = (): void => {
      this.#exchanging = false;
      this.#exchanged = this.#host.now();
    };
    this.#host.background(this.#exchange().then(done, done));
  }

  /** Takes over what an operator has decided. */
  obey(policy: SwarmPolicy): void {
    this.#desk.obey(policy);
    this.#others.admit(this.#admits);
  }

  /** Forgets what the others have shown. */
  forget(): void {
    this.#others.show(NOBODY, this.#admits);
  }

  async #begin(): Promise<Moved | undefined> {
    if (this.#state === "closing") await this.#end();
    const { shard, shards } = this.#place;
    const root = this.#root();
    const members: Member[] = [];
    for (;;) {
      const page = await root.join(shard, shards, members.at(-1)?.peerId ?? "");
      if (isMoved(page)) return page;
      members.push(...page.members);
      if (page.more) continue;
      // All at once, so that a failure leaves all or nothing.
      this.#save("open");
      for (const member of members.sort((a, b) => a.seen - b.seen)) this.#desk.adopt(member);
      this.#others.show(page.others, this.#admits);
      this.obey(page.policy);
      this.#host.background(root.took(shard).catch(() => undefined));
      return undefined;
    }
  }

  async #end(): Promise<undefined> {
    const root = this.#root();
    await root.took(this.#place.shard);
    await root.leave(this.#place.shard, this.#desk.departed);
    await this.#host.clear();
    this.#desk.reset();
    this.forget();
    this.#exchanged = -Infinity;
    this.#state = "none";
    return undefined;
  }

  async #exchange(): Promise<void> {
    const { others, policy } = await this.#root().exchange(
      this.#place.shard,
      this.#desk.window(),
      policyHash(this.#desk),
      this.#desk.policy.granted,
    );
    if (policy !== undefined) this.obey(policy);
    if (others !== undefined) this.#others.show(others, this.#admits);
  }

  readonly #admits = ({ peerId }: ListedMember): boolean =>
    objection(this.#desk.policy, peerId, { source: "" }, this.#host.now()) === undefined;

  #turn(work: () => Promise<Moved | undefined>): Promise<Moved | undefined> {
    const change = work().finally(() => {
      this.#change = undefined;
    });
    this.#change = change;
    return change;
  }

  #save(state: "open" | "closing"): void {
    this.#state = state;
    this.#host.storage.savePart(state);
  }
}
