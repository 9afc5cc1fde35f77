import type { LoggedEvent, TrackerEvent } from "./events.ts";
import { NO_TOTALS, offloadOf, sumTotals, type SwarmSummary, type SwarmTotals } from "./summary.ts";

/** How often something happened, by a name such as `requests{type="CONNECT",status="200"}`. */
export type Counts = Readonly<Record<string, number>>;

/** Limits that an operator may change while the tracker runs; 0 requests/s: none. */
export interface RateLimits {
  readonly requestRate: number;
  readonly requestBurst: number;
}

/** Where a registry survives; synchronous, as a Durable Object's own is. */
export interface RegistryStorage {
  get(key: string): unknown;
  put(key: string, value: unknown): void;
  delete(key: string): unknown;
  list(options: { readonly prefix: string }): Iterable<readonly [key: string, value: unknown]>;
}

/** All that the whole tracker has counted. */
export interface TrackerStats {
  readonly swarms: number;
  readonly peers: number;
  readonly seeds: number;
  readonly sockets: number;
  readonly signals: number;
  readonly totals: SwarmTotals;
  /** Share of media bytes that came from peers; undefined before the first byte. */
  readonly offload: number | undefined;
  readonly requests: Counts;
}

/** What the front and the swarms tell, and the management API asks; calls may cross objects. */
export interface RegistryPort {
  /** Adds counts of the front; the limits that hold now, undefined when they were never changed. */
  add(counts: Counts): Promise<RateLimits | undefined>;
  report(summary: SwarmSummary): Promise<void>;
  log(event: TrackerEvent): Promise<void>;
  stats(): Promise<TrackerStats>;
  swarms(after: string, limit: number): Promise<readonly SwarmSummary[]>;
  events(after: number, limit: number): Promise<readonly LoggedEvent[]>;
  limits(): Promise<RateLimits | undefined>;
  setLimits(limits: RateLimits): Promise<void>;
}

/** What a registry needs from its host. */
export interface RegistryHost {
  readonly storage: RegistryStorage;
  /** Milliseconds since 1970. */
  now(): number;
  /** A time as ISO 8601 in UTC. */
  iso(at: number): string;
  /** One line of JSON. */
  write(line: string): void;
  /** Events that can still be listed. */
  readonly eventsKept: number;
  /** Share by which sums may differ, 0 to 1. */
  readonly tolerance: number;
}

/** Names of series that one front may add: types, statuses and causes are few. */
const MAX_SERIES = 500;
/** Bytes by which a swarm's sums may always differ: reports of two peers are up to a minute apart. */
const SLACK_BYTES = 16 * 2 ** 20;
const SWARM = "swarm:";
/** Numbers of events that are reserved at a time: not every event need be written. */
const NUMBERS = 100;

/** Adds up what the parts of a tracker count, keeps its log, and compares the sums of each swarm (§6.4). */
export class Registry implements RegistryPort {
  readonly #host: RegistryHost;
  readonly #swarms = new Map<string, SwarmSummary>();
  readonly #events: LoggedEvent[] = [];
  readonly #counts: Record<string, number>;
  readonly #mismatched = new Set<string>();
  #past: SwarmTotals;
  #signals: number;
  #limits: RateLimits | undefined;
  #number: number;
  /** Numbers up to this one are never given again. */
  #reserved: number;

  constructor(host: RegistryHost) {
    this.#host = host;
    const { storage } = host;
    for (const [, value] of storage.list({ prefix: SWARM })) {
      const summary = value as SwarmSummary;
      this.#swarms.set(summary.swarmId, summary);
    }
    this.#past = { ...NO_TOTALS, ...(storage.get("past") as SwarmTotals | undefined) };
    this.#counts = { ...(storage.get("counts") as Counts | undefined) };
    this.#signals = Number(storage.get("signals") ?? 0);
    this.#number = this.#reserved = Number(storage.get("number") ?? 0);
    this.#limits = storage.get("limits") as RateLimits | undefined;
  }

  async add(counts: Counts): Promise<RateLimits | undefined> {
    for (const [name, count] of Object.entries(counts)) {
      if (!(name in this.#counts) && Object.keys(this.#counts).length >= MAX_SERIES) continue;
      this.#counts[name] = (this.#counts[name] ?? 0) + count;
    }
    if (Object.keys(counts).length > 0) this.#host.storage.put("counts", { ...this.#counts });
    return this.#limits;
  }

  async report(summary: SwarmSummary): Promise<void> {
    const { storage } = this.#host;
    const { swarmId, totals } = summary;
    if (!this.#swarms.has(swarmId) && summary.ended !== true) {
      await this.log({ event: "swarm-started", level: "info", swarmId });
    }
    if (summary.signals > 0) storage.put("signals", (this.#signals += summary.signals));
    this.#compare(summary);
    if (summary.ended !== true) {
      this.#swarms.set(swarmId, summary);
      storage.put(SWARM + swarmId, summary);
      return;
    }
    this.#past = sumTotals(this.#past, totals);
    storage.put("past", this.#past);
    this.#mismatched.delete(swarmId);
    if (!this.#swarms.delete(swarmId)) return;
    storage.delete(SWARM + swarmId);
    const detail = `joined ${totals.joined}, uploaded ${totals.uploadedBytes}, downloaded ${totals.downloadedBytes}`;
    await this.log({ event: "swarm-ended", level: "info", swarmId, detail });
  }

  async log(event: TrackerEvent): Promise<void> {
    const { storage } = this.#host;
    const logged = { time: this.#host.iso(this.#host.now()), number: (this.#number += 1), ...event };
    // Whoever asks for what came after a number would wait for it in vain from a registry that began anew.
    if (this.#number > this.#reserved) storage.put("number", (this.#reserved += NUMBERS));
    this.#host.write(JSON.stringify(logged));
    this.#events.push(logged);
    if (this.#events.length > this.#host.eventsKept) this.#events.shift();
  }

  async stats(): Promise<TrackerStats> {
    let [peers, seeds, sockets, totals] = [0, 0, 0, this.#past];
    for (const summary of this.#swarms.values()) {
      peers += summary.members;
      seeds += summary.seeds;
      sockets += summary.sockets;
      totals = sumTotals(totals, summary.totals);
    }
    const offload = offloadOf(totals);
    const requests = { ...this.#counts };
    return { swarms: this.#swarms.size, peers, seeds, sockets, signals: this.#signals, totals, offload, requests };
  }

  async swarms(after: string, limit: number): Promise<readonly SwarmSummary[]> {
    const ids = [...this.#swarms.keys()].filter((swarmId) => swarmId > after).sort();
    return ids.slice(0, limit).flatMap((swarmId) => this.#swarms.get(swarmId) ?? []);
  }

  async events(after: number, limit: number): Promise<readonly LoggedEvent[]> {
    return this.#events.filter(({ number }) => number > after).slice(0, limit);
  }

  async limits(): Promise<RateLimits | undefined> {
    return this.#limits;
  }

  async setLimits(limits: RateLimits): Promise<void> {
    this.#limits = limits;
    this.#host.storage.put("limits", limits);
    const detail = `${limits.requestRate} requests/s, ${limits.requestBurst} at once`;
    await this.log({ event: "limits-changed", level: "info", detail });
  }

  /** What some members say they sent should be what others say they got (§6.4). */
  #compare({ swarmId, totals }: SwarmSummary): void {
    const { uploadedBytes, downloadedBytes } = totals;
    const allowed = SLACK_BYTES + this.#host.tolerance * Math.max(uploadedBytes, downloadedBytes);
    const differs = Math.abs(uploadedBytes - downloadedBytes) > allowed;
    if (differs === this.#mismatched.has(swarmId)) return;
    if (differs) this.#mismatched.add(swarmId);
    else this.#mismatched.delete(swarmId);
    void this.log({
      event: differs ? "accounting-mismatch" : "accounting-agrees",
      level: differs ? "warning" : "info",
      swarmId,
      detail: `uploaded ${uploadedBytes}, downloaded ${downloadedBytes}`,
    });
  }
}
