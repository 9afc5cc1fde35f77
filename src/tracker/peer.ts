import { reflexiveAddress } from "./address.ts";
import { furtherAddresses } from "./further.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { judge, type PeerState } from "./machine.ts";
import type { ConnectRequest, FindRequest, PeerInfo, PeerMode, StatReport, SwarmSize } from "./messages.ts";
import {
  type Asker,
  NOT_ALLOWED,
  NOT_REGISTERED,
  NOT_YOURS,
  type Outcome,
  refusal,
  type SwarmPort,
} from "./objects.ts";
import { RecentAnswers } from "./retries.ts";
import { wishOf } from "./wish.ts";

/** What is kept of a Peer-ID of the base protocol; plain data, so that it can be stored. */
export interface PeerRecord {
  readonly peerId: string;
  /** The others are never kept. */
  readonly state: Extract<PeerState, "PEER REGISTERED" | "TRACKING">;
  /** IP address that it is bound to. */
  readonly source: string;
  /** Of the access token that it was registered with. */
  readonly subject?: string;
  readonly swarms: readonly (readonly [swarmId: string, peerMode: PeerMode])[];
  /** Last CONNECT, which makes a repeated one recognisable (§4.3). */
  readonly transaction: string;
  /** Last request, milliseconds since 1970. */
  readonly seen: number;
}

/** When the record's init timer or track timer runs out, milliseconds since 1970. */
export const dueOf = ({ state, seen }: PeerRecord, trackTimer: number, limits: Limits): number =>
  seen + (state === "TRACKING" ? trackTimer : Math.min(limits.initTimerMs, trackTimer));

/** What a Peer-ID's machine needs from its host. */
export interface PeerHost {
  load(): PeerRecord | undefined;
  /** Keeps the record, and sees to it that {@link PeerTracker.expire} is called when it is due; undefined deletes it. */
  save(record: PeerRecord | undefined): void;
  swarm(swarmId: string): SwarmPort;
  /** Milliseconds of silence after which the peer is forgotten. */
  readonly trackTimer: number;
  /** @defaultValue those of the parameters */
  readonly limits?: Limits;
  /** Milliseconds since 1970. */
  now(): number;
}

/** Whether a request may be about a registration: many share an address, and few a subject. */
const owns = ({ source, subject }: Asker, record: PeerRecord): boolean =>
  record.source === source && (record.subject === undefined || record.subject === subject);

const NOT_ENTERED = {
  unauthorized: "Peer-ID is registered to someone else",
  forbidden: "Not admitted to this swarm",
  unavailable: "Swarm is full",
} as const;

/**
 * The machine of one Peer-ID that asks for no token (§2.4). It may be in several swarms, and its keep-alives name none:
 * so it has an object of its own, which enters it into its swarms and takes it out of all of them again.
 */
export class PeerTracker {
  readonly #host: PeerHost;
  #record: PeerRecord | undefined;
  readonly #limits: Limits;
  readonly #ended: RecentAnswers;
  /** Requests of one Peer-ID are handled one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(host: PeerHost) {
    this.#host = host;
    this.#limits = host.limits ?? DEFAULT_LIMITS;
    this.#ended = new RecentAnswers(this.#limits);
    this.#record = host.load();
  }

  /** CONNECT (§4.1). */
  onConnect(request: ConnectRequest, asker: Asker): Promise<Outcome> {
    return this.#inTurn(() => this.#connect(request, asker));
  }

  /** FIND (RFC 7846). */
  onFind(request: FindRequest, asker: Asker): Promise<Outcome> {
    return this.#inTurn(() => this.#find(request, asker));
  }

  /** STAT_REPORT (§4.2). */
  onReport(request: StatReport, asker: Asker): Promise<Outcome> {
    return this.#inTurn(() => this.#report(request, asker));
  }

  /**
   * Forgets the peer in all swarms when its init timer, which a CONNECT that failed half-way leaves behind, or its track
   * timer has run out (§2.4.2 C); when to call again.
   */
  expire(): Promise<number | undefined> {
    return this.#inTurn(async () => {
      if (this.#record === undefined) return undefined;
      const due = dueOf(this.#record, this.#host.trackTimer, this.#limits);
      if (due > this.#host.now()) return due;
      await this.#terminate(new Map(this.#record.swarms).keys(), this.#record.peerId);
      return undefined;
    });
  }

  async #connect(request: ConnectRequest, asker: Asker): Promise<Outcome> {
    const { source, subject } = asker;
    const { peerId, transactionId, actions } = request;
    const record = this.#record;
    if (record !== undefined && !owns(asker, record)) return NOT_YOURS;
    const transaction = JSON.stringify([transactionId, actions]);
    const key = JSON.stringify([source, subject, request]);
    const answered = record === undefined ? this.#ended.get(key, this.#host.now()) : undefined;
    if (answered !== undefined) return answered;
    // A repeated request (§4.3) is answered again: its LEAVEs are done, its JOINs change nothing.
    const repeated = record?.transaction === transaction;
    const joined = new Map(record?.swarms);
    const wanted = repeated ? actions.filter(({ action }) => action === "JOIN") : actions;
    const verdict = judge(wanted, joined, repeated);
    const after = new Map([...joined, ...verdict.join]);
    for (const swarmId of verdict.leave) after.delete(swarmId);
    if (!verdict.valid || after.size > this.#limits.swarms) {
      await this.#terminate(joined.keys(), peerId);
      return record === undefined ? NOT_ALLOWED : this.#ended.set(key, NOT_ALLOWED, this.#host.now());
    }
    // Written first, so that the init timer clears what a registration leaves behind that fails half-way.
    const now = this.#host.now();
    const state = record?.state ?? "PEER REGISTERED";
    const owner = { source, ...(subject !== undefined && { subject }) };
    this.#save({ peerId, state, ...owner, transaction, swarms: [...joined, ...after], seen: now });
    const address = reflexiveAddress(source, request.addresses);
    const further = furtherAddresses(request.addresses, address);
    const entered = await Promise.all(
      [...verdict.join].map(async ([swarmId, peerMode]) => {
        const wish = wishOf(peerMode, request, this.#limits);
        const list = await this.#host.swarm(swarmId).enter({ peerId, peerMode, asker, address, further }, wish);
        return { swarmId, list };
      }),
    );
    const peers: PeerInfo[] = [{ peerId, addresses: [address] }];
    const swarmSizes: SwarmSize[] = [];
    for (const { swarmId, list } of entered) {
      if (typeof list !== "string") {
        peers.push(...list.peers);
        swarmSizes.push({ swarmId, size: list.size });
        continue;
      }
      await this.#remove(
        entered.flatMap((other) => (joined.has(other.swarmId) ? [] : [other.swarmId])),
        peerId,
      );
      this.#save(record);
      const word = list === "forbidden" ? asker.vouched?.get(swarmId) : undefined;
      return refusal(list, typeof word === "string" ? word : NOT_ENTERED[list]);
    }
    await this.#remove(verdict.leave, peerId);
    const last = after.size === 0;
    this.#save(last ? undefined : { peerId, state: "TRACKING", ...owner, transaction, swarms: [...after], seen: now });
    const results = actions.map((action) => action.transactionId);
    const sizes = swarmSizes.length > 0 && { swarmSizes };
    const outcome: Outcome = {
      ok: true,
      response: { response: "SUCCESSFUL", transactionId, results, peers, ...sizes },
    };
    return last ? this.#ended.set(key, outcome, this.#host.now()) : outcome;
  }

  async #find(request: FindRequest, asker: Asker): Promise<Outcome> {
    const { transactionId, peerId, swarmId } = request;
    const record = this.#record;
    if (record === undefined) return NOT_REGISTERED;
    if (!owns(asker, record)) return NOT_YOURS;
    this.#save({ ...record, seen: this.#host.now() });
    if (!new Map(record.swarms).has(swarmId)) return NOT_ALLOWED;
    const list = await this.#host.swarm(swarmId).find(peerId, asker, wishOf("LEECH", request, this.#limits));
    if (list === undefined) return NOT_REGISTERED;
    const { peers, size } = list;
    return { ok: true, response: { response: "SUCCESSFUL", transactionId, peers, swarmSizes: [{ swarmId, size }] } };
  }

  async #report(request: StatReport, asker: Asker): Promise<Outcome> {
    const record = this.#record;
    if (record === undefined) return NOT_REGISTERED;
    if (!owns(asker, record)) return NOT_YOURS;
    this.#save({ ...record, seen: this.#host.now() });
    const { stats, properties } = request;
    const stated = new Map(stats.map((stat) => [stat.swarmId, stat]));
    await Promise.all(
      [...new Map(record.swarms).keys()].map(async (swarmId) => {
        const contentMap = properties?.contentMap?.filter((map) => map.swarmId === swarmId) ?? [];
        const { contentMap: _, ...rest } = properties ?? {};
        const own = { ...rest, ...(contentMap.length > 0 && { contentMap }) };
        const stat = stated.get(swarmId);
        if (stat === undefined && Object.keys(own).length === 0) return;
        await this.#host.swarm(swarmId).note(record.peerId, stat, properties === undefined ? undefined : own);
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
