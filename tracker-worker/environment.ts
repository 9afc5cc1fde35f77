import { type ParameterTexts, Parameters, parameterTexts } from "../src/tracker/parameters.ts";
import { ShardRouter } from "../src/tracker/shards/router.ts";
import type { PeerObject } from "./peer-object.ts";
import type { RegistryObject } from "./registry-object.ts";
import type { Swarm } from "./swarm-object.ts";

/** Bindings of the Worker, and its variables: those of src/tracker/parameter-list.ts. */
export interface Environment extends ParameterTexts {
  readonly SWARM: DurableObjectNamespace<Swarm>;
  readonly PEER: DurableObjectNamespace<PeerObject>;
  readonly REGISTRY: DurableObjectNamespace<RegistryObject>;
}

const known = new WeakMap<Environment, Parameters>();

/** The parameters that the variables set. @throws RangeError */
export function parametersOf(environment: Environment): Parameters {
  const parameters = known.get(environment) ?? new Parameters(parameterTexts({ ...environment }));
  known.set(environment, parameters);
  return parameters;
}

const routers = new WeakMap<Environment, ShardRouter<DurableObjectStub<Swarm>>>();

/** Finds the objects of swarms; what one isolate has learned of their shards is remembered as long as that. */
export function routerOf(environment: Environment): ShardRouter<DurableObjectStub<Swarm>> {
  const router = routers.get(environment) ?? new ShardRouter((name) => environment.SWARM.getByName(name));
  routers.set(environment, router);
  return router;
}

/** Milliseconds of silence after which a peer is forgotten. */
export const trackTimer = (environment: Environment): number => parametersOf(environment).number("TRACK_TIMER") * 1000;

/** The one registry. */
export const registryOf = (environment: Environment): DurableObjectStub<RegistryObject> =>
  environment.REGISTRY.getByName("registry");
