import { malformed } from "../errors.ts";
import { MAX_ICE_SERVERS, MAX_SWARMS } from "../limits.ts";
import type { IceServer, SwarmSize } from "../messages.ts";
import { defined, iceText, integerValue, swarmIdentifier } from "../values.ts";
import { array, type JsonObject, objects, optional, required } from "./read.ts";

/** What our lists extension adds to responses. */

/** Reads `swarm_sizes`; undefined when there are none. @throws TrackerError "malformed". */
export function readSwarmSizes(root: JsonObject): SwarmSize[] | undefined {
  const sizes = objects(root, "swarm_sizes", MAX_SWARMS).map((of) => ({
    swarmId: swarmIdentifier(required(of, "swarm_id")),
    size: integerValue(required(of, "size"), "size"),
  }));
  return sizes.length > 0 ? sizes : undefined;
}

/** Reads `ice_servers`; undefined when there are none. @throws TrackerError "malformed". */
export function readIceServers(root: JsonObject): IceServer[] | undefined {
  const servers = objects(root, "ice_servers", MAX_ICE_SERVERS).map((of) => {
    const urls = array(required(of, "urls"), "urls", MAX_ICE_SERVERS).map(iceText);
    if (urls.length === 0) throw malformed("Bad ice_servers");
    return {
      urls,
      ...defined({ username: optional(of, "username", iceText), credential: optional(of, "credential", iceText) }),
    };
  });
  return servers.length > 0 ? servers : undefined;
}
