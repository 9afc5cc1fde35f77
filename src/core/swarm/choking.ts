import type { ChunkSet } from "../address/chunk-set.ts";
import type { Connection } from "../connection/connection.ts";
import type { Millis } from "../connection/settings.ts";
import type { Choice, Choker, ChokerPeer } from "./choker.ts";

/** What choking needs of its swarm. */
export interface ChokingHost {
  readonly have: ChunkSet;
  readonly complete: boolean;
  /** Whether anybody is served at all. */
  readonly serving: boolean;
  /** CHOKE or UNCHOKE is queued for this channel. */
  touch(connection: Connection): void;
}

/** Ranges of ours that are compared with a peer's: more would cost more than a slot for nothing. */
const COMPARED_RANGES = 64;
/** What was exchanged longer ago than this counts little, ms. */
const MEMORY_MS = 20_000;
/** Links whose account is kept after their channel has closed, the latest: who opens another one does not begin anew. */
const CLOSED_KEPT = 256;

/** Bytes and how many of late: what is old fades. */
class Flow {
  total = 0;
  #recent = 0;
  #at: Millis = 0;

  add(bytes: number, now: Millis): void {
    this.#recent = this.rate(now) * MEMORY_MS + bytes;
    this.#at = now;
    this.total += bytes;
  }

  /** Bytes per ms. */
  rate(now: Millis): number {
    return (this.#recent * Math.exp((this.#at - now) / MEMORY_MS)) / MEMORY_MS;
  }
}

interface Account {
  since: Millis;
  activeAt: Millis;
  readonly up: Flow;
  readonly down: Flow;
}

/** Keeps account of what goes to and comes from each peer, asks the choker, and carries out what it says. */
export class Choking {
  readonly #host: ChokingHost;
  readonly #choker: Choker;
  readonly #accounts = new Map<Connection, Account>();
  /** What was exchanged on closed channels, by link. */
  readonly #kept = new Map<string, Pick<Account, "up" | "down">>();
  #reviewAt: Millis = Infinity;
  #rewards: true | undefined;

  constructor(host: ChokingHost, choker: Choker) {
    this.#host = host;
    this.#choker = choker;
  }

  /** A channel is open. */
  opened(connection: Connection, now: Millis): void {
    const { up, down } = this.#kept.get(connection.link) ?? { up: new Flow(), down: new Flow() };
    this.#accounts.set(connection, { since: now, activeAt: now, up, down });
    this.review(now, connection);
  }

  closed(connection: Connection): void {
    const account = this.#accounts.get(connection);
    if (account === undefined) return;
    this.#accounts.delete(connection);
    if (!connection.choking) this.#reviewAt = Math.min(this.#reviewAt, 0);
    this.#kept.delete(connection.link);
    this.#kept.set(connection.link, account);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > CLOSED_KEPT) this.#kept.delete(oldest!);
  }

  /** Content bytes went out to a peer. */
  sent(to: Connection, bytes: number, now: Millis): void {
    const account = this.#accounts.get(to);
    if (account === undefined) return;
    account.activeAt = now;
    account.up.add(bytes, now);
  }

  /** Who has more of it is sent something later: content bytes per ms that a peer was given of late; where that is rewarded, in proportion to what it gave and 1. */
  given(to: Connection, now: Millis): number {
    const account = this.#accounts.get(to);
    return account === undefined ? 0 : account.up.rate(now) / (this.#rewards ? account.down.rate(now) + 1 : 1);
  }

  /** Content bytes of a peer were proven. */
  received(from: Connection, bytes: number, now: Millis): void {
    this.#accounts.get(from)?.down.add(bytes, now);
  }

  /** When `review` must be called next. */
  get wakeAt(): Millis {
    return this.#reviewAt;
  }

  /** Chokes and unchokes. A newcomer has not been told anything yet, and waits like one that is choked. */
  review(now: Millis, newcomer?: Connection): void {
    const peers = new Map<ChokerPeer, Connection>();
    for (const [connection, { since, activeAt, up, down }] of this.#accounts) {
      const peer = {
        choked: connection.choking || connection === newcomer,
        since,
        activeAt: Math.max(since, activeAt),
        needy: this.#isNeedy(connection),
        uploaded: up.total,
        uploadRate: up.rate(now),
        downloaded: down.total,
        downloadRate: down.rate(now),
      };
      peers.set(peer, connection);
    }
    const { serving, complete } = this.#host;
    const choice: Choice = serving
      ? this.#choker({ peers: [...peers.keys()], complete }, now)
      : { served: new Set<ChokerPeer>(), againAt: Infinity };
    this.#reviewAt = choice.againAt;
    this.#rewards = choice.rewards;
    for (const [peer, connection] of peers) {
      const choking = !choice.served.has(peer);
      if (choking !== peer.choked) this.#accounts.get(connection)!.since = now;
      if (choking === connection.choking) continue;
      connection.setChoking(choking, now);
      this.#host.touch(connection);
    }
  }

  #isNeedy({ peerHas }: Connection): boolean {
    let left = COMPARED_RANGES;
    for (const range of this.#host.have) if (left-- === 0 || !peerHas.covers(range)) return true;
    return false;
  }
}
