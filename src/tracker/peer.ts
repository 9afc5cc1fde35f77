import { reflexiveAddress } from "./address.ts";
import { MAX_SWARMS } from "./limits.ts";
import { judge } from "./machine.ts";
import type { ConnectRequest, PeerInfo, PeerMode, StatReport } from "./messages.ts";
import { NOT_ALLOWED, NOT_REGISTERED, NOT_YOURS, type Outcome, refusal, type SwarmPort } from "./objects.ts";
import { listLength } from "./swarm.ts";

/** What is kept of a Peer-ID of the base protocol; plain data, so that it can be stored. */
export interface PeerRecord {
  readonly peerId: string;
  /** IP address that it is bound to. */
  readonly source: string;
  readonly swarms: readonly (readonly [swarmId: string, peerMode: PeerMode])[];
  /** Last CONNECT, which makes a repeated one recognisable (§4.3). */
  readonly transaction: string;
  /** Last request, milliseconds since 1970. */
  readonly seen: number;
}

/** What a Peer-ID's machine needs from its host. */
export interface PeerHost {
  load(): PeerRecord | undefined;
  /** Keeps the record; undefined deletes it. */
  save(record: PeerRecord | undefined): void;
  swarm(swarmId: string): SwarmPort;
  /** Milliseconds of silence after which the peer is forgotten. */
  readonly trackTimer: number;
  /** Milliseconds since 1970. */
  now(): number;
}

/**
 * The machine of one Peer-ID that asks for no token (§2.4). It may be in several swarms, and its keep-alives name none:
 * so it has an object of its own, which enters it into its swarms and takes it out of all of them again.
 */
export class PeerTracker {
  readonly #host: PeerHost;
  #record: PeerRecord | undefined;
  /** Requests of one Peer-ID are handled one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(host: PeerHost) {
    this.#host = host;
    this.#record = host.load();
  }

  /** CONNECT (§4.1). */
  onConnect(request: ConnectRequest, source: string): Promise<Outcome> {
    return this.#inTurn(() => this.#connect(request, source));
  }

  /** STAT_REPORT (§4.2). */
  onReport(request: StatReport, source: string): Promise<Outcome> {
    return this.#inTurn(() => this.#report(request, source));
  }

  /** Forgets the peer in all swarms if it was silent for longer than the track timer (§2.4.2 C); when to call again. */
  expire(): Promise<number | undefined> {
    return this.#inTurn(async () => {
      if (this.#record === undefined) return undefined;
      const due = this.#record.seen + this.#host.trackTimer;
      if (due > this.#host.now()) return due;
      await this.#terminate(new Map(this.#record.swarms).keys(), this.#record.peerId);
      return undefined;
    });
  }

  async #connect(request: ConnectRequest, source: string): Promise<Outcome> {
    const { peerId, transactionId, actions } = request;
    const record = this.#record;
    if (record !== undefined && record.source !== source) return NOT_YOURS;
    const transaction = JSON.stringify([transactionId, actions]);
    // A repeated request (§4.3) is answered again: its LEAVEs are done, its JOINs change nothing.
    const repeated = record?.transaction === transaction;
    const joined = new Map(record?.swarms);
    const wanted = repeated ? actions.filter(({ action }) => action === "JOIN") : actions;
    const verdict = judge(wanted, joined, repeated);
    const after = new Map([...joined, ...verdict.join]);
    for (const swarmId of verdict.leave) after.delete(swarmId);
    if (!verdict.valid || after.size > MAX_SWARMS) {
      await this.#terminate(joined.keys(), peerId);
      return NOT_ALLOWED;
    }
    // PEER REGISTERED: written first, so that the timer clears what this request leaves behind if it fails half-way.
    const now = this.#host.now();
    this.#save({ peerId, source, transaction, swarms: [...joined, ...after], seen: now });
    const address = reflexiveAddress(source, request.addresses);
    const entered = await Promise.all(
      [...verdict.join].map(async ([swarmId, peerMode]) => {
        const length = listLength(peerMode, request.peerNum?.count);
        const list = await this.#host.swarm(swarmId).enter({ peerId, peerMode, source, address }, length);
        return { swarmId, list };
      }),
    );
    const peers: PeerInfo[] = [{ peerId, addresses: [address] }];
    for (const { list } of entered) {
      if (typeof list !== "string") {
        peers.push(...list);
        continue;
      }
      await this.#remove(
        entered.flatMap((other) => (joined.has(other.swarmId) ? [] : [other.swarmId])),
        peerId,
      );
      this.#save(record);
      return refusal(list, list === "unavailable" ? "Swarm is full" : "Peer-ID is registered to someone else");
    }
    await this.#remove(verdict.leave, peerId);
    this.#save(after.size === 0 ? undefined : { peerId, source, transaction, swarms: [...after], seen: now });
    const results = actions.map((action) => action.transactionId);
    return { ok: true, response: { response: "SUCCESSFUL", transactionId, results, peers } };
  }

  async #report(request: StatReport, source: string): Promise<Outcome> {
    const record = this.#record;
    if (record === undefined) return NOT_REGISTERED;
    if (record.source !== source) return NOT_YOURS;
    this.#save({ ...record, seen: this.#host.now() });
    const joined = new Map(record.swarms);
    await Promise.all(
      request.stats.map(async (stat) => {
        if (stat.swarmId === undefined || !joined.has(stat.swarmId)) return;
        await this.#host.swarm(stat.swarmId).note(record.peerId, stat);
      }),
    );
    return { ok: true, response: { response: "SUCCESSFUL", transactionId: request.transactionId } };
  }

  async #terminate(swarms: Iterable<string>, peerId: string): Promise<void> {
    await this.#remove(swarms, peerId);
    this.#save(undefined);
  }

  async #remove(swarms: Iterable<string>, peerId: string): Promise<void> {
    await Promise.all([...swarms].map((swarmId) => this.#host.swarm(swarmId).remove(peerId)));
  }

  #save(record: PeerRecord | undefined): void {
    if (record === this.#record) return;
    this.#record = record;
    this.#host.save(record);
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
