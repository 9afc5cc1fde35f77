import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createRendezvous } from "../../src/link/rendezvous.ts";
import { Town, type Resident } from "./town.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const name = (i: number): string => `peer-${String(i).padStart(3, "0")}`;
const accepted = ({ links }: Resident): number => [...links.values()].filter((initiator) => !initiator).length;
const offer = (attempt: string) => ({ type: "offer", attempt, sdp: "m=application none" });

describe("rendezvous", () => {
  test("the first is alone, the second joins it; one of them is the initiator", async () => {
    const town = new Town();
    const a = town.join("a");
    await pass(25);
    expect(a.states).toEqual(["alone"]);
    const b = town.join("b");
    await pass(100);
    expect(a.states).toEqual(["alone", "joined"]);
    expect(b.states).toEqual(["joined"]);
    expect(b.links).toEqual(new Map([["a", true]]));
    expect(a.links).toEqual(new Map([["b", false]]));
  });

  test("offline as soon as the tracker refuses, or after 2 s of silence", async () => {
    const town = new Town();
    town.dead.add("dead");
    town.silent.add("silent");
    const refused = town.join("a", { trackers: [["dead"]] });
    const waiting = town.join("b", { trackers: [["silent"]] });
    await pass(25);
    expect(refused.states).toEqual(["offline"]);
    expect(waiting.states).toEqual([]);
    await pass(2000);
    expect(waiting.states).toEqual(["offline"]);
  });

  test("the next tracker has its turn when one fails; offline when all have", async () => {
    const town = new Town();
    town.dead.add("one").add("two");
    const a = town.join("a", { trackers: [["one"], ["two", "three"]] });
    await pass(100);
    expect(town.contacted).toEqual(["one", "two", "three"]);
    expect(a.states).toEqual(["alone"]);

    const b = town.join("b", { trackers: [["one", "two"]] });
    await pass(100);
    expect(b.states).toEqual(["offline"]);
    town.dead.clear();
    await pass(31_000);
    // Whoever had to go to a worse tier is back too.
    expect(b.states).toEqual(["offline", "joined"]);
    expect(b.links).toEqual(a.links.size === 1 ? new Map([["a", true]]) : new Map());
  });

  describe("PPSP.TP.REQ-5: several trackers", () => {
    test("a peer registers with every tracker of a tier, and has one link with each neighbour", async () => {
      const town = new Town();
      const trackers = [["one", "two", "three"]];
      const [a, b] = [town.join("a", { trackers }), town.join("b", { trackers })];
      await pass(60_000);
      for (const url of trackers[0]!) expect(town.members(url).toSorted()).toEqual(["a", "b"]);
      expect([a.met, b.met]).toEqual([["b"], ["a"]]);
    });

    test("a swarm never splits: members that reach different trackers of a tier meet through those who reach both", async () => {
      const town = new Town();
      const trackers = [["one", "two"]];
      const left = Array.from({ length: 6 }, (_, i) => town.join(`left-${i}`, { trackers: [["one"]] }));
      const right = Array.from({ length: 6 }, (_, i) => town.join(`right-${i}`, { trackers: [["two"]] }));
      const middle = Array.from({ length: 2 }, (_, i) => town.join(`middle-${i}`, { trackers }));
      await pass(120_000);
      const all = new Map([...left, ...right, ...middle].map((one) => [one.id, one]));
      const reached = new Set(["left-0"]);
      for (const id of reached) for (const other of all.get(id)!.links.keys()) reached.add(other);
      expect(reached.size).toBe(all.size);
    });

    test("the death of one tracker of a tier goes unnoticed, and the next tier is not asked", async () => {
      const town = new Town();
      const trackers = [["one", "two"], ["three"]];
      const a = town.join("a", { trackers });
      await pass(100);
      town.kill("one");
      const b = town.join("b", { trackers });
      await pass(100);
      expect([...a.links.keys(), ...b.links.keys()]).toEqual(["b", "a"]);
      expect(a.states).toEqual(["alone", "joined"]);
      expect(town.contacted).not.toContain("three");
    });

    test("fails over to the next tier when all of one are down, back when one returns, and stays linked meanwhile", async () => {
      const town = new Town();
      const trackers = [["one", "two"], ["three"]];
      const [a, b] = [town.join("a", { trackers }), town.join("b", { trackers })];
      await pass(1000);
      town.kill("one");
      await pass(1000);
      expect(town.members("three")).toEqual([]);
      town.kill("two");
      await pass(1000);
      expect(town.members("three").toSorted()).toEqual(["a", "b"]);
      // Newcomers meet the others at the tier that works.
      const c = town.join("c", { trackers });
      await pass(1000);
      expect(c.links.size).toBe(2);
      town.dead.delete("two");
      await pass(20_000);
      expect(town.members("two").toSorted()).toEqual(["a", "b", "c"]);
      // Others may need longer to notice: the worse tier is left only when they had the time.
      expect(town.members("three").toSorted()).toEqual(["a", "b", "c"]);
      await pass(120_000);
      expect(town.members("three")).toEqual([]);
      for (const one of [a, b, c]) expect([one.links.size, one.states.includes("offline")]).toEqual([2, false]);
      expect([...a.met, ...b.met, ...c.met]).toHaveLength(6);
    });

    test("a tier that comes back only for a moment does not cost us the one that works", async () => {
      const town = new Town();
      town.dead.add("one");
      const a = town.join("a", { trackers: [["one"], ["two"]] });
      await pass(1000);
      town.dead.clear();
      await pass(20_000);
      town.kill("one");
      await pass(200_000);
      expect(town.members("two")).toEqual(["a"]);
      expect(a.states.at(-1)).toBe("alone");
    });

    test("whoever takes a neighbour's name at another tracker cannot push it aside", async () => {
      const town = new Town();
      const trackers = [["one", "two"]];
      const [a, b] = [town.join("a", { trackers }), town.join("b", { trackers: [["one"]] })];
      await pass(1000);
      expect(a.links.size).toBe(1);
      town.say("b", "a", offer("00000001"), "two");
      await pass(60_000);
      expect([a.met, b.met]).toEqual([["b"], ["a"]]);
      expect(a.links.size).toBe(1);
    });
  });

  test("ICE servers of the tracker are used where neither page nor ppsp.json says anything about them", async () => {
    const town = new Town();
    town.iceServers = [{ urls: ["turn:turn.example"], username: "9:a", credential: "c" }];
    town.join("a", { iceServers: "tracker" });
    town.join("b", { iceServers: [{ urls: "stun:own.example" }] });
    town.join("c", { iceServers: [] });
    await pass(1000);
    expect(town.used.get("a")).toEqual(town.iceServers);
    expect(town.used.get("b")).toEqual([{ urls: "stun:own.example" }]);
    expect(town.used.get("c")).toEqual([]);
  });

  describe("small swarms and few neighbours", () => {
    test("below minViewers nobody makes links, and the state is alone; from there on all meet", async () => {
      const town = new Town();
      town.sizes = true;
      const options = { minViewers: 4 };
      const early = ["a", "b", "c"].map((id) => town.join(id, options));
      await pass(60_000);
      town.tellSizes();
      await pass(1000);
      for (const { states, links } of early) expect([states, links.size]).toEqual([["alone"], 0]);
      expect(town.relayed).toEqual([]);
      const last = town.join("d", options);
      await pass(1000);
      expect(last.links.size).toBeGreaterThan(0);
      // The others learn it from the answer to their next report.
      town.tellSizes();
      await pass(1000);
      for (const one of [...early, last]) {
        expect(one.states.at(-1)).toBe("joined");
        expect(one.links.size).toBeGreaterThan(0);
      }
    });

    test("who has few links and nobody left to ask asks the tracker for more, less and less often", async () => {
      const town = new Town();
      town.ghosts = ["ghost-1"];
      town.sizes = true;
      const a = town.join("a");
      const b = town.join("b");
      await pass(10_000);
      expect(town.refreshed).toEqual([]);
      expect([...a.links.keys()]).toEqual(["b"]);
      const late = town.join("late", { minViewers: 99 });
      b.membership.leave();
      late.membership.leave();
      await pass(1000);
      const others = ["x", "y", "z"].map((id) => town.join(id));
      await pass(600_000);
      for (const one of [a, ...others]) expect(one.links.size).toBeGreaterThanOrEqual(3);
    });

    test("a peer that is alone does not ask: newcomers will find it", async () => {
      const town = new Town();
      town.sizes = true;
      town.join("a");
      await pass(3_600_000);
      expect(town.refreshed).toEqual([]);
    });

    test("where the list leads nowhere the tracker is asked again, at most every eight minutes", async () => {
      const town = new Town();
      town.ghosts = ["ghost"];
      const a = town.join("a");
      await pass(100);
      town.claim(5);
      await pass(3_600_000);
      expect(town.refreshed.length).toBeGreaterThanOrEqual(5);
      expect(town.refreshed.length).toBeLessThanOrEqual(12);
      a.membership.leave();
    });
  });

  test("glare: when both offer, the lower Peer-ID's offer stands, and there is one link", async () => {
    const town = new Town();
    const [a, b] = [town.join("a", { maxNeighbours: 2 }), town.join("b", { maxNeighbours: 2 })];
    await pass(19);
    town.ghosts = ["a", "b"];
    await pass(100);
    expect(town.relayed.filter(({ payload }) => payload.type === "offer")).toHaveLength(2);
    expect(a.links).toEqual(new Map([["b", true]]));
    expect(b.links).toEqual(new Map([["a", false]]));
    expect([...a.met, ...b.met]).toEqual(["b", "a"]);
  });

  test("in a crowd all are connected, nobody has more than 8 links or takes more than 6", async () => {
    const town = new Town();
    const crowd: Resident[] = [];
    for (let i = 0; i < 60; i++) {
      crowd.push(town.join(name((i * 37) % 60)));
      if (i % 3 === 0) await pass(7);
    }
    await pass(120_000);
    const byId = new Map(crowd.map((one) => [one.id, one]));
    for (const one of crowd) {
      expect(one.links.size).toBeGreaterThanOrEqual(2);
      expect(one.links.size).toBeLessThanOrEqual(8);
      expect(accepted(one)).toBeLessThanOrEqual(6);
      for (const [other, initiator] of one.links) expect(byId.get(other)?.links.get(one.id)).toBe(!initiator);
    }
    const reached = new Set([crowd[0]!.id]);
    for (const id of reached) for (const other of byId.get(id)!.links.keys()) reached.add(other);
    expect(reached.size).toBe(60);
  });

  test("RFC 7574 §13.6.1 HS.1: strangers cannot fill all slots, and those refused are told", async () => {
    const town = new Town();
    const a = town.join("a");
    await pass(50);
    for (let i = 0; i < 20; i++) town.join(`stranger-${i}`, { maxNeighbours: 40 });
    await pass(60);
    expect(accepted(a)).toBe(6);
    const refusals = town.relayed.filter(({ from, payload }) => from === "a" && payload.type === "refuse");
    expect(refusals.length).toBeGreaterThan(0);
  });

  test("an offer that leads nowhere frees its slot", async () => {
    const town = new Town();
    town.ghosts = ["ghost-1", "ghost-2", "ghost-3", "ghost-4"];
    const a = town.join("a", { maxNeighbours: 2 });
    await pass(100);
    expect(town.relayed).toHaveLength(1);
    await pass(15_000);
    expect(town.relayed.map(({ to }) => to)).toContain("ghost-2");
    await pass(600_000);
    expect(a.states).toEqual(["joined", "alone"]);
    expect(town.relayed.length).toBeLessThanOrEqual(12);
  });

  test("a member that the relay cannot reach frees its slot at once, and is tried again", async () => {
    const town = new Town();
    town.gone = ["b", "c"];
    const a = town.join("a", { maxNeighbours: 2 });
    await pass(50);
    expect(town.relayed.map(({ to }) => to)).toEqual(["b", "c"]);
    await pass(5000);
    expect(town.relayed).toHaveLength(4);
    await pass(60_000);
    expect(town.relayed).toHaveLength(6);
    expect(a.states).toEqual(["joined", "alone"]);
  });

  test("offers from outside that lead nowhere free their slots", async () => {
    const town = new Town();
    const a = town.join("a");
    await pass(50);
    for (let i = 0; i < 100; i++) town.say(`nobody-${i}`, "a", offer(i.toString(16).padStart(8, "0")));
    await pass(1000);
    expect(town.relayed.filter(({ payload }) => payload.type === "answer")).toHaveLength(6);
    await pass(600_000);
    expect(a.states.at(-1)).toBe("alone");
    const b = town.join("b");
    await pass(100);
    expect(b.links.size).toBe(1);
  });

  test("a flood of offers makes few links, and newcomers are not shut out by names that were heard before", async () => {
    const town = new Town();
    town.ghosts = Array.from({ length: 50 }, (_, i) => `old-${i}`);
    const a = town.join("a", { maxNeighbours: 40 });
    await pass(50);
    town.ghosts = Array.from({ length: 50 }, (_, i) => `new-${i}`);
    town.relist();
    for (let i = 0; i < 200; i++) town.say("b", "a", offer(i.toString(16).padStart(8, "0")));
    await pass(100);
    expect(town.relayed.filter(({ payload }) => payload.type === "answer")).toHaveLength(4);
    const c = town.join("c", { maxNeighbours: 2 });
    town.say("c", "a", offer("00000000"));
    await pass(100);
    expect(town.relayed.filter(({ to, payload }) => to === "c" && payload.type === "answer")).toHaveLength(1);
    a.membership.leave();
    c.membership.leave();
  });

  test("two that cannot get on do not meet for ever", async () => {
    const town = new Town();
    const a = town.join("a");
    const b = town.join("b");
    for (let i = 0; i < 600; i++) {
      await pass(1000);
      for (const id of a.links.keys()) a.close(id);
    }
    expect(a.met.length).toBeLessThan(8);
    expect(b.links.size).toBe(0);
  });

  test("a banned peer is cut off and never linked again, whoever offers", async () => {
    const town = new Town();
    const [a, b] = [town.join("a"), town.join("b")];
    await pass(100);
    town.relist();
    await pass(100);
    expect(a.links.size).toBe(1);
    a.membership.ban("b");
    await pass(60_000);
    town.relist();
    await pass(60_000);
    expect(a.links.size + b.links.size).toBe(0);
    expect(a.met).toEqual(["b"]);
    expect(a.states.at(-1)).toBe("alone");
  });

  test("a lost neighbour is looked for again, and others take its place", async () => {
    const town = new Town();
    const [a, b] = [town.join("a", { maxNeighbours: 2 }), town.join("b", { maxNeighbours: 2 })];
    const c = town.join("c", { maxNeighbours: 2 });
    await pass(50);
    town.relist();
    await pass(1000);
    for (const one of [a, b, c]) expect(one.links.size).toBeGreaterThan(0);
    b.membership.leave();
    await pass(30_000);
    expect([...a.links.keys()]).toEqual(["c"]);
    expect([...c.links.keys()]).toEqual(["a"]);
  });

  test("links survive the tracker, and leave ends them", async () => {
    const town = new Town();
    const [a, b] = [town.join("a"), town.join("b")];
    await pass(100);
    town.relist();
    await pass(100);
    town.kill();
    await pass(60_000);
    expect(a.links.size).toBe(1);
    expect(a.states.at(-1)).toBe("joined");
    a.membership.leave();
    a.membership.leave();
    await pass(100);
    expect(a.links.size + b.links.size).toBe(0);
    expect(b.states.at(-1)).toBe("offline");
    expect(vi.getTimerCount()).toBeLessThan(10);
  });

  test("nothing happens after leave", async () => {
    const town = new Town();
    const a = town.join("a");
    a.membership.leave();
    town.say("b", "a", offer("00000000"));
    await pass(60_000);
    expect(a.states).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("without WebRTC there is one warning and no rendezvous", () => {
    const warn = vi.fn();
    expect(createRendezvous({ trackers: [["http://127.0.0.1:1/"]], iceServers: [], warn }, undefined)).toBeUndefined();
    expect(warn).toHaveBeenCalledTimes(1);
  });
});
