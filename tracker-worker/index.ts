import { waitUntil } from "cloudflare:workers";
import { TrackerFront } from "../src/tracker/front.ts";
import { refuse } from "../src/tracker/exchange.ts";
import type { RegistryPort } from "../src/tracker/manage/registry.ts";
import type { Asker } from "../src/tracker/objects.ts";
import { edgePlace } from "../src/tracker/place.ts";
import { type Environment, parametersOf, registryOf, routerOf } from "./environment.ts";

export { PeerObject } from "./peer-object.ts";
export { RegistryObject } from "./registry-object.ts";
export { Swarm } from "./swarm-object.ts";

/** One front for each environment that this isolate has seen: rates and counts live as long as it does. */
const fronts = new WeakMap<Environment, TrackerFront>();

/** PPSP-TP at `/`, signalling sockets at `/signal`, and what an operator needs beside them (docs/OPERATIONS.md). */
export default {
  async fetch(request, environment) {
    let front = fronts.get(environment);
    try {
      front ??= newFront(environment);
    } catch (error) {
      console.error("tracker: a parameter cannot be used", error);
      return refuse("internal", "The tracker is not set up");
    }
    fronts.set(environment, front);
    const response = await front.serve(request, askerOf(request));
    if (front.due(parametersOf(environment).number("METRICS_INTERVAL") * 1000)) waitUntil(tell(front));
    return response;
  },
} satisfies ExportedHandler<Environment>;

function newFront(environment: Environment): TrackerFront {
  return new TrackerFront({
    parameters: parametersOf(environment),
    objects: {
      swarm: (swarmId) => routerOf(environment).swarm(swarmId),
      peer: (peerId) => environment.PEER.getByName(peerId),
    },
    registry: registryPort(environment),
    desk: (swarmId) => environment.SWARM.getByName(swarmId),
    mayEnrol: (source) => registryOf(environment).mayEnrol(source),
    requests: { endsBodies: true, placeOf: (request) => edgePlace(request.cf) },
    signal: (request, swarmId) => routerOf(environment).signal(request, swarmId),
    now: () => Date.now(),
    date: (at) => new Date(at),
  });
}

/** A stub belongs to the request that made it, the front to all of them. */
const registryPort = (environment: Environment): RegistryPort => ({
  add: (counts) => registryOf(environment).add(counts),
  report: (summary) => registryOf(environment).report(summary),
  log: (event) => registryOf(environment).log(event),
  stats: () => registryOf(environment).stats(),
  swarms: (after, limit) => registryOf(environment).swarms(after, limit),
  events: (after, limit) => registryOf(environment).events(after, limit),
  limits: () => registryOf(environment).limits(),
  setLimits: (limits) => registryOf(environment).setLimits(limits),
});

/** Who asks, as the edge says it: it sets this field and drops one that a client sends. */
const askerOf = (request: Request): Asker => ({ source: request.headers.get("CF-Connecting-IP") ?? "0.0.0.0" });

/** Counts go to the registry from time to time, after the response and never in its way. */
async function tell(front: TrackerFront): Promise<void> {
  try {
    await front.flush();
  } catch (error) {
    console.error("tracker: the registry does not answer", error);
  }
}
