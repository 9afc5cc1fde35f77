import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FetchRequest, Piece } from "../../src/engine/delivery.ts";
import { Feed } from "../../src/worker/feed.ts";
import { epochMs, type Part } from "../../src/worker/protocol.ts";

const KB = 1024;

/** A feed from an engine that gives these pieces and then waits for `more`. */
function feedOf(due = epochMs()) {
  const waiting: Piece[] = [];
  let wake = (): void => undefined;
  let ended = false;
  const world = {
    sent: [] as { bytes: Uint8Array; parts: readonly Part[] }[],
    taken: 0,
    request: undefined as FetchRequest | undefined,
    give(length: number, source: Piece["source"] = "http", early = false) {
      waiting.push({ bytes: new Uint8Array(length).fill(waiting.length + 1), source, early });
      wake();
    },
    end() {
      ended = true;
      wake();
    },
  };
  const engine = {
    async *fetch(_file: number, request: FetchRequest): AsyncGenerator<Piece, void, undefined> {
      world.request = request;
      for (;;) {
        const piece = waiting.shift();
        if (piece !== undefined) {
          world.taken += piece.bytes.length;
          yield piece;
        } else if (ended || request.signal?.aborted === true) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
  const message = { type: "fetch", id: 0, file: 1, offset: 0, length: 1, url: undefined, due } as const;
  const feed = new Feed(engine, message, (bytes, parts) => {
    world.sent.push({ bytes: new Uint8Array(bytes), parts });
  });
  return { feed, world };
}

describe("Feed", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const settle = () => vi.advanceTimersByTimeAsync(0);
  const sizes = ({ sent }: ReturnType<typeof feedOf>["world"]) => sent.map(({ bytes }) => bytes.length);

  test("sends the first piece at once, since it tells when bytes began to come, and then batches", async () => {
    const { feed, world } = feedOf();
    const run = feed.run();
    world.give(16 * KB);
    await settle();
    expect(sizes(world)).toEqual([16 * KB]);
    for (let i = 0; i < 10; i++) world.give(16 * KB);
    await settle();
    expect(sizes(world)).toEqual([16 * KB]);
    await vi.advanceTimersByTimeAsync(250);
    expect(sizes(world)).toEqual([16 * KB, 160 * KB]);
    world.give(7);
    world.end();
    await run;
    expect(sizes(world)).toEqual([16 * KB, 160 * KB, 7]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a burst does not wait for the clock: 1 MB from a neighbour is three messages", async () => {
    const { feed, world } = feedOf();
    const run = feed.run();
    for (let i = 0; i < 64; i++) world.give(16 * KB, "peer");
    world.end();
    await run;
    expect(sizes(world)).toEqual([16 * KB, 512 * KB, 496 * KB]);
    expect(world.sent[1]!.bytes[0]).toBe(2);
  });

  test("says of each run of bytes where it came from", async () => {
    const { feed, world } = feedOf();
    const run = feed.run();
    world.give(1, "cache");
    await settle();
    world.give(2, "http");
    world.give(3, "http");
    world.give(4, "peer", true);
    world.give(5, "peer");
    world.end();
    await run;
    expect(world.sent.map(({ parts }) => parts)).toEqual([
      [{ length: 1, source: "cache", early: false }],
      [
        { length: 5, source: "http", early: false },
        { length: 4, source: "peer", early: true },
        { length: 5, source: "peer", early: false },
      ],
    ]);
  });

  test("does not run ahead of a page that uses nothing", async () => {
    const { feed, world } = feedOf();
    const run = feed.run();
    for (let i = 0; i < 40; i++) world.give(KB * KB);
    await settle();
    const most = world.taken;
    expect(most).toBeLessThanOrEqual(10 * KB * KB);
    feed.used(4 * KB * KB);
    await settle();
    expect(world.taken).toBe(most + 4 * KB * KB);
    feed.abort();
    await run;
  });

  test("nothing is sent after an abort", async () => {
    const { feed, world } = feedOf();
    const run = feed.run();
    world.give(10);
    await settle();
    world.give(10);
    feed.abort();
    world.end();
    await run;
    expect(sizes(world)).toEqual([10]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("the deadline is that of the page, moves with it, and is never before now", async () => {
    const { feed, world } = feedOf(epochMs() + 4000);
    const run = feed.run();
    await settle();
    const left = () => world.request!.deadline() - performance.now();
    expect(left()).toBeCloseTo(4000, 0);
    feed.move(epochMs() + 9000);
    expect(left()).toBeCloseTo(9000, 0);
    feed.move(epochMs() - 5000);
    expect(left()).toBeCloseTo(0, 0);
    world.end();
    await run;
  });
});
