import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judge } from "../../src/tracker/machine.ts";
import type { PeerMode } from "../../src/tracker/messages.ts";
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

describe("random samples", () => {
  test("have distinct members, never the asker, and each other member equally often", () => {
    let state = 7;
    const set = new SampleSet(() => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647);
    for (let index = 0; index < 12; index += 1) set.add(`p${index}`);
    set.delete("p3");
    set.delete("p3");
    set.add("p4");
    const counts = new Map<string, number>();
    for (let run = 0; run < 5000; run += 1) {
      const sample = set.sample(3, "p0");
      expect(new Set(sample).size).toBe(3);
      for (const key of sample) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect([set.size, counts.size, counts.has("p0"), counts.has("p3")]).toEqual([11, 10, false, false]);
    for (const count of counts.values()) expect(count).toBeGreaterThan(1300);
    expect(set.sample(50, "p0")).toHaveLength(10);
  });
});
