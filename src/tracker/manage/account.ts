import type { Member } from "../member.ts";
import type { SwarmStorage } from "../swarm.ts";
import { NO_TOTALS, sumTotals, type SwarmTotals } from "./summary.ts";

/** Keeps the totals of members that have left, beside the members themselves. */
export interface AccountStorage extends SwarmStorage {
  loadDeparted(): SwarmTotals | undefined;
  saveDeparted(totals: SwarmTotals): void;
}

/** A member as it is stored: with whose access token it came, which the swarm's own logic does not need. */
export type BoundMember = Member & { readonly subject?: string };

/**
 * Sums up what members report, by watching what is stored of them. The numbers of present members can always be had
 * from these again, so nothing more is written than when a member leaves.
 */
export class SwarmAccount implements SwarmStorage {
  readonly #storage: AccountStorage;
  readonly #members = new Map<string, BoundMember>();
  #departed: SwarmTotals;
  #present = NO_TOTALS;
  #seeds = 0;

  constructor(storage: AccountStorage) {
    this.#storage = storage;
    this.#departed = storage.loadDeparted() ?? NO_TOTALS;
  }

  get totals(): SwarmTotals {
    return sumTotals(this.#departed, this.#present);
  }

  get seeds(): number {
    return this.#seeds;
  }

  get members(): ReadonlyMap<string, BoundMember> {
    return this.#members;
  }

  *load(): Iterable<Member> {
    for (const member of this.#storage.load()) {
      this.#count(member, undefined);
      yield member;
    }
  }

  put(member: BoundMember): void {
    const before = this.#members.get(member.peerId);
    const subject = member.subject ?? before?.subject;
    const kept = subject === undefined ? member : { ...member, subject };
    this.#count(kept, before);
    this.#storage.put(kept);
  }

  delete(peerId: string): void {
    const member = this.#members.get(peerId);
    if (member !== undefined) {
      this.#members.delete(peerId);
      const totals = totalsOf(member);
      this.#present = sumTotals(this.#present, totals, -1);
      this.#depart(totals);
      if (member.peerMode === "SEED") this.#seeds -= 1;
    }
    this.#storage.delete(peerId);
  }

  /** Lets a member go without its departure: another object has it now, sums included. */
  release(peerId: string): void {
    const member = this.#members.get(peerId);
    if (member !== undefined) this.#present = sumTotals(this.#present, totalsOf(member), -1);
    if (this.#members.delete(peerId) && member?.peerMode === "SEED") this.#seeds -= 1;
    this.#storage.delete(peerId);
  }

  /** Takes over what another object had counted of members that have left. */
  inherit(totals: SwarmTotals): void {
    this.#depart(totals);
  }

  /** What members that have left had reported. */
  get departed(): SwarmTotals {
    return this.#departed;
  }

  /** Binds a member to the subject of its access token. */
  bind(peerId: string, subject: string): void {
    const member = this.#members.get(peerId);
    if (member !== undefined && member.subject !== subject) this.put({ ...member, subject });
  }

  /** Begins anew, when nothing is left of the swarm. */
  clear(): void {
    this.#departed = NO_TOTALS;
  }

  #count(member: BoundMember, before: BoundMember | undefined): void {
    this.#members.set(member.peerId, member);
    // Most requests change no number.
    if (before !== undefined && before.stat === member.stat && before.properties === member.properties) {
      this.#seeds += Number(member.peerMode === "SEED") - Number(before.peerMode === "SEED");
      return;
    }
    const now = totalsOf(member);
    this.#present = sumTotals(this.#present, now);
    if (before !== undefined) {
      const then = totalsOf(before);
      this.#present = sumTotals(this.#present, then, -1);
      // A page that was loaded anew counts from zero again: what it had counted remains.
      if (now.uploadedBytes < then.uploadedBytes || now.downloadedBytes < then.downloadedBytes) {
        this.#depart({ ...then, joined: 0 });
      }
    }
    this.#seeds += Number(member.peerMode === "SEED") - Number(before?.peerMode === "SEED");
  }

  #depart(totals: SwarmTotals): void {
    this.#departed = sumTotals(this.#departed, totals);
    this.#storage.saveDeparted(this.#departed);
  }
}

function totalsOf({ stat, properties }: Member): SwarmTotals {
  const { uploadedBytes = 0, downloadedBytes = 0 } = stat ?? {};
  const { httpBytes = 0, chunksInTime = 0, chunksLate = 0, stalls = 0, rejected = 0 } = properties?.playback ?? {};
  return { joined: 1, uploadedBytes, downloadedBytes, httpBytes, chunksInTime, chunksLate, stalls, rejected };
}
