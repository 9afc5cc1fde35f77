import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { INIT_TIMER } from "../../src/tracker/limits.ts";
import { judge, nextState, TrackerMachine } from "../../src/tracker/machine.ts";
import type { PeerMode } from "../../src/tracker/messages.ts";
import { type PeerRecord, PeerTracker } from "../../src/tracker/peer.ts";
import { SampleSet } from "../../src/tracker/roster.ts";
import { LocalObjects } from "./objects.ts";

const mode = fc.constantFrom("SEED" as const, "LEECH" as const);
const swarmId = fc.constantFrom("1", "2", "3");
const actions = fc.array(
  fc.record({
    swarmId,
    action: fc.constantFrom("JOIN" as const, "LEAVE" as const),
    peerMode: mode,
    transactionId: fc.constant("t"),
  }),
  { minLength: 1, maxLength: 3 },
);

describe("the machine of a Peer-ID", () => {
  test("a CONNECT is valid or ends the registration, and TRACKING means to be in a swarm", () => {
    fc.assert(
      fc.property(actions, fc.array(fc.tuple(swarmId, mode)), fc.boolean(), (list, joined, rejoin) => {
        const before = new Map<string, PeerMode>(joined);
        const verdict = judge(list, before, rejoin);
        const after = new Map([...before, ...verdict.join]);
        for (const left of verdict.leave) after.delete(left);
        if (verdict.valid) expect(verdict.state).toBe(after.size > 0 ? "TRACKING" : "TERMINATE");
        else expect([verdict.state, verdict.leave, verdict.join.size]).toEqual(["TERMINATE", [], 0]);
      }),
    );
  });

  test("over any run of requests a Peer-ID is in exactly the swarms that its last valid CONNECT left it in", async () => {
    const steps = fc.array(
      fc.record({ peerId: fc.constantFrom("a", "b"), actions, wait: fc.constantFrom(0, 400, 700) }),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (run) => {
        const objects = new LocalObjects();
        const model = new Map<string, { swarms: Map<string, PeerMode>; seen: number }>();
        for (const [index, step] of run.entries()) {
          objects.now += step.wait;
          for (const [peerId, peer] of model) {
            await objects.peer(peerId).expire();
            if (peer.seen + 1000 <= objects.now) model.delete(peerId);
          }
          const swarms = model.get(step.peerId)?.swarms ?? new Map<string, PeerMode>();
          const verdict = judge(step.actions, swarms, false);
          for (const left of verdict.leave) swarms.delete(left);
          for (const [joined, peerMode] of verdict.join) swarms.set(joined, peerMode);
          if (verdict.valid && swarms.size > 0) model.set(step.peerId, { swarms, seen: objects.now });
          else model.delete(step.peerId);
          const { peerId } = step;
          const request = { method: "CONNECT", transactionId: `t${index}`, peerId, addresses: [] } as const;
          const outcome = await objects
            .peer(peerId)
            .onConnect({ ...request, actions: step.actions }, { source: "192.0.2.1" });
          expect(outcome.ok).toBe(verdict.valid);
          for (const swarm of ["1", "2", "3"]) {
            const expected = [...model].filter(([, { swarms: of }]) => of.has(swarm)).map(([id]) => id);
            expect([...(objects.stored.get(swarm)?.keys() ?? [])].toSorted()).toEqual(expected.toSorted());
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test("requests of one Peer-ID are handled one after the other", async () => {
    const objects = new LocalObjects();
    const join = (id: string, swarm: string) => ({
      ...({ method: "CONNECT", transactionId: id, peerId: "p", addresses: [] } as const),
      actions: [{ swarmId: swarm, action: "JOIN", peerMode: "SEED", transactionId: `${id}.1` } as const],
    });
    const outcomes = await Promise.all([
      objects.peer("p").onConnect(join("t1", "1"), { source: "192.0.2.1" }),
      objects.peer("p").onConnect(join("t2", "2"), { source: "192.0.2.1" }),
    ]);
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, false]);
    expect(objects.stored.get("1")?.size).toBe(0);
  });
});

describe("the machine of the tracker", () => {
  test("PPSP-TP T81 rule: INIT without peers, STARTED from the first registration, TERMINATED and at once INIT after the last", () => {
    let terminated = 0;
    const machine = new TrackerMachine(() => {
      terminated += 1;
      expect(machine.state).toBe("TERMINATED");
    });
    expect(machine.state).toBe("INIT");
    const states = [1, 2, 1, 0, 0, 1].map((registrations) => {
      machine.count(registrations);
      return machine.state;
    });
    expect(states).toEqual(["STARTED", "STARTED", "STARTED", "INIT", "INIT", "STARTED"]);
    expect(terminated).toBe(1);
  });

  test("PPSP-TP T81 rule: a swarm's object goes through it with its members", async () => {
    const objects = new LocalObjects();
    const connect = (action: "JOIN" | "LEAVE") =>
      objects.swarm("1").onConnect(
        {
          ...({ method: "CONNECT", transactionId: action, peerId: "p", addresses: [] } as const),
          actions: [{ swarmId: "1", action, peerMode: "LEECH", transactionId: "t" }],
          registration: { token: "token1" },
        },
        { source: "192.0.2.1" },
      );
    expect((await connect("JOIN")).ok).toBe(true);
    expect(objects.swarms.get("1")?.state).toBe("STARTED");
    expect((await connect("LEAVE")).ok).toBe(true);
    expect(objects.swarms.get("1")?.state).toBe("INIT");
  });
});

describe("the life of a Peer-ID", () => {
  /** A machine on a clock, whose swarms fail while `broken`, and every record that it kept. */
  function start() {
    const objects = new LocalObjects();
    const world = { now: 0, broken: false, records: [] as (PeerRecord | undefined)[] };
    const machine = new PeerTracker({
      load: () => undefined,
      save: (record) => void world.records.push(record),
      swarm: (swarmId) => {
        const swarm = objects.swarm(swarmId);
        const fails = world.broken && swarmId === "2";
        return fails ? { ...swarm, enter: () => Promise.reject(new Error("evicted")) } : swarm;
      },
      trackTimer: 120_000,
      now: () => world.now,
    });
    const join = (transactionId: string, ...swarms: string[]) =>
      machine.onConnect(
        {
          ...({ method: "CONNECT", transactionId, peerId: "p", addresses: [] } as const),
          actions: swarms.map((of) => ({ swarmId: of, action: "JOIN", peerMode: "LEECH", transactionId: of })),
        },
        { source: "192.0.2.1" },
      );
    const report = () =>
      machine.onReport({ method: "STAT_REPORT", transactionId: "r", peerId: "p", stats: [] }, { source: "192.0.2.1" });
    const members = () => ["1", "2"].map((of) => objects.stored.get(of)?.size ?? 0);
    return { machine, world, join, report, members };
  }

  test("PPSP-TP T82 T83 T84 rule: made at the first CONNECT, PEER REGISTERED, then TRACKING, deleted when removed", async () => {
    const { machine, world, join, report } = start();
    expect((await report()).ok).toBe(false);
    expect(world.records).toEqual([]);
    await join("a", "1");
    expect(world.records.map((record) => record?.state)).toEqual(["PEER REGISTERED", "TRACKING"]);
    world.now = 120_000;
    expect(await machine.expire()).toBeUndefined();
    expect(world.records.at(-1)).toBeUndefined();
  });

  test("PPSP-TP T91 rule: a registration that failed half-way ends with the init timer, in all swarms", async () => {
    const { machine, world, join, members } = start();
    world.broken = true;
    await expect(join("a", "1", "2")).rejects.toThrow("evicted");
    expect([world.records.at(-1)?.state, members()]).toEqual(["PEER REGISTERED", [1, 0]]);
    world.now = INIT_TIMER - 1;
    expect(await machine.expire()).toBe(INIT_TIMER);
    world.now = INIT_TIMER;
    expect(await machine.expire()).toBeUndefined();
    expect([world.records.at(-1), members()]).toEqual([undefined, [0, 0]]);
  });

  test("PPSP-TP T38 SHOULD: the same request repeated after such a failure completes the registration", async () => {
    const { machine, world, join, members } = start();
    world.broken = true;
    await expect(join("a", "1", "2")).rejects.toThrow("evicted");
    world.broken = false;
    expect((await join("a", "1", "2")).ok).toBe(true);
    expect([world.records.at(-1)?.state, members()]).toEqual(["TRACKING", [1, 1]]);
    expect(await machine.expire()).toBe(120_000);
  });

  test("PPSP-TP T78 rule: after its end a Peer-ID connects again", async () => {
    const { machine, world, join, members } = start();
    await join("a", "1");
    world.now = 120_000;
    await machine.expire();
    expect(members()).toEqual([0, 0]);
    expect((await join("b", "1")).ok).toBe(true);
    expect(members()).toEqual([1, 0]);
  });

  test("PPSP-TP T85 T86 rule: STAT_REPORT and valid CONNECTs keep it TRACKING and start its timer again", async () => {
    const { machine, world, join, report } = start();
    await join("a", "1");
    world.now = 100_000;
    await report();
    expect(await machine.expire()).toBe(220_000);
    world.now = 200_000;
    await join("b", "2");
    expect(await machine.expire()).toBe(320_000);
    expect(nextState("TRACKING", "STAT_REPORT")).toBe("TRACKING");
  });
});

describe("random samples", () => {
  test("have distinct members, never the asker, and each other member equally often", () => {
    let state = 7;
    const set = new SampleSet<{ key: string }>(() => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647);
    for (let index = 0; index < 12; index += 1) set.set(`p${index}`, { key: `p${index}` });
    set.delete("p3");
    set.delete("p3");
    set.set("p4", { key: "p4, changed" });
    const counts = new Map<string, number>();
    for (let run = 0; run < 5000; run += 1) {
      const sample = set.sample(3, "p0").map(({ key }) => key);
      expect(new Set(sample).size).toBe(3);
      for (const key of sample) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect([set.size, counts.size, counts.has("p0"), counts.has("p3")]).toEqual([11, 10, false, false]);
    expect([counts.has("p4"), counts.has("p4, changed")]).toEqual([false, true]);
    for (const count of counts.values()) expect(count).toBeGreaterThan(1300);
    expect(set.sample(50, "p0")).toHaveLength(10);
  });
});
