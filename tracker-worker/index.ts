import { handleTracker, refuse } from "../src/tracker/handler.ts";
import { withIceServers } from "../src/tracker/ice.ts";
import type { TrackerObjects } from "../src/tracker/objects.ts";
import { edgePlace } from "../src/tracker/place.ts";
import { POLL_PATH, SIGNAL_PATH } from "../src/tracker/signal.ts";
import { type Environment, iceServers, servedSwarms } from "./environment.ts";

export { PeerObject } from "./peer-object.ts";
export { Swarm } from "./swarm-object.ts";

/** PPSP-TP at `/`, signalling sockets at `/signal`. */
export default {
  fetch(request, environment) {
    const url = new URL(request.url);
    const serves = servedSwarms(environment);
    if (url.pathname === SIGNAL_PATH || url.pathname === POLL_PATH)
      return openSignalling(request, url, environment, serves);
    const objects: TrackerObjects = {
      swarm: (swarmId) => environment.SWARM.getByName(swarmId),
      peer: (peerId) => environment.PEER.getByName(peerId),
    };
    const meeting = withIceServers(objects, iceServers(environment), Date.now);
    // The edge sets this field and drops one that a client sends.
    const source = request.headers.get("CF-Connecting-IP") ?? "0.0.0.0";
    return handleTracker(request, { source, ...edgePlace(request.cf) }, meeting, { serves });
  },
} satisfies ExportedHandler<Environment>;

async function openSignalling(
  request: Request,
  url: URL,
  environment: Environment,
  serves: (swarmId: string) => boolean,
): Promise<Response> {
  const swarmId = url.searchParams.get("swarm") ?? "";
  const poll = url.pathname === POLL_PATH;
  if (!poll && request.headers.get("Upgrade")?.toLowerCase() !== "websocket")
    return refuse("malformed", "Not a WebSocket");
  if (swarmId === "") return refuse("malformed", "Missing swarm");
  if (!serves(swarmId)) return refuse("forbidden", "Swarm not served here");
  try {
    return await environment.SWARM.getByName(swarmId).fetch(request);
  } catch (error) {
    console.error("tracker: signalling socket not opened", error);
    return refuse("internal", "Unexpected condition");
  }
}
