import type { IceServer } from "./messages.ts";
import type { Outcome, TrackerObjects } from "./objects.ts";

/** A STUN or TURN server as the operator configures it. */
export interface IceServerOption {
  readonly urls: readonly string[];
  /** Shared with the TURN server (coturn: static-auth-secret). Absent: no credentials, as for STUN. */
  readonly secret?: string;
}

/**
 * Seconds that a credential is good for. A TURN server asks again for every allocation and refresh, so it must last a
 * film; peers get a fresh one with each list.
 */
export const ICE_TTL = 4 * 3600;

/**
 * The servers for one peer, each with a credential of its own that expires: user name `expiry:peerId`, password the
 * HMAC-SHA1 of that under the shared secret (draft-uberti-behave-turn-rest-00 §2.2, coturn's use-auth-secret).
 *
 * @param now - milliseconds since 1970
 */
export function iceServersFor(
  options: readonly IceServerOption[],
  peerId: string,
  now: number,
  ttl = ICE_TTL,
): Promise<IceServer[]> {
  return Promise.all(
    options.map(async ({ urls, secret }) => {
      if (secret === undefined) return { urls };
      const username = `${Math.floor(now / 1000) + ttl}:${peerId}`;
      return { urls, username, credential: await password(secret, username) };
    }),
  );
}

/** Most servers, and URLs of one, as in ppsp.json. */
const MAX_SERVERS = 16;

/** Reads the operator's setting, JSON text. @throws RangeError that says what is wrong. */
export function parseIceServers(text: string): IceServerOption[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RangeError("ICE servers are not JSON");
  }
  if (!Array.isArray(value) || value.length > MAX_SERVERS) throw new RangeError("ICE servers are not a list");
  return value.map((server: unknown) => {
    const { urls, secret } = (server ?? {}) as { urls?: unknown; secret?: unknown };
    const list: readonly unknown[] = Array.isArray(urls) ? urls : [urls];
    if (list.length > MAX_SERVERS || list.some((url) => typeof url !== "string" || !/^(?:stun|turn)s?:/u.test(url))) {
      throw new RangeError("urls of an ICE server are not stun: or turn: URLs");
    }
    if (secret !== undefined && (typeof secret !== "string" || secret === "")) {
      throw new RangeError("secret of an ICE server is not text");
    }
    return { urls: list as readonly string[], ...(secret !== undefined && { secret }) };
  });
}

async function password(secret: string, username: string): Promise<string> {
  const text = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const key = await crypto.subtle.importKey("raw", text.encode(secret), algorithm, false, ["sign"]);
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.sign("HMAC", key, text.encode(username)))));
}

/**
 * The same tracker, whose answers to CONNECT and FIND of members with tokens also name STUN and TURN servers: those that
 * can be signalled are those that need them.
 *
 * @param life - of a credential, seconds
 * @param now - milliseconds since 1970
 */
export function withIceServers(
  objects: TrackerObjects,
  options: readonly IceServerOption[],
  life: number,
  now: () => number,
): TrackerObjects {
  if (options.length === 0) return objects;
  const add = async (outcome: Outcome, peerId: string): Promise<Outcome> => {
    if (!outcome.ok) return outcome;
    const iceServers = await iceServersFor(options, peerId, now(), life);
    return { ok: true, response: { ...outcome.response, iceServers } };
  };
  return {
    peer: (peerId) => objects.peer(peerId),
    swarm: (swarmId) => {
      const swarm = objects.swarm(swarmId);
      return {
        onConnect: async (request, asker) => {
          const outcome = await swarm.onConnect(request, asker);
          // Without a token in it, the answer is to a LEAVE.
          const joined = outcome.ok && outcome.response.registration !== undefined;
          return joined ? add(outcome, request.peerId) : outcome;
        },
        onFind: async (request, asker) => add(await swarm.onFind(request, asker), request.peerId),
        onReport: (request, asker) => swarm.onReport(request, asker),
        enter: (entry, wish) => swarm.enter(entry, wish),
        find: (peerId, asker, wish) => swarm.find(peerId, asker, wish),
        remove: (peerId) => swarm.remove(peerId),
        note: (peerId, stat, properties) => swarm.note(peerId, stat, properties),
      };
    },
  };
}
