import { type IceServerOption, parseIceServers } from "../src/tracker/ice.ts";
import { DEFAULT_TRACK_TIMER } from "../src/tracker/limits.ts";
import { Topology, type TopologyDocument } from "../src/tracker/place.ts";
import type { PeerObject } from "./peer-object.ts";
import type { Swarm } from "./swarm-object.ts";

/** Bindings and variables of the Worker; wrangler.jsonc says what each is for. */
export interface Environment {
  readonly SWARM: DurableObjectNamespace<Swarm>;
  readonly PEER: DurableObjectNamespace<PeerObject>;
  /** "true": serve any swarm. */
  readonly OPEN?: string;
  /** SwarmIDs that are served, separated by spaces. */
  readonly SWARMS?: string;
  /** Seconds. */
  readonly TRACK_TIMER?: string;
  /** STUN and TURN servers that peers are told of: JSON, a list of `{ urls, secret? }`. */
  readonly ICE_SERVERS?: string;
  /** Where networks are and what traffic between them costs: JSON, see TopologyDocument. */
  readonly TOPOLOGY?: string;
}

/** STUN and TURN servers of the configuration. @throws RangeError */
export const iceServers = ({ ICE_SERVERS = "" }: Environment): IceServerOption[] =>
  ICE_SERVERS === "" ? [] : parseIceServers(ICE_SERVERS);

/** Networks of the configuration. @throws RangeError, SyntaxError */
export const topology = ({ TOPOLOGY = "" }: Environment): Topology =>
  new Topology(TOPOLOGY === "" ? {} : (JSON.parse(TOPOLOGY) as TopologyDocument));

/** Milliseconds of silence after which a peer is forgotten. */
export function trackTimer(environment: Environment): number {
  const seconds = Number(environment.TRACK_TIMER);
  return (seconds > 0 ? seconds : DEFAULT_TRACK_TIMER) * 1000;
}

/** Which swarms the tracker is there for: all in open mode, else those of the list. */
export function servedSwarms(environment: Environment): (swarmId: string) => boolean {
  if (environment.OPEN === "true") return () => true;
  const listed = new Set(environment.SWARMS?.match(/\S+/gu));
  return (swarmId) => listed.has(swarmId);
}
