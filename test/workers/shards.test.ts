import { env, exports } from "cloudflare:workers";
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { beforeAll, expect, test, vi } from "vitest";
import type { PeerMode } from "../../src/tracker/messages.ts";
import { shardName, shardOf } from "../../src/tracker/shards/names.ts";
import type { Swarm } from "../../tracker-worker/index.ts";
import { connect, enrol, listed, openSocket, post, report, type TestSocket, unique } from "./tracker.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";

const SHARDS = 4;
const TOKEN = "the-operators-own-token";

/** Waits for what other objects do in their own time. */
const eventually = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 30_000, interval: 100 });

interface Peer {
  readonly peerId: string;
  readonly token: string;
}

/** Members of an object, as it has stored them. */
function storedMembers({ storage }: DurableObjectState): string[] {
  if (storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'members'").toArray().length === 0) return [];
  return storage.sql
    .exec<{ peer_id: string }>("SELECT peer_id FROM members")
    .toArray()
    .map((row) => row.peer_id);
}

const storedAt = (name: string): Promise<string[]> =>
  runInDurableObject(env.SWARM.getByName(name), (_, state) => storedMembers(state));

/** Members of all objects of a swarm: the root's first. */
const stored = (swarmId: string): Promise<string[][]> =>
  Promise.all([
    storedAt(swarmId),
    ...Array.from({ length: SHARDS }, (_, shard) => storedAt(shardName(swarmId, shard, SHARDS))),
  ]);

/** Peer-IDs by turns of each shard: one in which nobody is heard of has nothing to show. */
function uniqueIn(shard: number, name: string): string {
  for (;;) {
    const peerId = unique(name);
    if (shardOf(peerId, SHARDS) === shard % SHARDS) return peerId;
  }
}

/** A swarm with so many members, all of which the root has handed over. */
async function grown(swarmId: string, count: number, peerMode: PeerMode = "LEECH"): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (let index = 0; index < count; index += 1) {
    const peerId = uniqueIn(index, `peer${index}`);
    peers.push({ peerId, token: await enrol(peerId, swarmId, peerMode) });
  }
  await eventually(async () => expect((await storedAt(swarmId)).length).toBe(0));
  return peers;
}

/** FIND with a token. */
const find = (swarmId: string, { peerId, token }: Peer, count: number) =>
  post(
    xmlCodec.encodeRequest({
      method: "FIND",
      transactionId: unique("find"),
      peerId,
      swarmId,
      peerNum: { count },
      registration: { token },
    }),
  );

/** All objects' clock is ahead by this, ms. */
let ahead = 0;
beforeAll(() => {
  const { now } = Date;
  vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
});
const pass = (ms: number): void => void (ahead += ms);

/** How old the others' members get before shards show one another theirs, ms. */
const EXCHANGE_MS = 10_000;

/** Has the shards show one another their members. */
const exchanged = (swarmId: string, peers: readonly Peer[], size: number): Promise<void> =>
  eventually(async () => {
    pass(EXCHANGE_MS);
    const sizes: unknown[] = [];
    for (const peer of peers) sizes.push((await find(swarmId, peer, 5)).message?.swarmSizes?.[0]?.size);
    expect(sizes).toEqual(peers.map(() => size));
  });

/** A call of the management API; status and body. */
async function manage(path: string, method = "GET", body?: object): Promise<[number, Record<string, unknown>]> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = new Headers({ Authorization: `Bearer ${TOKEN}` });
  if (text !== undefined) headers.set("Content-Length", String(text.length));
  const init = { method, headers, ...(text !== undefined && { body: text }) };
  const response = await exports.default.fetch(new Request(`https://tracker.example/manage${path}`, init));
  const answer = await response.text();
  return [response.status, answer === "" ? {} : (JSON.parse(answer) as Record<string, unknown>)];
}

const socketOf = async (swarmId: string, { peerId, token }: Peer): Promise<TestSocket> => {
  const socket = await openSocket(swarmId, peerId, token);
  if (typeof socket === "number") throw new Error(`socket refused: ${socket}`);
  return socket;
};

/** Two members in different shards. */
function apart(peers: readonly Peer[]): [Peer, Peer] {
  const [first] = peers;
  const other = peers.find(({ peerId }) => shardOf(peerId, SHARDS) !== shardOf(first?.peerId ?? "", SHARDS));
  if (first === undefined || other === undefined) throw new Error("all in one shard");
  return [first, other];
}

test("a swarm up to its limit is one object; with one more member each is at its own shard, with the token it had", async () => {
  const peers: Peer[] = [];
  for (let index = 0; index < 8; index += 1) {
    const peerId = unique("peer");
    peers.push({ peerId, token: await enrol(peerId, "cc01") });
  }
  expect((await stored("cc01")).map(({ length }) => length)).toEqual([8, 0, 0, 0, 0]);
  const last = unique("peer");
  peers.push({ peerId: last, token: await enrol(last, "cc01") });
  await eventually(async () => expect((await stored("cc01"))[0]).toEqual([]));
  for (const [shard, members] of (await stored("cc01")).slice(1).entries()) {
    const own = peers.filter(({ peerId }) => shardOf(peerId, SHARDS) === shard).map(({ peerId }) => peerId);
    expect(members.sort()).toEqual(own.sort());
  }
  for (const { peerId, token } of peers) {
    const again = await connect(peerId, ["JOIN LEECH cc01"], { registration: { token } });
    expect(again.message?.registration?.token).toBe(token);
    // Who does not know the token is not taken for the member, at whatever object.
    expect((await connect(peerId, ["JOIN LEECH cc01"], { registration: {} })).status).toBe(401);
  }
});

test("lists hold members of all shards in proportion, and everybody counts everybody", async () => {
  const peers = await grown("cc02", 40);
  await exchanged("cc02", peers, 40);
  let [own, all] = [0, 0];
  for (const peer of peers) {
    const answer = await find("cc02", peer, 10);
    const others = (answer.message?.peers ?? []).map(({ peerId }) => peerId);
    expect(new Set(others).size).toBe(10);
    expect(others).not.toContain(peer.peerId);
    all += others.length;
    own += others.filter((peerId) => shardOf(peerId, SHARDS) === shardOf(peer.peerId, SHARDS)).length;
  }
  // About a quarter of the swarm is in one's own shard.
  expect(own / all).toBeGreaterThan(0.1);
  expect(own / all).toBeLessThan(0.45);
});

test("the only SEED is offered to all, and so is a super-node, whatever their shard", async () => {
  const peers = await grown("cc03", 16);
  const seed = unique("seed");
  const token = await enrol(seed, "cc03", "SEED");
  const superNode = unique("super");
  const name = shardName("cc03", shardOf(superNode, SHARDS), SHARDS);
  await runInDurableObject(env.SWARM.getByName(name), async (instance) => {
    const asker = { source: "192.0.2.9", superNodeOf: ["cc03"] };
    const action = { swarmId: "cc03", action: "JOIN", peerMode: "LEECH", transactionId: "1" } as const;
    const request = { method: "CONNECT", transactionId: "s", peerId: superNode, addresses: [] } as const;
    const outcome = await (instance as Swarm).onConnect({ ...request, actions: [action], registration: {} }, asker);
    expect(outcome).toMatchObject({ ok: true });
  });
  await exchanged("cc03", [...peers, { peerId: seed, token }], 18);
  for (const peer of peers) {
    const others = (await find("cc03", peer, 12)).message?.peers ?? [];
    expect(others.map(({ peerId }) => peerId)).toContain(seed);
    expect(others.find(({ peerId }) => peerId === superNode)?.superNode).toBe(true);
  }
});

test("a socket opens at the member's shard, and a signal reaches a member of another shard, by socket and by poll", async () => {
  const peers = await grown("cc04", 12);
  const [first, second] = apart(peers);
  const [one, two] = [await socketOf("cc04", first), await socketOf("cc04", second)];
  const signals = Array.from({ length: 20 }, (_, index) => index);
  for (const payload of signals) one.send({ to: second.peerId, payload });
  await eventually(() => expect(two.messages.slice(1)).toHaveLength(20));
  // In any order: workerd hands over what one socket sends out of order at times, in a swarm of one object too.
  const received = two.messages.slice(1) as { from: string; payload: number }[];
  expect(received.map(({ payload }) => payload).sort((a, b) => a - b)).toEqual(signals);
  expect(received.every(({ from }) => from === first.peerId)).toBe(true);
  two.send({ to: first.peerId, payload: "answer" });
  await eventually(() => expect(one.messages.at(-1)).toEqual({ from: second.peerId, payload: "answer" }));
  // Nobody has this Peer-ID, at whatever shard.
  for (const peerId of Array.from({ length: 8 }, () => unique("nobody"))) {
    one.send({ to: peerId, payload: 1 });
    await eventually(() => expect(one.messages.at(-1)).toEqual({ gone: peerId }));
  }
  const polling = peers.find(
    ({ peerId }) => shardOf(peerId, SHARDS) !== shardOf(first.peerId, SHARDS) && peerId !== second.peerId,
  );
  if (polling === undefined) throw new Error("all in one shard");
  const poll = async (body: object): Promise<{ session: string; messages: unknown[] }> => {
    const url = `https://tracker.example/signal/poll?swarm=cc04&peer=${polling.peerId}`;
    const text = JSON.stringify({ token: polling.token, ...body });
    const response = await exports.default.fetch(new Request(url, { method: "POST", body: text }));
    expect(response.status).toBe(200);
    return response.json();
  };
  const { session } = await poll({ wait: 0 });
  one.send({ to: polling.peerId, payload: "to a poll" });
  await eventually(async () => {
    expect((await poll({ session, wait: 1 })).messages).toContainEqual({ from: first.peerId, payload: "to a poll" });
  });
  await poll({ session, signals: [{ to: first.peerId, payload: "from a poll" }] });
  await eventually(() => expect(one.messages.at(-1)).toEqual({ from: polling.peerId, payload: "from a poll" }));
});

test("a socket that was open when the swarm grew is closed, and the member comes back to its shard", async () => {
  const peers: Peer[] = [];
  for (let index = 0; index < 8; index += 1) {
    const peerId = unique("peer");
    peers.push({ peerId, token: await enrol(peerId, "cc05") });
  }
  const sockets = await Promise.all(peers.map((peer) => socketOf("cc05", peer)));
  await enrol(unique("peer"), "cc05");
  await eventually(() => expect(sockets.map(({ closed }) => closed)).toEqual(sockets.map(() => 4002)));
  const [first, second] = apart(peers);
  const [one, two] = [await socketOf("cc05", first), await socketOf("cc05", second)];
  one.send({ to: second.peerId, payload: "again" });
  await eventually(() => expect(two.messages.at(-1)).toEqual({ from: first.peerId, payload: "again" }));
});

test("an operator sees one swarm of the right size; a ban, a switch and its removal reach all shards", async () => {
  const peers = await grown("cc06", 20);
  expect(await manage("/swarms/cc06")).toMatchObject([200, { swarmId: "cc06", members: 20, totals: { joined: 20 } }]);
  const [, { swarms }] = await manage("/swarms?limit=1000");
  expect((swarms as { swarmId: string }[]).filter(({ swarmId }) => swarmId.startsWith("cc06"))).toHaveLength(1);
  const [, page] = await manage("/swarms/cc06/peers?limit=15");
  const ids = peers.map(({ peerId }) => peerId).sort();
  expect((page["peers"] as { peerId: string }[]).map(({ peerId }) => peerId)).toEqual(ids.slice(0, 15));
  const [banned, other] = apart(peers);
  expect(await manage(`/swarms/cc06/bans/${banned.peerId}`, "PUT", { address: false })).toEqual([
    200,
    { present: true },
  ]);
  expect((await stored("cc06")).flat()).not.toContain(banned.peerId);
  expect((await connect(banned.peerId, ["JOIN LEECH cc06"], { registration: {} })).status).toBe(403);
  expect(await manage(`/swarms/cc06/bans/${other.peerId}`, "PUT", { address: true })).toEqual([200, { present: true }]);
  // All the others came from the same address.
  for (const { peerId, token } of peers) {
    const answer = await report(peerId, { stats: [{ swarmId: "cc06" }], registration: { token } });
    expect(answer.status).toBe(403);
  }
  expect((await manage(`/swarms/cc06/bans/${other.peerId}`, "DELETE"))[0]).toBe(204);
  expect((await manage("/swarms/cc06", "PUT", { p2p: false }))[1]).toMatchObject({ members: 0, p2p: false });
  expect((await stored("cc06")).flat()).toEqual([]);
  expect((await connect(unique("peer"), ["JOIN LEECH cc06"], { registration: {} })).status).toBe(403);
  await manage("/swarms/cc06", "PUT", { p2p: true });

  await grown("cc07", 20);
  expect(await manage("/swarms/cc07", "DELETE")).toEqual([200, { removed: 20 }]);
  expect((await stored("cc07")).flat()).toEqual([]);
  expect((await manage("/swarms/cc07"))[0]).toBe(404);
  // The next one of this name begins with one object again.
  const next = unique("peer");
  await enrol(next, "cc07");
  expect((await stored("cc07"))[0]).toEqual([next]);
});

test("all objects lose their memory: members, tokens, size and lists come back", async () => {
  const peers = await grown("cc08", 20);
  await exchanged("cc08", peers, 20);
  await abortAllDurableObjects();
  for (const { peerId, token } of peers) {
    const answer = await report(peerId, { stats: [{ swarmId: "cc08" }], registration: { token } });
    expect(answer.status).toBe(200);
  }
  await exchanged("cc08", peers, 20);
  expect(await manage("/swarms/cc08")).toMatchObject([200, { members: 20 }]);
  const [first] = peers;
  if (first === undefined) throw new Error("nobody");
  expect((await find("cc08", first, 19)).message?.peers).toHaveLength(19);
});

test("peers of the base protocol enter a grown swarm, are listed and leave it", async () => {
  const peers = await grown("cc09", 10);
  const plain = Array.from({ length: 6 }, () => unique("plain"));
  for (const peerId of plain) expect((await connect(peerId, ["JOIN SEED cc09"])).status).toBe(200);
  await exchanged("cc09", peers, 16);
  const [first] = peers;
  if (first === undefined) throw new Error("nobody");
  // It may be the first one of its shard, which then has to hear of the others.
  const late = unique("late");
  await eventually(async () => {
    pass(EXCHANGE_MS);
    const answer = await connect(late, ["JOIN LEECH cc09"], { peerNum: { count: 30 } });
    expect(listed(answer)).toEqual(expect.arrayContaining(plain));
  });
  // Held by token, so it cannot be entered without.
  expect((await connect(first.peerId, ["JOIN LEECH cc09"])).status).toBe(401);
  for (const peerId of plain) expect((await connect(peerId, ["LEAVE SEED cc09"])).status).toBe(200);
  expect((await stored("cc09")).flat()).not.toEqual(expect.arrayContaining([plain[0]]));
});

test("the alarm of a root reports one swarm, and a shard whose members are silent lets them go and ends", async () => {
  await grown("cc10", 12);
  expect(await runDurableObjectAlarm(env.SWARM.getByName("cc10"))).toBe(true);
  for (let shard = 0; shard < SHARDS; shard += 1) {
    await runInDurableObject(env.SWARM.getByName(shardName("cc10", shard, SHARDS)), async (instance, state) => {
      if (storedMembers(state).length === 0) return;
      expect(await state.storage.getAlarm()).not.toBe(null);
      pass(130_000);
      await (instance as Swarm).alarm();
    });
  }
  expect((await stored("cc10")).flat()).toEqual([]);
  await runInDurableObject(env.SWARM.getByName("cc10"), async (_, { storage }) => {
    expect([...storage.kv.list()]).toEqual([]);
  });
});
