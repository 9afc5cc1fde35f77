import { MAX_GRANT } from "../../core/content/presentation.ts";
import type { TrackerRequest } from "../messages.ts";
import type { Asker } from "../objects.ts";
import type { Parameters } from "../parameters.ts";
import type { AuthorityHost } from "./authority.ts";
import { type PublisherKey, readGrant, type Voucher, verifyGrant } from "./grant.ts";

/** What a peer is told about a swarm that neither a list nor a publisher names. */
export const NOT_SERVED = "Swarm not served here";

/** Checks what publishers say about swarms that the operator has not named. */
export class Publishers {
  readonly #keys: ReadonlyMap<string, PublisherKey>;
  /** By how much clocks may differ, s. */
  readonly #clocks: number;
  /** Grants whose check is remembered. */
  readonly #table: number;
  readonly #host: AuthorityHost;
  readonly #known = new Map<string, Voucher>();

  private constructor(parameters: Parameters, host: AuthorityHost) {
    this.#keys = parameters.publishers;
    this.#clocks = parameters.number("AUTH_CLOCKS");
    this.#table = parameters.number("AUTH_TABLE");
    this.#host = host;
  }

  /** The publishers that the parameters list; undefined where there are none. */
  static from(parameters: Parameters, host: AuthorityHost): Publishers | undefined {
    return parameters.publishers.size === 0 ? undefined : new Publishers(parameters, host);
  }

  /**
   * The asker with what it has shown for each swarm of its request that is not served anyway. A swarm that has members
   * knows already who vouches for it, so what is missing here is for the swarm to judge.
   */
  async vouch(request: TrackerRequest, asker: Asker, serves: (swarmId: string) => boolean): Promise<Asker> {
    const unnamed = swarmsOf(request).filter((swarmId) => !serves(swarmId));
    if (unnamed.length === 0) return asker;
    const shown = (request.grants ?? []).map(claimOf);
    const vouched = new Map<string, Voucher | string>();
    for (const swarmId of unnamed) {
      const claim = shown.find((one) => one.swarmId === swarmId);
      vouched.set(swarmId, claim === undefined ? lack(shown) : await this.#check(claim));
    }
    return { ...asker, vouched };
  }

  async #check({ grant, publisher = "" }: Claim): Promise<Voucher | string> {
    const now = this.#host.now();
    const known = this.#known.get(grant);
    if (known !== undefined && known.until > now) return known;
    this.#known.delete(grant);
    const key = this.#keys.get(publisher);
    if (key === undefined) return "Publisher not listed here";
    const until = await verifyGrant(grant, key, this.#host.date(now), this.#clocks);
    if (typeof until === "string") return until;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= this.#table && oldest !== undefined) this.#known.delete(oldest);
    const voucher = { publisher, until };
    this.#known.set(grant, voucher);
    return voucher;
  }
}

/** A grant with what it says of itself, as far as that can be read. */
interface Claim {
  readonly grant: string;
  readonly publisher?: string;
  readonly swarmId?: string;
}

const claimOf = (grant: string): Claim => ({ grant, ...(grant.length <= MAX_GRANT && readGrant(grant)) });

/** Why none of these is for the swarm. */
function lack(shown: readonly Claim[]): string {
  if (shown.length === 0) return NOT_SERVED;
  if (shown.some(({ grant }) => grant.length > MAX_GRANT)) return "Grant is too long";
  return shown.some(({ swarmId }) => swarmId === undefined) ? "Grant is not valid" : "Grant is for another swarm";
}

/** SwarmIDs that a request is about, each once; who only leaves need show nothing. */
function swarmsOf(request: TrackerRequest): readonly string[] {
  switch (request.method) {
    case "CONNECT":
      return [...new Set(request.actions.flatMap(({ action, swarmId }) => (action === "JOIN" ? swarmId : [])))];
    case "FIND":
      return [request.swarmId];
    case "STAT_REPORT":
      return [...new Set(request.stats.flatMap(({ swarmId }) => swarmId ?? []))];
  }
}
