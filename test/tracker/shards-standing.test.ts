import { describe, expect, test } from "vitest";
import type { ConnectRequest } from "../../src/tracker/messages.ts";
import type { Asker, Outcome } from "../../src/tracker/objects.ts";
import { shardOf } from "../../src/tracker/shards/names.ts";
import { GrownWorld } from "./grown.ts";

// What a registration says of the peer itself holds in every object of a grown swarm.
const SWARM = "abcdef";
const SHARDS = 4;
const PUBLISHER = "0f00";

const join = (peerId: string, registration: ConnectRequest["registration"]): ConnectRequest => ({
  method: "CONNECT",
  transactionId: peerId,
  peerId,
  addresses: [{ ip: "192.0.2.1", port: 7, type: "ipv4", priority: 1 } as never],
  actions: [{ swarmId: SWARM, action: "JOIN", peerMode: "LEECH", transactionId: "1" }],
  peerNum: { count: 50 },
  registration: registration ?? {},
});

function answer(outcome: Outcome): Extract<Outcome, { ok: true }>["response"] {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.reason}`);
  return outcome.response;
}

/** A swarm of 20 members in four shards that know of each other; the members' tokens. */
async function grown(world: GrownWorld, asker: Asker, registration: ConnectRequest["registration"] = {}) {
  const swarm = world.router.swarm(SWARM);
  const tokens = new Map<string, string>();
  const ids = Array.from({ length: 20 }, (_, index) => `peer${index}`);
  const register = async (peerId: string): Promise<void> => {
    const token = tokens.get(peerId);
    const known = { ...registration, ...(token !== undefined && { token }) };
    const { registration: given } = answer(await world.result(swarm.onConnect(join(peerId, known), asker)));
    tokens.set(peerId, given?.token ?? "");
  };
  for (const peerId of ids) await register(peerId);
  const refresh = async (): Promise<void> => {
    world.now += 10_000;
    for (const peerId of ids) {
      const registered = { token: tokens.get(peerId) ?? "" };
      const stats = [{ swarmId: SWARM, uploadedBytes: 1 }];
      const report = { method: "STAT_REPORT", transactionId: "r", peerId, stats, registration: registered } as const;
      answer(await world.result(swarm.onReport(report, asker)));
    }
    await world.rest();
  };
  await world.rest();
  await refresh();
  await refresh();
  expect(new Set(ids.flatMap((peerId) => world.holders(peerId))).size).toBe(SHARDS);
  return { swarm, ids, tokens };
}

describe("relay-only members of a grown swarm", () => {
  test("are listed by all of its objects, without an address; others with theirs", async () => {
    for (const relayOnly of [true, false]) {
      const world = new GrownWorld({ seed: 3, shardMembers: 8, shards: SHARDS });
      const asker = { source: "192.0.2.1" };
      const { swarm } = await grown(world, asker, relayOnly ? { relayOnly: true } : {});
      const { peers = [] } = answer(await world.result(swarm.onConnect(join("newcomer", {}), asker)));
      const others = peers.filter(({ peerId }) => peerId !== "newcomer");
      const shards = new Set(others.map(({ peerId }) => shardOf(peerId, SHARDS)));
      expect(shards.size).toBe(SHARDS);
      for (const { addresses } of others) expect(addresses).toHaveLength(relayOnly ? 0 : 1);
    }
  });

  test("signal nobody at another object what names their own address", async () => {
    const world = new GrownWorld({ seed: 5, shardMembers: 8, shards: SHARDS });
    const { ids, tokens } = await grown(world, { source: "192.0.2.1" }, { relayOnly: true });
    const [from = ""] = ids;
    const to = ids.find((peerId) => shardOf(peerId, SHARDS) !== shardOf(from, SHARDS)) ?? "";
    const [sender, receiver] = [
      await world.result(world.open(SWARM, from, tokens.get(from) ?? "")),
      await world.result(world.open(SWARM, to, tokens.get(to) ?? "")),
    ];
    if (sender === undefined || receiver === undefined) throw new Error("no socket");
    const candidate = (type: string) => ({ candidate: `candidate:1 1 udp 1 192.0.2.9 9 typ ${type}` });
    world.say(from, sender, { to, payload: candidate("host") });
    world.say(from, sender, { to, payload: candidate("relay") });
    await world.rest();
    expect(receiver.messages.slice(1)).toEqual([{ from, payload: candidate("relay") }]);
    expect(sender.messages).toContainEqual({ gone: to });
  });
});

describe("a grown swarm that a publisher vouches for", () => {
  const asker = (world: GrownWorld, forMs: number): Asker => ({
    source: "192.0.2.1",
    vouched: new Map([[SWARM, { publisher: PUBLISHER, until: world.now + forMs }]]),
  });
  const stranger: Asker = { source: "192.0.2.2", vouched: new Map([[SWARM, "Grant is missing"]]) };
  const publishers = new Set([PUBLISHER]);

  test("needs that word once: it is known to all objects, and so is a later one", async () => {
    const world = new GrownWorld({ seed: 7, shardMembers: 8, shards: SHARDS, publishers });
    const { swarm, ids, tokens } = await grown(world, asker(world, 100_000));
    for (let index = 0; index < 8; index += 1) {
      answer(await world.result(swarm.onConnect(join(`plain${index}`, {}), stranger)));
    }
    // One member renews it at its own object.
    const [first = ""] = ids;
    const later = { ...join(first, { token: tokens.get(first) ?? "" }), transactionId: "later" };
    answer(await world.result(swarm.onConnect(later, asker(world, 10_000_000))));
    const exchange = async (): Promise<void> => {
      world.now += 10_000;
      for (const peerId of ids) {
        const report = { method: "STAT_REPORT", transactionId: "r", peerId, stats: [] } as const;
        const registration = { token: tokens.get(peerId) ?? "" };
        const stats = [{ swarmId: SWARM, uploadedBytes: 1 }];
        answer(await world.result(swarm.onReport({ ...report, stats, registration }, stranger)));
      }
      await world.rest();
    };
    await exchange();
    await exchange();
    world.now += 200_000;
    await exchange();
    for (const peerId of ids) expect(world.holders(peerId), peerId).toHaveLength(1);
    expect(await world.result(world.desk(SWARM).describe())).toMatchObject({ publisher: PUBLISHER, members: 28 });
  });

  test("ends everywhere when the word is over", async () => {
    const world = new GrownWorld({ seed: 9, shardMembers: 8, shards: SHARDS, publishers });
    const { swarm, ids } = await grown(world, asker(world, 100_000));
    world.now += 200_000;
    await world.rest();
    for (const peerId of ids) expect(world.holders(peerId), peerId).toEqual([]);
    const refused = await world.result(swarm.onConnect(join("late", {}), stranger));
    expect(refused).toMatchObject({ ok: false, reason: "Grant is missing" });
  });
});
