import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import type { ConnectRequest } from "../../src/tracker/messages.ts";
import { Swarm } from "../../tracker-worker/index.ts";
import { unique } from "./tracker.ts";

const PEERS = 2000;
const ASKER = { source: "198.51.100.1" };

function join(peerId: string, swarmId: string, transactionId: string, token?: string): ConnectRequest {
  return {
    method: "CONNECT",
    transactionId,
    peerId,
    actions: [{ swarmId, action: "JOIN", peerMode: "LEECH", transactionId: `${transactionId}.1` }],
    peerNum: { count: 5 },
    addresses: [],
    registration: token === undefined ? {} : { token },
  };
}

test(`${PEERS} peers come back at once to an object that lost its memory: each to its own registration`, async () => {
  const swarmId = "aa99";
  const peers = Array.from({ length: PEERS }, (_, index) => unique(`storm${index}`));
  await runInDurableObject(env.SWARM.getByName(swarmId), async (instance, state) => {
    const before = instance as Swarm;
    const tokens = await Promise.all(
      peers.map(async (peerId) => {
        const outcome = await before.onConnect(join(peerId, swarmId, `${peerId}.1`), ASKER);
        return "ok" in outcome && outcome.ok ? outcome.response.registration?.token : undefined;
      }),
    );
    expect(new Set(tokens).size).toBe(PEERS);
    // All that survives a crash is the storage.
    const after = new Swarm(state, env);
    const outcomes = await Promise.all(
      peers.map((peerId, index) => after.onConnect(join(peerId, swarmId, `${peerId}.2`, tokens[index]), ASKER)),
    );
    for (const [index, outcome] of outcomes.entries()) {
      if (!("ok" in outcome) || !outcome.ok) throw new Error(JSON.stringify(outcome));
      const { registration, swarmSizes, peers: list = [] } = outcome.response;
      expect(registration?.token).toBe(tokens[index]);
      expect(swarmSizes).toEqual([{ swarmId, size: PEERS }]);
      expect(list).toHaveLength(6);
    }
  });
}, 60_000);
