import { describe, expect, test } from "vitest";
import { LoadClock, type Pace } from "../../src/video/load-clock.ts";

/** What hls.js believes of the time to first byte, ms. */
const TTFB = 80;
/** 1 Mbit/s is 125 bytes per ms. */
const LINE = 125;

function setUp(pace: Pace, asideMs = () => 0) {
  const world = { now: 1000, pace, line: LINE };
  const clock = new LoadClock({
    now: () => world.now,
    ttfbEstimate: () => TTFB,
    lineMs: (bytes) => bytes / world.line,
    asideMs,
    pace: () => world.pace,
  });
  return { world, clock };
}

/** What a server sends at once, with the first byte. */
const FLIGHT = 14_600;

/** What hls.js samples: bytes over the time from start to end without the time to first byte, in bit/s. */
function sampled(clock: LoadClock): number {
  return (clock.networkBytes * 8000) / (clock.end - clock.first);
}

/** What that is where so many bytes came over the line alone. */
const alone = (bytes: number, line = LINE): number => (bytes * line * 8000) / (bytes - FLIGHT);

describe("LoadClock", () => {
  test("a load of a viewer who is alone is told as it was, whatever the line was thought to be", () => {
    const { world, clock } = setUp("alone");
    world.now += 200;
    clock.received(50_000, "http");
    world.now += 200;
    clock.received(50_000, "http");
    clock.stop();
    expect(clock.start).toBe(1000);
    expect(clock.first).toBe(1200);
    expect(clock.end).toBe(1400);
    expect(sampled(clock)).toBe(4_000_000);
  });

  test("what was asked for before the load counts from then, and what had come before anybody looked does not look faster", () => {
    const clock = new LoadClock({
      now: () => 1000,
      ttfbEstimate: () => TTFB,
      lineMs: (bytes) => bytes / LINE,
      pace: () => "alone",
      began: 600,
      mostTtfb: 50,
    });
    clock.received(100_000, "http", false);
    clock.stop();
    expect([clock.start, clock.first, clock.end]).toEqual([600, 650, 1000]);
    expect(clock.hurriedMs).toBe(350);
  });

  test("parsing counts for a viewer who is alone, as it does without us, and not beside neighbours", () => {
    const alone = setUp("alone").clock;
    alone.stop();
    expect(alone.parsing()).toBeUndefined();
    const { world, clock } = setUp("hurry");
    world.now += 100;
    clock.stop();
    const parsing = clock.parsing()!;
    parsing.end = 5000;
    expect(parsing.end).toBe(1100);
  });

  /** A load of a viewer who may still meet somebody, which the line would have needed 400 ms for, and a busy machine 500. */
  const expecting = () => {
    const { world, clock } = setUp("expecting");
    world.now += 60;
    clock.received(FLIGHT, "http");
    world.now += 500;
    clock.received(50_000, "http");
    return { world, clock };
  };

  test("while neighbours may turn up, a load counts as the line gives it: calling them makes the machine late, not the line", () => {
    const { clock } = expecting();
    clock.stop();
    expect(clock.first - clock.start).toBe(60);
    expect(clock.end - clock.first).toBeCloseTo(400);
    expect(clock.parsing()).toBeDefined();
  });

  test("where nobody turns up by the end of a load, it is told as it was", () => {
    const { world, clock } = expecting();
    world.pace = "alone";
    clock.stop();
    expect([clock.start, clock.first, clock.end]).toEqual([1000, 1060, 1560]);
    expect(clock.parsing()).toBeUndefined();
  });

  test("hashes that come beside a load do not make it look slower", () => {
    const { world, clock } = setUp("alone", () => 200);
    clock.received(10_000, "http");
    world.now += 1000;
    clock.received(90_000, "http");
    clock.stop();
    expect(sampled(clock)).toBeCloseTo(1_000_000);
  });

  test("a load from the cache is no sample: no bytes, and the time to first byte that hls.js has already", () => {
    const { world, clock } = setUp("hurry");
    world.now += 1;
    clock.received(500_000, "cache");
    clock.stop();
    expect(clock.networkBytes).toBe(0);
    expect(clock.first - clock.start).toBe(TTFB);
  });

  test("cached bytes before bytes from the network do not make it look faster", () => {
    const { world, clock } = setUp("hurry");
    clock.received(500_000, "cache");
    world.now += 100;
    clock.received(125_000, "peer");
    clock.stop();
    expect(sampled(clock)).toBeCloseTo(alone(125_000));
  });

  test.each(["hurry", "leisure", "expecting", "alone"] as const)(
    "a burst from peers counts as the line would have given it: %s",
    (pace) => {
      const { world, clock } = setUp(pace);
      for (let i = 0; i < 10; i++) {
        world.now += 10;
        clock.received(12_500, "peer");
      }
      clock.stop();
      expect(sampled(clock)).toBeCloseTo(alone(125_000));
      expect(clock.first - clock.start).toBeCloseTo(TTFB);
    },
  );

  test.each(["hurry", "leisure"] as const)("slow peers tell nothing of the line: %s", (pace) => {
    const { world, clock } = setUp(pace);
    for (let i = 0; i < 10; i++) {
      world.now += 1000;
      clock.received(12_500, "peer");
    }
    clock.stop();
    expect(sampled(clock)).toBeCloseTo(alone(125_000));
    expect(clock.first - clock.start).toBeCloseTo(TTFB);
  });

  test("what the origin sends beside neighbours counts as its line gives it, not as long as the load has shared it", () => {
    const { world, clock } = setUp("hurry");
    world.line = 1000;
    for (let i = 0; i < 10; i++) {
      world.now += 100;
      clock.received(25_000, i < 5 ? "http" : "peer");
    }
    clock.stop();
    expect(sampled(clock)).toBeCloseTo(alone(250_000, 1000));
  });

  test("a line that becomes slower in the middle counts for what comes from then on", () => {
    const { world, clock } = setUp("hurry");
    world.line = 1000;
    clock.received(100_000, "http");
    world.line = 125;
    clock.received(100_000, "http");
    clock.stop();
    expect(clock.end - clock.first).toBeCloseTo(900 - FLIGHT / 1000);
  });

  test("bytes that were fetched ahead are neither a fast line nor a cache", () => {
    const { clock } = setUp("alone");
    clock.received(125_000, "http", true);
    clock.stop();
    expect(clock.networkBytes).toBe(125_000);
    expect(sampled(clock)).toBeCloseTo(alone(125_000));
  });

  test("a neighbour that comes in the middle of a load makes it what it would have been without", () => {
    const { world, clock } = setUp("alone");
    world.line = 1000;
    world.now += 50;
    clock.received(100_000, "http");
    world.now += 100;
    clock.received(100_000, "http");
    world.pace = "hurry";
    world.now += 5;
    clock.received(200_000, "peer");
    clock.stop();
    expect(clock.first - clock.start).toBeCloseTo(50);
    expect(clock.end - clock.first).toBeCloseTo(400 - FLIGHT / 1000);
  });

  test("waiting by choice is not seen while it lasts, waiting in hurry is", () => {
    const { world, clock } = setUp("leisure");
    world.now += 500;
    clock.received(FLIGHT + 12_500, "peer");
    world.now += 5000;
    expect(world.now - clock.start).toBeCloseTo(TTFB + 100);
    world.pace = "hurry";
    expect(world.now - clock.start).toBeCloseTo(TTFB + 100);
    world.now += 1000;
    expect(world.now - clock.start).toBeCloseTo(TTFB + 1100);
    clock.received(12_500, "peer");
    clock.stop();
    expect(clock.end - clock.start).toBeCloseTo(TTFB + 200);
  });

  test.each(["hurry", "expecting", "alone"] as const)(
    "a load that stands still is seen to stand still while it runs: %s",
    (pace) => {
      const { world, clock } = setUp(pace);
      world.now += 7000;
      expect(world.now - clock.start).toBe(7000);
      expect(clock.first).toBe(0);
      expect(clock.hurriedMs).toBe(7000);
      expect(clock.started).toBe(false);
    },
  );
});
