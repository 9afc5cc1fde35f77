import { DurableObject } from "cloudflare:workers";
import type { LoggedEvent, TrackerEvent } from "../src/tracker/manage/events.ts";
import {
  type Counts,
  type RateLimits,
  Registry,
  type RegistryPort,
  type TrackerStats,
} from "../src/tracker/manage/registry.ts";
import type { SwarmSummary } from "../src/tracker/manage/summary.ts";
import { SourceLimiter } from "../src/tracker/sources.ts";
import { type Environment, parametersOf } from "./environment.ts";

/** What the whole tracker has counted: storage for a {@link Registry} (docs/adr/0010-registry-off-the-path.md). */
export class RegistryObject extends DurableObject<Environment> implements RegistryPort {
  readonly #registry: Registry;
  readonly #enrolments: SourceLimiter;

  constructor(state: DurableObjectState, environment: Environment) {
    super(state, environment);
    const parameters = parametersOf(environment);
    this.#registry = new Registry({
      storage: state.storage.kv,
      now: () => Date.now(),
      iso: (at) => new Date(at).toISOString(),
      write: (line) => console.log(line),
      eventsKept: parameters.number("EVENTS_KEPT"),
      tolerance: parameters.number("ACCOUNT_TOLERANCE") / 100,
    });
    const perHour = parameters.number("ENROL_RATE");
    this.#enrolments = new SourceLimiter(perHour / 3600, perHour, parameters.number("SOURCE_TABLE"));
  }

  async add(counts: Counts): Promise<RateLimits | undefined> {
    return this.#registry.add(counts);
  }

  async report(summary: SwarmSummary): Promise<void> {
    await this.#registry.report(summary);
  }

  async log(event: TrackerEvent): Promise<void> {
    await this.#registry.log(event);
  }

  async stats(): Promise<TrackerStats> {
    return this.#registry.stats();
  }

  async swarms(after: string, limit: number): Promise<readonly SwarmSummary[]> {
    return this.#registry.swarms(after, limit);
  }

  async events(after: number, limit: number): Promise<readonly LoggedEvent[]> {
    return this.#registry.events(after, limit);
  }

  async limits(): Promise<RateLimits | undefined> {
    return this.#registry.limits();
  }

  async setLimits(limits: RateLimits): Promise<void> {
    await this.#registry.setLimits(limits);
  }

  /** Whether this address may have one more Peer-ID; remembered while this object is in memory. */
  async mayEnrol(source: string): Promise<boolean> {
    return this.#enrolments.take(source, Date.now());
  }
}
