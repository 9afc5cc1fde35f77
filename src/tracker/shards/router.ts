import { TrackerError } from "../errors.ts";
import { refuse } from "../exchange.ts";
import type { SwarmPort } from "../objects.ts";
import { isSwarmName, shardName, shardOf } from "./names.ts";
import { type Asked, isMoved, type Moved, type Remote } from "./port.ts";

/** Swarms of which the number of shards is remembered; one that is forgotten costs one more question. */
const MAX_KNOWN = 10_000;
/** Objects that are asked for one request: more would be a swarm that grows and ends all the time. */
const MAX_HOPS = 4;
/** Header of a response that is none: the swarm has so many shards. */
const SHARDS_HEADER = "PPSP-Shards";

/** Response of an object that does not answer for this peer. */
export const movedResponse = ({ shards }: Moved): Response =>
  new Response(null, { status: 421, headers: { [SHARDS_HEADER]: String(shards) } });

/** Finds the object of a swarm that answers for a peer: the swarm's own, unless that has said how many shards there are. */
export class ShardRouter<Stub extends Asked<SwarmPort> & { fetch(request: Request): Promise<Response> }> {
  readonly #object: (name: string) => Stub;
  readonly #shards = new Map<string, number>();

  /** @param object - the object of that name */
  constructor(object: (name: string) => Stub) {
    this.#object = object;
  }

  /** The swarm as one object, whatever it is made of. */
  swarm(swarmId: string): Remote<SwarmPort> {
    const ask = <T>(peerId: string, call: (object: Stub) => Promise<T | Moved>): Promise<T> =>
      this.#ask(swarmId, peerId, call, (answer) => (isMoved(answer) ? answer.shards : undefined)) as Promise<T>;
    return {
      onConnect: (request, asker) => ask(request.peerId, (object) => object.onConnect(request, asker)),
      onFind: (request, asker) => ask(request.peerId, (object) => object.onFind(request, asker)),
      onReport: (request, asker) => ask(request.peerId, (object) => object.onReport(request, asker)),
      enter: (entry, wish) => ask(entry.peerId, (object) => object.enter(entry, wish)),
      find: (peerId, asker, wish) => ask(peerId, (object) => object.find(peerId, asker, wish)),
      remove: (peerId) => ask(peerId, (object) => object.remove(peerId)),
      note: (peerId, stat, properties) => ask(peerId, (object) => object.note(peerId, stat, properties)),
    };
  }

  /** A signalling request of a peer, to the object that holds its registration. */
  async signal(request: Request, swarmId: string): Promise<Response> {
    if (!isSwarmName(swarmId)) return refuse("forbidden", "Swarm not served here");
    const peerId = new URL(request.url).searchParams.get("peer") ?? "";
    return this.#ask(
      swarmId,
      peerId,
      // A body can be read once.
      (object) => object.fetch(request.body === null ? request : request.clone()),
      (answer) => (answer.status === 421 ? Number(answer.headers.get(SHARDS_HEADER)) : undefined),
    );
  }

  async #ask<T>(
    swarmId: string,
    peerId: string,
    call: (object: Stub) => Promise<T>,
    shardsOf: (answer: T) => number | undefined,
  ): Promise<T> {
    for (let hop = 0; hop < MAX_HOPS; hop += 1) {
      const known = this.#shards.get(swarmId) ?? 1;
      const name = known === 1 ? swarmId : shardName(swarmId, shardOf(peerId, known), known);
      const answer = await call(this.#object(name));
      const shards = shardsOf(answer);
      if (shards === undefined) return answer;
      this.#learn(swarmId, shards);
    }
    throw new TrackerError("unavailable", "Swarm is changing");
  }

  #learn(swarmId: string, shards: number): void {
    this.#shards.delete(swarmId);
    if (shards === 1) return;
    this.#shards.set(swarmId, shards);
    for (const oldest of this.#shards.keys()) {
      if (this.#shards.size <= MAX_KNOWN) break;
      this.#shards.delete(oldest);
    }
  }
}
