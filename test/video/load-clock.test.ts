import { describe, expect, test } from "vitest";
import { LoadClock } from "../../src/video/load-clock.ts";

/** 1 Mbit/s is 125 bytes per ms. */
const ESTIMATE = { bandwidth: 1_000_000, ttfb: 80 };

function setUp(hurried: boolean, originRate = 50, asideMs = () => 0) {
  const world = { now: 1000, hurried };
  const clock = new LoadClock({
    now: () => world.now,
    estimate: () => ESTIMATE,
    originMs: (bytes) => bytes / originRate,
    asideMs,
    isHurried: () => world.hurried,
  });
  return { world, clock };
}

/** What hls.js samples: bytes over the time from start to end without the time to first byte, in bit/s. */
function sampled(clock: LoadClock): number {
  return (clock.networkBytes * 8000) / (clock.end - clock.start - (clock.first - clock.start));
}

describe("LoadClock", () => {
  test("a load in hurry is measured as it was", () => {
    const { world, clock } = setUp(true);
    world.now += 200;
    clock.received(50_000, "peer");
    world.now += 800;
    clock.received(50_000, "peer");
    clock.stop();
    expect(clock.start).toBe(1000);
    expect(clock.first).toBe(1200);
    expect(clock.end).toBe(2000);
    expect(sampled(clock)).toBe(1_000_000);
  });

  test("a load from the cache is no sample: no bytes, and the time to first byte that hls.js has already", () => {
    const { world, clock } = setUp(true);
    world.now += 1;
    clock.received(500_000, "cache");
    clock.stop();
    expect(clock.networkBytes).toBe(0);
    expect(clock.first - clock.start).toBe(ESTIMATE.ttfb);
  });

  test("cached bytes before bytes from the network do not make it look faster", () => {
    const { world, clock } = setUp(true);
    clock.received(500_000, "cache");
    world.now += 100;
    clock.received(1000, "peer");
    world.now += 1992;
    clock.received(124_000, "peer");
    clock.stop();
    expect(sampled(clock)).toBeCloseTo((125_000 * 8000) / 1992);
  });

  test("waiting for slow peers by choice tells nothing of the network", () => {
    const { world, clock } = setUp(false);
    for (let i = 0; i < 10; i++) {
      world.now += 1000;
      clock.received(12_500, "peer");
    }
    clock.stop();
    expect(sampled(clock)).toBeCloseTo(ESTIMATE.bandwidth);
    expect(clock.first - clock.start).toBe(ESTIMATE.ttfb);
  });

  test.each([true, false])(
    "a burst from peers never looks faster than origin and estimate, in hurry: %s",
    (hurried) => {
      const { world, clock } = setUp(hurried);
      for (let i = 0; i < 10; i++) {
        world.now += 10;
        clock.received(12_500, "peer");
      }
      clock.stop();
      expect(sampled(clock)).toBeCloseTo(ESTIMATE.bandwidth);
    },
  );

  test("an origin that is faster than the estimate is what a burst from peers counts as", () => {
    const { world, clock } = setUp(true, 500);
    clock.received(100_000, "peer");
    world.now += 25;
    clock.received(100_000, "http");
    clock.stop();
    expect(sampled(clock)).toBeCloseTo(4_000_000);
  });

  test("bytes from the origin count as the origin gives them, also at leisure", () => {
    const { world, clock } = setUp(false);
    clock.received(50_000, "http");
    world.now += 10_000;
    clock.received(50_000, "http");
    clock.stop();
    // 50 bytes per ms.
    expect(sampled(clock)).toBeCloseTo(400_000);
  });

  test("time runs from the moment that leisure ends", () => {
    const { world, clock } = setUp(false);
    world.now += 500;
    clock.received(1000, "peer");
    world.now += 5000;
    world.hurried = true;
    expect(world.now - clock.start).toBeLessThan(100);
    world.now += 1000;
    clock.received(62_500, "peer");
    clock.stop();
    // 8 ms for the first 1000 bytes at the estimated rate, then a second for 62,500.
    expect(sampled(clock)).toBeCloseTo((63_500 * 8000) / 1008);
  });

  test("hashes that come beside a load do not make it look slower", () => {
    const { world, clock } = setUp(true, 50, () => 200);
    clock.received(10_000, "http");
    world.now += 1000;
    clock.received(90_000, "http");
    clock.stop();
    expect(sampled(clock)).toBeCloseTo(1_000_000);
  });

  test("a load that stands still in hurry is seen to stand still while it runs", () => {
    const { world, clock } = setUp(true);
    world.now += 7000;
    expect(world.now - clock.start).toBe(7000);
    expect(clock.first).toBe(0);
    expect(clock.hurriedMs).toBe(7000);
    expect(clock.started).toBe(false);
  });
});
