import type { SwarmPolicy } from "../src/tracker/manage/policy.ts";
import type { SwarmTotals } from "../src/tracker/manage/summary.ts";
import type { Member } from "../src/tracker/member.ts";
import type { PartState, PartStorage } from "../src/tracker/shards/port.ts";

const POLICY = "policy";
const DEPARTED = "departed";
const PART = "part";

/**
 * Members in an object's SQLite, one row each, as JSON: only ever read all at once, when the object wakes. The table
 * exists only while there is something in it, so that swarms that are over cost nothing.
 */
export class SqlMembers implements PartStorage {
  readonly #storage: DurableObjectStorage;
  #table: boolean;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#table = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'members'").toArray().length > 0;
  }

  *load(): Iterable<Member> {
    if (!this.#table) return;
    for (const row of this.#storage.sql.exec<{ member: string }>("SELECT member FROM members")) {
      yield JSON.parse(row.member) as Member;
    }
  }

  put(member: Member): void {
    const { sql } = this.#storage;
    if (!this.#table) sql.exec("CREATE TABLE members (peer_id TEXT PRIMARY KEY, member TEXT NOT NULL) WITHOUT ROWID");
    this.#table = true;
    sql.exec("INSERT OR REPLACE INTO members VALUES (?, ?)", member.peerId, JSON.stringify(member));
  }

  delete(peerId: string): void {
    if (this.#table) this.#storage.sql.exec("DELETE FROM members WHERE peer_id = ?", peerId);
  }

  loadDeparted(): SwarmTotals | undefined {
    return this.#storage.kv.get<SwarmTotals>(DEPARTED);
  }

  saveDeparted(totals: SwarmTotals): void {
    this.#storage.kv.put(DEPARTED, totals);
  }

  loadPolicy(): SwarmPolicy | undefined {
    return this.#storage.kv.get<SwarmPolicy>(POLICY);
  }

  savePolicy(policy: SwarmPolicy | undefined): void {
    if (policy === undefined) this.#storage.kv.delete(POLICY);
    else this.#storage.kv.put(POLICY, policy);
  }

  loadPart(): PartState | undefined {
    return this.#storage.kv.get<PartState>(PART);
  }

  savePart(state: PartState | undefined): void {
    if (state === undefined) this.#storage.kv.delete(PART);
    else this.#storage.kv.put(PART, state);
  }

  /** Leaves nothing behind, once all members are gone. */
  async clear(): Promise<void> {
    this.#table = false;
    await this.#storage.deleteAll();
  }
}
