import { describe, expect, test } from "vitest";
import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import type { ChunkRange } from "../../src/core/address/range.ts";
import { Schedule, type ScheduleView } from "../../src/engine/schedule.ts";

const CHUNK = 16_384;
/** 1 MB/s after 50 ms. */
const originMs = (bytes: number): number => 50 + bytes / 1000;

/** A segment of 76 chunks and its surroundings, all of which a test may change. */
class Situation implements ScheduleView {
  readonly held = new ChunkSet();
  readonly theirs = new ChunkSet();
  neighbours = 0;
  expecting = false;
  peerRate = 0;
  httpDownUntil = 0;
  readonly chunkSize = CHUNK;
  lot = (_block: number): number => 0.5;
  readonly schedule = new Schedule(this, (range) => this.held.missing(range), { start: 0, end: 75 }, 0);

  covered(): ChunkSet {
    return this.theirs;
  }

  expectedHttpMs(bytes: number): number {
    return originMs(bytes);
  }

  decide(deadline: number, now: number): ReturnType<Schedule["decide"]> {
    return this.schedule.decide(0, deadline, now);
  }
}

const wanted = (orders: ReturnType<Schedule["decide"]>): ChunkRange[] => orders.want.map(({ chunks }) => chunks);

describe("a viewer who is alone", () => {
  test("gets everything from the origin at once", () => {
    expect(new Situation().decide(60_000, 0).start).toEqual({ start: 0, end: 75 });
  });

  test("waits for those who may turn up, but not for the first picture", () => {
    const patient = new Situation();
    patient.expecting = true;
    expect(patient.decide(60_000, 0).start).toBeUndefined();
    const first = new Situation();
    first.expecting = true;
    expect(first.decide(0, 0).start).toEqual({ start: 0, end: 75 });
  });

  test("asks an origin that has just failed no sooner than it makes sense", () => {
    const situation = new Situation();
    situation.httpDownUntil = 1_000;
    expect(situation.decide(0, 999).start).toBeUndefined();
    expect(situation.decide(0, 1_000).start).toBeDefined();
  });
});

describe("what neighbours have", () => {
  test("is wanted of them alone while there is time", () => {
    const situation = new Situation();
    situation.neighbours = 1;
    situation.theirs.add({ start: 0, end: 75 });
    const orders = situation.decide(30_000, 0);
    expect(orders.start).toBeUndefined();
    expect(orders.want).toEqual([{ chunks: { start: 0, end: 75 }, deadline: 30_000 }]);
  });

  test("comes from the origin as well when it would be late, from the other end", () => {
    const situation = new Situation();
    situation.neighbours = 1;
    situation.theirs.add({ start: 0, end: 75 });
    situation.peerRate = 100;
    const orders = situation.decide(1_500, 0);
    expect(orders.start).toEqual({ start: 0, end: 75 });
    const [range] = wanted(orders);
    expect(range!.end).toBe(75);
    expect(range!.start).toBeGreaterThan(10);
    expect(range!.start).toBeLessThan(40);
  });

  test("is left to neighbours that are known to be faster, for a moment", () => {
    const situation = new Situation();
    situation.neighbours = 1;
    situation.theirs.add({ start: 0, end: 75 });
    situation.peerRate = 100_000;
    expect(situation.decide(0, 0).start).toBeUndefined();
    // They have not kept what they promised.
    expect(situation.decide(0, 300).start).toEqual({ start: 0, end: 75 });
  });

  test("stops the origin when nothing of what it sends is missing any more", () => {
    const situation = new Situation();
    situation.decide(0, 0);
    situation.held.add({ start: 0, end: 75 });
    expect(situation.decide(0, 100).stop).toBe(true);
  });
});

describe("what no neighbour has", () => {
  const shared = (lot: (block: number) => number): Situation => {
    const situation = new Situation();
    situation.neighbours = 3;
    situation.lot = lot;
    return situation;
  };

  /** Nothing is fetched while neighbours get more and more from `start` on: the last chunk, by time. */
  const leaves = (situation: Situation, start: number, ends: Record<number, number>, held = false): void => {
    for (const [now, end] of Object.entries(ends)) {
      situation.theirs.add({ start, end });
      if (held) situation.held.add({ start, end });
      expect(situation.decide(30_000, Number(now)).start).toBeUndefined();
    }
  };

  test("is fetched block by block when the lot's time has come", () => {
    const situation = shared((block) => (block === 2 ? 0 : 1));
    // Others may be met who have it.
    expect(situation.decide(30_000, 0).start).toBeUndefined();
    expect(situation.decide(30_000, 500).start).toEqual({ start: 32, end: 47 });
  });

  test("is fetched in the end even by those who have all the time in the world", () => {
    const situation = shared((block) => (block === 2 ? 0 : 1));
    situation.decide(Infinity, 0);
    expect(situation.decide(Infinity, 500).start).toEqual({ start: 32, end: 47 });
    const last = shared(() => 1);
    last.decide(Infinity, 0);
    expect(last.decide(Infinity, 50_000).start).toBeUndefined();
    expect(last.decide(Infinity, 60_000).start).toBeDefined();
  });

  test.each([false, true])(
    "is left to a neighbour that has begun with it while more comes; what it has sent is here: %s",
    (held) => {
      const situation = shared((block) => (block === 2 ? 0 : 1));
      leaves(situation, 32, { 500: 33, 900: 34, 1_300: 38 }, held);
      // It has gone, or gone over to something else.
      expect(situation.decide(30_000, 1_900).start).toEqual({ start: 39, end: 47 });
    },
  );

  test("is fetched on where our own response broke off", () => {
    const situation = shared((block) => (block === 2 ? 0 : 1));
    situation.decide(30_000, 0);
    expect(situation.decide(30_000, 500).start).toEqual({ start: 32, end: 47 });
    situation.held.add({ start: 32, end: 35 });
    situation.schedule.fetched(36);
    situation.schedule.ended();
    expect(situation.decide(30_000, 700).start).toEqual({ start: 36, end: 47 });
  });

  test("is left to whoever fetches on from block to block, as one who is alone does, while more and more comes", () => {
    const situation = shared((block) => (block === 2 ? 0 : 1));
    leaves(situation, 0, { 200: 23, 400: 27, 600: 31 });
    // It ended with the block.
    expect(situation.decide(30_000, 1_000).start).toEqual({ start: 32, end: 47 });
  });

  test("is not left to whoever fetches another block", () => {
    const situation = shared((block) => (block === 4 ? 0 : 1));
    situation.theirs.add({ start: 0, end: 23 });
    expect(situation.decide(30_000, 0).start).toBeUndefined();
    situation.theirs.add({ start: 0, end: 31 });
    expect(situation.decide(30_000, 500).start).toEqual({ start: 64, end: 75 });
  });

  test("is given up when a neighbour is ahead with it", () => {
    const situation = shared((block) => (block === 2 ? 0 : 1));
    situation.decide(30_000, 0);
    expect(situation.decide(30_000, 500).start).toEqual({ start: 32, end: 47 });
    situation.theirs.add({ start: 32, end: 35 });
    expect(situation.decide(30_000, 600).stop).toBe(true);
  });

  test("is fetched by everybody when it becomes late, first what nobody else fetches first", () => {
    const situation = shared((block) => 1 - block / 100);
    expect(situation.decide(3_000, 0).start).toEqual({ start: 64, end: 75 });
    // In order as soon as not all of it can be here in time.
    expect(shared((block) => 1 - block / 100).decide(1_000, 0).start).toEqual({ start: 0, end: 75 });
  });
});
