import { describe, expect, test } from "vitest";
import { StallMeter, type PlaybackSample } from "../../src/video/stall-meter.ts";

/** A player on a virtual clock, sampled every 100 ms. */
class Player {
  readonly meter = new StallMeter();
  now = 0;
  media = 0;
  running = true;
  rate = 1;

  get sample(): PlaybackSample {
    return { currentTime: this.media, duration: 100, playbackRate: this.rate, running: this.running };
  }

  /** Lets time pass; media advances by `speed` for each second of it. */
  pass(ms: number, speed = this.rate): this {
    for (let t = 0; t < ms; t += 100) {
      this.now += 100;
      this.media += speed / 10;
      this.meter.sample(this.now, this.sample);
    }
    return this;
  }
}

describe("StallMeter", () => {
  test("smooth playback has no stall, however long and at whatever rate", () => {
    const player = new Player().pass(600_000, 0.9995);
    player.rate = 1.5;
    player.pass(20_000);
    expect(player.meter.stalls).toBe(0);
    expect(player.meter.stalledMs).toBe(0);
  });

  test("a change of rate in the middle of a smooth stretch is no stall", () => {
    const player = new Player().pass(4_000);
    player.rate = 2;
    player.pass(4_000);
    player.rate = 0.5;
    player.pass(4_000);
    expect(player.meter.stalls).toBe(0);
  });

  test("the wait for the first frame is none", () => {
    const player = new Player().pass(2500, 0).pass(1000);
    expect(player.meter.stalls).toBe(0);
  });

  test("a freeze is seen by the media clock alone", () => {
    const player = new Player().pass(3000).pass(1200, 0).pass(3000);
    expect(player.meter.stalls).toBe(1);
    expect(player.meter.stalledMs).toBeGreaterThan(1000);
    expect(player.meter.stalledMs).toBeLessThan(1400);
  });

  test("an event counts even if the freeze is too short for the clock, and both together count once", () => {
    const player = new Player().pass(3000);
    player.meter.waiting(player.now, player.sample);
    player.pass(2000);
    expect(player.meter.stalls).toBe(1);
    expect(player.meter.stalledMs).toBeLessThan(150);
    player.meter.waiting(player.now, player.sample);
    player.pass(800, 0).pass(1000);
    expect(player.meter.stalls).toBe(2);
    expect(player.meter.stalledMs).toBeGreaterThan(700);
  });

  test("slow motion that the viewer did not ask for is lost time", () => {
    const player = new Player().pass(3000).pass(2000, 0.3).pass(3000);
    expect(player.meter.stalls).toBe(1);
    expect(player.meter.stalledMs).toBeGreaterThan(1200);
  });

  test("pauses, seeks and jumps are none", () => {
    const player = new Player().pass(3000);
    player.running = false;
    player.pass(5000, 0);
    player.running = true;
    player.pass(400, 0).pass(3000);
    player.running = false;
    player.media = 60;
    player.meter.waiting(player.now, player.sample);
    player.pass(1500, 0);
    player.running = true;
    player.pass(500, 0).pass(3000);
    player.media = 10;
    player.pass(3000);
    expect(player.meter.stalls).toBe(0);
  });

  test("a machine that slept and the last moments are none", () => {
    const player = new Player().pass(3000);
    player.now += 3_600_000;
    player.pass(3000);
    player.media = 99.7;
    player.pass(200);
    player.meter.waiting(player.now, player.sample);
    player.pass(500, 0);
    expect(player.meter.stalls).toBe(0);
  });
});
