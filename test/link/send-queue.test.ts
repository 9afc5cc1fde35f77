import { describe, expect, test } from "vitest";
import { SendQueue } from "../../src/link/send-queue.ts";

/** A line that carries `rate` bytes per millisecond, on virtual time. */
class Line {
  now = 0;
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  readonly sent: number[] = [];
  deepest = 0;
  rate: number;
  readonly queue: SendQueue;

  constructor(rate: number) {
    this.rate = rate;
    this.queue = new SendQueue(this, () => this.now);
  }

  send(datagram: Uint8Array): void {
    this.sent.push(datagram.length);
    this.bufferedAmount += datagram.length;
    this.deepest = Math.max(this.deepest, this.bufferedAmount);
  }

  run(ms: number): void {
    for (const until = this.now + ms; this.now < until; this.now++) {
      const before = this.bufferedAmount;
      this.bufferedAmount = Math.max(0, before - this.rate);
      const low = this.bufferedAmountLowThreshold;
      if (before > low && this.bufferedAmount <= low) this.queue.flush();
    }
  }

  push(length: number): boolean {
    const kept = this.queue.accepts(length);
    if (kept) this.queue.push(new Uint8Array(length));
    return kept;
  }
}

const CHUNK = 16 * 1024;

describe("queue in front of a data channel", () => {
  test.each([
    [10, 48 * 1024],
    [100, 48 * 1024],
    [500, 120_000],
    [2000, 272 * 1024],
    [20_000, 272 * 1024],
  ])(
    "at %i bytes/ms never more than %i bytes of bulk are in the channel, and the line is never idle",
    (rate, deepest) => {
      const line = new Line(rate);
      const feed = (ms: number): void => {
        for (let t = 0; t < ms; t++) {
          while (line.queue.held < 20 * rate + CHUNK) line.push(CHUNK);
          line.run(1);
        }
      };
      feed(10_000);
      line.deepest = 0;
      const before = line.sent.length;
      feed(5000);
      expect(line.deepest).toBeLessThanOrEqual(deepest);
      expect((line.sent.length - before) * CHUNK).toBeGreaterThan(rate * 5000 * 0.9 - 2 * CHUNK);
    },
  );

  test("everything that was accepted leaves, in order", () => {
    const line = new Line(1000);
    const lengths: number[] = [];
    for (let i = 0; i < 50; i++) if (line.push(CHUNK + i)) lengths.push(CHUNK + i);
    line.run(5000);
    expect(line.sent).toEqual(lengths);
    expect(line.queue.held).toBe(0);
    expect(line.bufferedAmount).toBe(0);
  });

  test("small datagrams overtake the bulk that is held", () => {
    const line = new Line(100);
    for (let i = 0; i < 30; i++) line.push(CHUNK);
    line.push(20);
    const at = line.sent.indexOf(20);
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThanOrEqual(4);
  });

  test("a flood is cut, bulk and small each at its own bound", () => {
    const line = new Line(1);
    let bulk = 0;
    while (line.push(CHUNK)) bulk += CHUNK;
    expect(bulk).toBeLessThan(1.2 * 1024 * 1024);
    let small = 0;
    while (line.push(100)) small += 100;
    expect(small).toBeGreaterThan(0);
    expect(small).toBeLessThan(256 * 1024);
    expect(line.bufferedAmount).toBeLessThan(256 * 1024);
    line.run(3_000_000);
    expect(line.queue.held).toBe(0);
  });

  test("a line that slows down gets a shorter queue", () => {
    const line = new Line(2000);
    const feed = (ms: number): void => {
      for (let t = 0; t < ms; t++) {
        while (line.queue.held < 64 * 1024) line.push(CHUNK);
        line.run(1);
      }
    };
    feed(1000);
    expect(line.queue.ceiling).toBe(256 * 1024);
    line.rate = 50;
    feed(20_000);
    expect(line.queue.ceiling).toBe(32 * 1024);
    line.rate = 2000;
    feed(2000);
    expect(line.queue.ceiling).toBe(256 * 1024);
  });

  test("a line that was idle is not taken for a slow one", () => {
    const line = new Line(2000);
    for (let t = 0; t < 200; t++) {
      while (line.queue.held < 64 * 1024) line.push(CHUNK);
      line.run(1);
    }
    for (let second = 0; second < 20; second++) {
      line.run(1000);
      line.push(100);
    }
    expect(line.queue.ceiling).toBe(256 * 1024);
  });
});
