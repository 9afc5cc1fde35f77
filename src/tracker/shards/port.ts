import type { Voucher } from "../auth/grant.ts";
import type { DeskHost, DeskPort, DeskStorage } from "../manage/desk.ts";
import type { SwarmPolicy } from "../manage/policy.ts";
import type { SwarmTotals } from "../manage/summary.ts";
import type { Member } from "../member.ts";
import type { SwarmPort } from "../objects.ts";
import type { SignalMessage } from "../signal.ts";
import type { Window } from "./windows.ts";

/** Answer of an object that does not answer for this peer, or no longer: the swarm has so many shards (1: none). */
export interface Moved {
  readonly shards: number;
}

/** Methods of an object that is elsewhere, each of which may answer with `More` too. */
export type Remote<Port, More = never> = {
  [Name in keyof Port]: Port[Name] extends (...args: infer Args) => infer Answer
    ? (...args: Args) => Promise<Awaited<Answer> | More>
    : never;
};

/** Methods whose answer may be that another object is to be asked. */
export type Asked<Port> = Remote<Port, Moved>;

/** Whether an answer is no answer yet. */
export const isMoved = (answer: unknown): answer is Moved =>
  typeof answer === "object" && answer !== null && "shards" in answer;

/** Some of the members that a shard takes over, and what else it begins with. */
export interface Page {
  /** In the order of their Peer-IDs. */
  readonly members: readonly Member[];
  /** There are more, behind the last one. */
  readonly more: boolean;
  readonly policy: SwarmPolicy;
  readonly others: Window;
}

/** What the root tells a shard from time to time. */
export interface Exchange {
  /** Members of the other shards; absent while the root, after a restart, does not know all of them. */
  readonly others?: Window;
  /** What an operator has decided, where the shard has it otherwise. */
  readonly policy?: SwarmPolicy;
}

/** A signal on its way from one object to another. */
export interface PassedSignal {
  readonly to: string;
  readonly message: SignalMessage;
}

/** What the objects of one swarm ask of one another; every call may fail, and may have had its effect nevertheless. */
export interface PartPort extends Pick<DeskPort, "describe" | "list" | "close"> {
  /** Of the root: a shard begins. Its members, page by page, behind the Peer-ID `after`. */
  join(shard: number, shards: number, after: string): Promise<Page | Moved>;
  /** Of the root: the shard has stored all its members. */
  took(shard: number): Promise<void>;
  /**
   * Of the root: shows members of the shard, for those of the others. `policy` is a hash of what the shard obeys, `granted` who
   * vouches for the swarm as far as it was told.
   */
  exchange(shard: number, window: Window, policy: number, granted: Voucher | undefined): Promise<Exchange>;
  /** Of the root: the shard has ended, or never begun; the sums of those who had been there. */
  leave(shard: number, departed: SwarmTotals): Promise<void>;
  /** Of a shard: begin, and say {@link took} to the root. */
  wake(): Promise<void>;
  /** Of a shard: hand over signals; which of them could be. */
  relay(signals: readonly PassedSignal[]): Promise<readonly boolean[]>;
  /** Of a shard: what an operator has decided. */
  obey(policy: SwarmPolicy): Promise<void>;
  /** Of a shard: the address from which a member came; undefined when it is not there. */
  sourceOf(peerId: string): Promise<string | undefined>;
}

/** All that one object of a swarm answers. */
export type SwarmObjectPort = Asked<SwarmPort> & PartPort & DeskPort;

/** What an object keeps about its part: the root of a grown swarm its shards, a shard whether it has begun or is ending. */
export type PartState = "open" | "closing" | { readonly shards: number; readonly alive: readonly number[] };

/** Where an object's part survives, beside its members. */
export interface PartStorage extends DeskStorage {
  loadPart(): PartState | undefined;
  savePart(state: PartState | undefined): void;
}

/** What one object of a swarm needs from its host. */
export interface PartHost extends Omit<DeskHost, "swarmId" | "others" | "occupied" | "pass"> {
  /** The object's name. */
  readonly name: string;
  readonly storage: PartStorage;
  /** Members from which on the swarm grows; 0: never. */
  readonly shardMembers: number;
  /** Shards that it grows to. */
  readonly shards: number;
  /** Another object of the swarm. */
  part(name: string): PartPort;
  /** Sees to work that nobody waits for; it never rejects. */
  background(work: Promise<unknown>): void;
  /** Deletes all that is stored. */
  clear(): Promise<void>;
}
