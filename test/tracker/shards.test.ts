import { describe, expect, test, vi } from "vitest";
import type { ConnectRequest, PeerMode } from "../../src/tracker/messages.ts";
import type { Outcome } from "../../src/tracker/objects.ts";
import { Outbox } from "../../src/tracker/shards/outbox.ts";
import { partOf, shardName, shardOf } from "../../src/tracker/shards/names.ts";
import { mixed, type Window } from "../../src/tracker/shards/windows.ts";
import { type FakeSocket, GrownWorld } from "./grown.ts";
import { register, tracker } from "./service.ts";

const SWARM = "abcdef";
const ASKER = { source: "192.0.2.1" };

const connect = (peerId: string, action: "JOIN" | "LEAVE", rest: Partial<ConnectRequest> = {}): ConnectRequest => ({
  method: "CONNECT",
  transactionId: `${peerId}.${action}`,
  peerId,
  addresses: [],
  actions: [{ swarmId: SWARM, action, peerMode: "LEECH", transactionId: "1" }],
  registration: {},
  ...rest,
});

/** A viewer that tries again what fails, as clients do, and never loses patience. */
class Viewer {
  readonly peerId: string;
  token: string | undefined;
  socket: FakeSocket | undefined;
  present = false;
  busy = false;
  /** Of the base protocol: another object keeps its machine. */
  readonly plain: boolean;
  readonly #world: GrownWorld;

  constructor(world: GrownWorld, peerId: string, plain = false) {
    this.#world = world;
    this.peerId = peerId;
    this.plain = plain;
  }

  async join(peerMode: PeerMode = "LEECH"): Promise<void> {
    const swarm = this.#world.router.swarm(SWARM);
    this.present = true;
    if (this.plain) {
      const address = { addrType: "ipv4", ip: "192.0.2.1", port: 1, priority: 1, peerProtocol: "UDP" } as never;
      const entry = { peerId: this.peerId, peerMode, asker: ASKER, address };
      const listing = await again(() => swarm.enter(entry, { count: 5 }));
      if (typeof listing === "string") throw new Error(`${this.peerId} is refused: ${listing}`);
      return;
    }
    const outcome = await again(() => swarm.onConnect(connect(this.peerId, "JOIN"), ASKER));
    this.token = response(outcome).registration?.token;
  }

  async report(): Promise<void> {
    const { peerId, token } = this;
    const swarm = this.#world.router.swarm(SWARM);
    if (this.plain) return again(() => swarm.note(peerId, { uploadedBytes: 10 }, undefined));
    const request = {
      method: "STAT_REPORT",
      transactionId: "r",
      peerId,
      stats: [{ swarmId: SWARM, uploadedBytes: 10 }],
    };
    response(
      await again(() =>
        swarm.onReport({ ...request, method: "STAT_REPORT", registration: { token: token ?? "" } }, ASKER),
      ),
    );
  }

  /** Peer-IDs that a FIND lists. */
  async find(count: number): Promise<{ peers: string[]; size: number }> {
    const { peerId, token = "" } = this;
    const request = { method: "FIND", transactionId: "f", peerId, swarmId: SWARM, peerNum: { count } } as const;
    const swarm = this.#world.router.swarm(SWARM);
    const { peers = [], swarmSizes } = response(
      await again(() => swarm.onFind({ ...request, registration: { token } }, ASKER)),
    );
    return { peers: peers.map((peer) => peer.peerId), size: swarmSizes?.[0]?.size ?? 0 };
  }

  async leave(): Promise<void> {
    const swarm = this.#world.router.swarm(SWARM);
    const { peerId, token = "" } = this;
    if (this.plain) await again(() => swarm.remove(peerId));
    // That it is gone already is what it learns when the first answer got lost with the object.
    else await again(() => swarm.onConnect(connect(peerId, "LEAVE", { registration: { token } }), ASKER));
    this.present = false;
    this.token = undefined;
  }

  async open(): Promise<void> {
    if (this.token === undefined) return;
    const socket = await again(() => this.#world.open(SWARM, this.peerId, this.token ?? ""));
    // An object may fail as soon as it has accepted.
    if (socket === undefined && !this.present) throw new Error(`${this.peerId} is not admitted`);
    this.socket = socket;
  }
}

/** The first result; whatever fails is tried again. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if ((error as Error).name !== "ObjectFailed") throw error;
    }
  }
}

function response(outcome: Outcome): Extract<Outcome, { ok: true }>["response"] {
  if (!outcome.ok) throw new Error(`refused: ${outcome.code}, ${outcome.reason}`);
  return outcome.response;
}

/** A swarm with so many members, at rest. */
async function populated(
  count: number,
  shardMembers: number,
  shards: number,
  seed = 1,
): Promise<[GrownWorld, Viewer[]]> {
  const world = new GrownWorld({ seed, shardMembers, shards });
  const viewers = Array.from({ length: count }, (_, index) => new Viewer(world, `peer${index}`));
  await world.result(Promise.all(viewers.map((viewer) => viewer.join())));
  await world.result(Promise.all(viewers.map((viewer) => viewer.report())));
  await world.rest();
  world.now += 10_000;
  await world.result(Promise.all(viewers.map((viewer) => viewer.report())));
  await world.rest();
  return [world, viewers];
}

describe("a swarm that grows while requests, signals and failures fall at random", () => {
  test.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "loses nobody and has nobody twice, seed %i",
    async (seed) => {
      const world = new GrownWorld({ seed, shardMembers: 8, shards: 4 });
      const viewers = Array.from(
        { length: 40 },
        (_, index) => new Viewer(world, `peer${seed}-${index}`, index % 5 === 4),
      );
      const errors: unknown[] = [];
      let running = 0;
      const start = (viewer: Viewer, work: Promise<unknown>): void => {
        viewer.busy = true;
        running += 1;
        const over = (): void => {
          viewer.busy = false;
          running -= 1;
        };
        work.then(over, (error: unknown) => {
          errors.push(error);
          over();
        });
      };
      for (let step = 0; step < 300; step += 1) {
        const viewer = world.drawn(viewers.filter(({ busy }) => !busy));
        const draw = world.random();
        if (viewer !== undefined && !viewer.present) start(viewer, viewer.join());
        else if (viewer !== undefined && draw < 0.3) start(viewer, viewer.report());
        else if (viewer !== undefined && draw < 0.5) start(viewer, viewer.open());
        else if (viewer !== undefined && draw < 0.6 && step > 60) start(viewer, viewer.leave());
        else if (viewer?.socket !== undefined && draw < 0.9) {
          world.say(viewer.peerId, viewer.socket, { to: world.drawn(viewers)?.peerId, payload: step });
        } else void world.alarm(world.drawn([...world.stored.keys()]) ?? SWARM).catch(() => undefined);
        const turns = 1 + Math.floor(world.random() * 6);
        let turn = 0;
        await world.run(() => (turn += 1) > turns, 0.02);
      }
      await world.run(() => running === 0);
      await world.rest();
      expect(errors).toEqual([]);
      const present = viewers.filter((viewer) => viewer.present);
      for (const viewer of viewers) {
        const holders = world.holders(viewer.peerId);
        expect(holders.length, `${viewer.peerId} at ${holders.join()}`).toBe(viewer.present ? 1 : 0);
      }
      const grown = viewers.some(({ peerId }) => world.holders(peerId).some((name) => name !== SWARM));
      expect(grown).toBe(true);
      // Who is registered can still prove it, and the size is right for everybody.
      await world.result(Promise.all(present.map((viewer) => viewer.report())));
      expect((await world.result(world.desk(SWARM).describe())).members).toBe(present.length);
      world.now += 10_000;
      await world.result(Promise.all(present.map((viewer) => viewer.report())));
      await world.rest();
      world.now += 10_000;
      await world.result(Promise.all(present.map((viewer) => viewer.report())));
      await world.rest();
      for (const viewer of present.filter(({ plain }) => !plain)) {
        expect((await world.result(viewer.find(3))).size).toBe(present.length);
      }
      // Signals reach everybody.
      const signallers = present.filter(({ plain }) => !plain);
      for (const viewer of signallers) await world.result(viewer.open());
      for (const [index, viewer] of signallers.entries()) {
        const to = signallers[(index + 1) % signallers.length];
        world.say(viewer.peerId, viewer.socket as FakeSocket, { to: to?.peerId, payload: "last" });
      }
      await world.rest();
      for (const { peerId, socket } of signallers) {
        expect(socket?.messages, peerId).toContainEqual(expect.objectContaining({ payload: "last" }));
      }
      // When all have left, nothing is left of it, and the next one begins with one object.
      await world.result(Promise.all(present.map((viewer) => viewer.leave())));
      await world.rest();
      for (const [name, stored] of world.stored) expect(stored.empty, name).toBe(true);
      const [first] = viewers;
      await world.result(first?.join() ?? Promise.resolve());
      expect(world.holders(first?.peerId ?? "")).toEqual(first === undefined ? [] : [SWARM]);
    },
  );
});

describe("lists of a grown swarm", () => {
  test("hold members of all shards, each as likely as the next", async () => {
    const [world, viewers] = await populated(600, 100, 8);
    const counts = new Map<string, number>();
    let [own, all] = [0, 0];
    for (let round = 0; round < 3; round += 1) {
      for (const viewer of viewers) {
        const { peers, size } = await world.result(viewer.find(10));
        expect(size).toBe(600);
        expect(new Set(peers).size).toBe(10);
        expect(peers).not.toContain(viewer.peerId);
        all += peers.length;
        own += peers.filter((peerId) => shardOf(peerId, 8) === shardOf(viewer.peerId, 8)).length;
        for (const peerId of peers) counts.set(peerId, (counts.get(peerId) ?? 0) + 1);
        world.now += 50;
      }
    }
    // An eighth of the members are in one's own shard.
    expect(own / all).toBeGreaterThan(1 / 12);
    expect(own / all).toBeLessThan(1 / 6);
    // 18,000 places for 600 members: nobody is left out, nobody overrun.
    expect(counts.size).toBeGreaterThan(590);
    expect(Math.max(...counts.values())).toBeLessThan(30 * 5);
  }, 60_000);

  test("never hold who is silent, or banned, for longer than a window", async () => {
    const [world, viewers] = await populated(30, 8, 4);
    const [banned, ...others] = viewers;
    const peerId = banned?.peerId ?? "";
    expect(await world.result(world.desk(SWARM).ban(peerId, false, undefined))).toBe(true);
    for (const viewer of others) expect((await world.result(viewer.find(50))).peers).not.toContain(peerId);
    await expect(world.result(banned?.report() ?? Promise.resolve())).rejects.toThrow(/Not admitted/u);
    expect(world.holders(peerId)).toEqual([]);
  });

  test("windows of unequal shards are mixed in proportion to their sizes", () => {
    const pool = (name: string, size: number) => ({
      size,
      members: Array.from({ length: Math.min(size, 64) }, (_, index) => ({ peerId: `${name}${index}` }) as never),
      superNodes: [],
    });
    const window = (name: string, size: number): Window => ({ all: pool(name, size), reachable: pool(name, size) });
    const world = new GrownWorld({ seed: 7, shardMembers: 1, shards: 2 });
    const counts = { a: 0, b: 0, c: 0 };
    for (let round = 0; round < 200; round += 1) {
      const { all } = mixed([window("a", 4000), window("b", 1000), window("c", 20)], world.random);
      expect(all.size).toBe(5020);
      for (const { peerId } of all.members) counts[peerId[0] as "a" | "b" | "c"] += 1;
    }
    expect(counts.a / counts.b).toBeCloseTo(4, 0);
    expect(counts.c / counts.b).toBeGreaterThan(0.01);
    expect(counts.c / counts.b).toBeLessThan(0.04);
  });
});

describe("operation of a grown swarm", () => {
  test("an operator sees one swarm, and what is decided reaches all of it", async () => {
    const [world, viewers] = await populated(30, 8, 4);
    const desk = world.desk(SWARM);
    expect(await world.result(desk.describe())).toMatchObject({
      swarmId: SWARM,
      members: 30,
      totals: { joined: 30, uploadedBytes: 300 },
    });
    const ids = viewers.map(({ peerId }) => peerId).sort();
    const page = await world.result(desk.list("", 12));
    expect(page.map(({ peerId }) => peerId)).toEqual(ids.slice(0, 12));
    expect((await world.result(desk.list(ids[11] ?? "", 100))).map(({ peerId }) => peerId)).toEqual(ids.slice(12));
    await world.result(desk.change({ p2p: false }));
    for (const { peerId } of viewers) expect(world.holders(peerId)).toEqual([]);
    await world.rest();
    await expect(world.result(viewers[3]?.join() ?? Promise.resolve())).rejects.toThrow(/P2P is switched off/u);
    await world.result(desk.change({ p2p: true }));
    await world.result(Promise.all(viewers.map((viewer) => viewer.join())));
    expect(await world.result(desk.close())).toBe(30);
    expect((await world.result(desk.describe())).members).toBe(0);
  });

  test("the sums of members that left a shard, and of shards that ended, remain with the swarm", async () => {
    const [world, viewers] = await populated(30, 8, 4);
    const last = viewers.at(-1);
    await world.result(Promise.all(viewers.slice(0, -1).map((viewer) => viewer.leave())));
    await world.rest();
    expect(await world.result(world.desk(SWARM).describe())).toMatchObject({
      members: 1,
      totals: { joined: 30, uploadedBytes: 300 },
    });
    expect(world.holders(last?.peerId ?? "")).toHaveLength(1);
  });
});

describe("names of a grown swarm's objects", () => {
  test("say what they are, and no SwarmID is one", () => {
    expect(partOf(shardName("abcdef", 3, 16))).toEqual({ swarmId: "abcdef", shard: 3, shards: 16 });
    expect(partOf("abcdef")).toEqual({ swarmId: "abcdef", shards: 1 });
    expect(partOf("abcdef/3/16")).toEqual({ swarmId: "abcdef/3/16", shards: 1 });
  });

  test("Peer-IDs that differ little are spread evenly", () => {
    const counts = Array.from({ length: 16 }, () => 0);
    for (let index = 0; index < 16_000; index += 1) counts[shardOf(`peer-${index}`, 16)]! += 1;
    expect(Math.min(...counts)).toBeGreaterThan(900);
    expect(Math.max(...counts)).toBeLessThan(1100);
  });
});

test("under Node a swarm is one object, of as many members as MEMBER_LIMIT says", async () => {
  const { url } = await tracker({ parameters: { MEMBER_LIMIT: "2" } });
  expect((await register(url, "first")).status).toBe(200);
  expect((await register(url, "second")).status).toBe(200);
  const third = await register(url, "third");
  expect([third.status, third.headers.get("PPSP-Reason")]).toEqual([503, "Swarm is full"]);
  // Another swarm has room of its own.
  expect((await register(url, "third", { swarmId: "abcd" })).status).toBe(200);
});

test("signals to one object keep their order and gather while a call is on its way; what fails is not reached", async () => {
  const calls: { texts: string[]; answer: (reached: readonly boolean[]) => void; fail: () => void }[] = [];
  const outbox = new Outbox(
    (signals) =>
      new Promise((answer, reject) => {
        calls.push({
          texts: signals.map(({ message }) => ("gone" in message ? message.gone : "")),
          answer,
          fail: () => reject(new Error("failed")),
        });
      }),
  );
  const reached = ["a", "b", "c"].map((gone) => outbox.put("peer", { gone }));
  expect(calls.map(({ texts }) => texts)).toEqual([["a"]]);
  calls[0]?.answer([true]);
  expect(await reached[0]).toBe(true);
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(calls[1]?.texts).toEqual(["b", "c"]);
  calls[1]?.fail();
  expect(await Promise.all(reached)).toEqual([true, false, false]);
  // What is put too fast for the other object is not kept without end.
  const flood = Array.from({ length: 3000 }, (_, index) => outbox.put("peer", { gone: String(index) }));
  expect(await flood.at(-1)).toBe(false);
});
