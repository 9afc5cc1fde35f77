import type { LoggedEvent } from "../../tracker/manage/events.ts";
import type { TrackerStats } from "../../tracker/manage/registry.ts";
import type { MemberSummary, SwarmSummary } from "../../tracker/manage/summary.ts";

/** What the page knows of a tracker at one moment; swarms and events only with a token. */
export interface Look {
  readonly stats: TrackerStats;
  readonly swarms: readonly SwarmSummary[] | undefined;
  /** Newer than the last look, oldest first. */
  readonly events: readonly LoggedEvent[];
}

/** Longest wait for an answer, ms. */
const ANSWER_MS = 8_000;
/** Swarms and peers that are listed at most. */
const LISTED = 200;

/** Why a tracker shows nothing, as a sentence for people. */
export class DeskError extends Error {
  override readonly name = "DeskError";
}

/** A tracker's statistics and management API (docs/OPERATIONS.md). */
export class TrackerDesk {
  readonly #url: string;
  readonly #token: string;
  #lastEvent = 0;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** @throws DeskError */
  async look(): Promise<Look> {
    const stats = await this.#ask<TrackerStats>("stats.json");
    if (this.#token === "") return { stats, swarms: undefined, events: [] };
    const [{ swarms }, { events }] = await Promise.all([
      this.#ask<{ swarms: SwarmSummary[] }>(`manage/swarms?limit=${LISTED}`),
      this.#ask<{ events: LoggedEvent[] }>(`manage/events?after=${this.#lastEvent}&limit=${LISTED}`),
    ]);
    const fresh = events.filter(({ number }) => number > this.#lastEvent);
    this.#lastEvent = fresh.at(-1)?.number ?? this.#lastEvent;
    return { stats, swarms, events: fresh };
  }

  /** Members of a swarm, the first of them by Peer-ID. @throws DeskError */
  async peers(swarmId: string): Promise<readonly MemberSummary[]> {
    const path = `manage/swarms/${encodeURIComponent(swarmId)}/peers?limit=${LISTED}`;
    return (await this.#ask<{ peers: MemberSummary[] }>(path)).peers;
  }

  /** Switches P2P on or off for a swarm. @throws DeskError */
  async switchP2p(swarmId: string, p2p: boolean): Promise<void> {
    const init = { method: "PUT", body: JSON.stringify({ p2p }), headers: { "Content-Type": "application/json" } };
    await this.#ask(`manage/swarms/${encodeURIComponent(swarmId)}`, init);
  }

  async #ask<T>(path: string, init: RequestInit = {}): Promise<T> {
    if (!URL.canParse(path, this.#url)) throw new DeskError("This is not the address of a tracker.");
    const headers = new Headers(init.headers);
    if (path.startsWith("manage/")) headers.set("Authorization", `Bearer ${this.#token}`);
    const signal = AbortSignal.timeout(ANSWER_MS);
    let response: Response;
    try {
      response = await fetch(new URL(path, this.#url), { ...init, headers, signal, cache: "no-store" });
    } catch {
      throw new DeskError("The tracker does not answer.");
    }
    if (response.status === 401) throw new DeskError("The tracker does not take this token.");
    if (response.status === 404) throw new DeskError("The tracker has no management API, or nothing of this name.");
    if (!response.ok) throw new DeskError(`The tracker answers with status ${response.status}.`);
    try {
      return (await response.json()) as T;
    } catch {
      throw new DeskError("The answer is not that of a tracker.");
    }
  }
}
