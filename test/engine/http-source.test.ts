import { describe, expect, it } from "vitest";
import type { PlaybackError } from "../../src/engine/errors.ts";
import { type EarlyResponse, HttpSource } from "../../src/engine/http-source.ts";
import type { Clock } from "../../src/engine/ports.ts";

const SEGMENT = 1_250_000;

/** An origin on virtual time: each read comes after `delayMs` at so many bytes per ms. */
function setUp(bytesPerMs: number, delayMs = 50) {
  let now = 0;
  const clock: Clock = { now: () => now, after: () => () => undefined, soon: queueMicrotask, unixMicros: () => 0n };
  let onePiece: (() => EarlyResponse | Response) | undefined;
  const source = new HttpSource(async (_, init) => {
    if (onePiece !== undefined) return onePiece();
    now += delayMs;
    const [, first, last] = /(\d+)-(\d+)/.exec(new Headers(init?.headers).get("range")!)!;
    let left = Number(last) - Number(first) + 1;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const part = new Uint8Array(Math.min(left, 10_000));
          now += part.length / bytesPerMs;
          left -= part.length;
          controller.enqueue(part);
          if (left === 0) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { status: 206 });
  }, clock);
  /** Reads so many bytes, and leaves the rest; returns what the line is thought to have needed for them, each as it came, over the time that they took. */
  const read = async (length: number): Promise<number> => {
    const { signal } = new AbortController();
    const parts = source.read({ url: "https://media.example/0.m4s", offset: 0, length: SEGMENT, whole: false, signal });
    let got = 0;
    let dueMs = 0;
    for await (const part of parts) {
      dueMs += source.lineMs(part.length);
      if ((got += part.length) >= length) break;
    }
    return (dueMs * bytesPerMs) / got;
  };
  /** An answer whose bytes are all there `tookMs` after the request, which may have been sent `askedMs` before the engine wanted it. */
  const readOnePiece = async (answer: { bytes: number; tookMs: number; askedMs?: number }): Promise<void> => {
    const askedAt = now;
    now += answer.askedMs ?? 0;
    onePiece = () => {
      now += answer.tookMs;
      const response = new Response(new Uint8Array(answer.bytes));
      return answer.askedMs === undefined ? response : Object.assign(response, { askedAt });
    };
    const { signal } = new AbortController();
    const url = "https://media.example/0.m4s";
    for await (const _ of source.read({ url, offset: 0, length: answer.bytes, whole: true, signal }));
    onePiece = undefined;
  };
  /** An early answer that has been coming for so long, at the line's rate; what has come is at hand, in small parts, and the rest follows. */
  const readComing = async (length: number, sinceMs: number): Promise<void> => {
    const answeredAt = now;
    now += sinceMs;
    let at = 0;
    onePiece = () => {
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            const part = new Uint8Array(Math.min(10_000, length - at));
            at += part.length;
            now = Math.max(now, answeredAt + at / bytesPerMs);
            controller.enqueue(part);
            if (at === length) controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      return Object.assign(new Response(body), { askedAt: answeredAt - delayMs, answeredAt });
    };
    const { signal } = new AbortController();
    for await (const _ of source.read({ url: "https://media.example/0.m4s", offset: 0, length, whole: true, signal }));
    onePiece = undefined;
  };
  const wait = (ms: number): void => void (now += ms);
  const setRate = (rate: number): void => void (bytesPerMs = rate);
  return { source, read, readOnePiece, readComing, wait, setRate };
}

describe("HttpSource", () => {
  it("knows the origin's rate after the first read that tells of it: a second segment is not late by a guess", async () => {
    const { source, read } = setUp(1000);
    expect(source.expectedMs(SEGMENT)).toBeGreaterThan(4_000);
    await read(110_000);
    expect(source.expectedMs(SEGMENT)).toBeLessThan(1_500);
    expect(source.expectedMs(SEGMENT)).toBeGreaterThan(1_250);
  });

  it.each([60, 125, 250, 1000, 6000])(
    "a first segment at %s bytes per ms counts as long as it took, whatever was assumed",
    async (rate) => {
      const due = await setUp(rate).read(400_000);
      expect(due).toBeGreaterThan(0.9);
      expect(due).toBeLessThan(1.3);
    },
  );

  it("hears of a fast line from a first answer that comes in one piece", async () => {
    const { source, readOnePiece } = setUp(10_000);
    await readOnePiece({ bytes: 1_000_000, tookMs: 100 });
    expect(source.expectedMs(SEGMENT)).toBeLessThan(500);
  });

  it("takes an answer that was asked for earlier for no faster than it was", async () => {
    const { source, readOnePiece } = setUp(10_000);
    const before = source.lineMs(SEGMENT);
    await readOnePiece({ bytes: 500_000, tookMs: 1, askedMs: 2_000 });
    expect(source.lineMs(SEGMENT)).toBeCloseTo(before);
  });

  it("counts what had come of an early answer before it was wanted from when it began to come", async () => {
    const { source, readComing } = setUp(1000);
    await readComing(400_000, 200);
    expect(source.lineMs(SEGMENT)).toBeGreaterThan(1_200);
    expect(source.lineMs(SEGMENT)).toBeLessThan(1_300);
  });

  it("does not take a few bytes for a measure of the line, however long they took", async () => {
    const { source, read } = setUp(100);
    const before = source.expectedMs(SEGMENT);
    await read(10_000);
    expect(source.expectedMs(SEGMENT)).toBeLessThan(before * 1.5);
  });

  it("forgets what it has not seen for a while: one read after a pause tells that the line is fast again", async () => {
    const { source, read, wait, setRate } = setUp(125);
    for (let i = 0; i < 5; i++) await read(100_000);
    setRate(1000);
    wait(15_000);
    await read(262_144);
    expect(source.expectedMs(SEGMENT)).toBeLessThan(2_500);
    expect(source.lineMs(SEGMENT)).toBeLessThan(2_000);
  });

  it("follows a line that has become slower", async () => {
    const { source, read, setRate } = setUp(1000);
    for (let i = 0; i < 3; i++) await read(100_000);
    expect(source.expectedMs(125_000)).toBeLessThan(250);
    setRate(125);
    for (let i = 0; i < 6; i++) await read(100_000);
    expect(source.expectedMs(125_000)).toBeGreaterThan(900);
  });

  it.each([
    ["says that it is", { "content-encoding": "gzip", "content-length": "200000" }, 100_000],
    ["may not say so to another origin", { "content-length": "100048" }, 100_000],
    ["cannot be", { "content-length": "100200" }, "mismatch"],
  ])("takes what is longer than published for compressed where it %s", async (_, headers, outcome) => {
    const clock: Clock = { now: () => 0, after: () => () => undefined, soon: queueMicrotask, unixMicros: () => 0n };
    const source = new HttpSource(async () => new Response(new Uint8Array(100_000), { headers }), clock);
    const whole = { url: "https://media.example/0.m4s", offset: 0, length: 100_000, size: 100_000, whole: true };
    const read = async (): Promise<number> => {
      let got = 0;
      for await (const part of source.read({ ...whole, signal: new AbortController().signal })) got += part.length;
      return got;
    };
    expect(await read().catch((error: PlaybackError) => error.code)).toBe(outcome);
  });
});
