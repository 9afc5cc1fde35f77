import { describe, expect, test } from "vitest";
import { digest, KnownChunks, makeContent, seeded } from "./content.ts";
import { play, SCENARIOS, type FilmSize, type Report } from "./scenarios.ts";
import { join } from "./simulator.ts";

const SHORT: FilmSize = { seconds: 24, mbits: 1, chunkSize: 16_384 };
const VIEWERS = 24;

/** The least that peers must save the origin, percent: the first segment of a short film is much of it. */
const OFFLOAD: Readonly<Record<string, number>> = {
  "vod-staggered": 70,
  "flash-crowd": 60,
  "slow-peers": 60,
  churn: 60,
  lossy: 65,
  audience: 65,
  pages: 75,
  "pages-at-once": 70,
  "pages-uplink": 60,
};

const withoutWall = (report: Report): string => JSON.stringify({ ...report, wall: undefined });

describe.each(Object.keys(SCENARIOS))("%s", (name) => {
  const report = play(name, VIEWERS, 5, SHORT);

  test("everybody who stays gets the whole film, without a stall", () => {
    expect(report.completed + report.left).toBe(VIEWERS);
    expect(report.deadlinesMet).toBe(100);
    expect(report.smooth).toBe(VIEWERS);
    expect(report.startup.p95).toBeLessThan(1_500);
  });

  test("most of it comes from other viewers, and nobody honest is refused", () => {
    expect(report.offload).toBeGreaterThan(OFFLOAD[name]!);
    expect(report.controlBytes).toBeLessThan(5);
    expect(report.rejected).toBe(0);
  });

  test("the same seed gives the same report, another seed another", () => {
    expect(withoutWall(play(name, 8, 1, SHORT))).toBe(withoutWall(play(name, 8, 1, SHORT)));
    expect(withoutWall(play(name, 8, 2, SHORT))).not.toBe(withoutWall(play(name, 8, 1, SHORT)));
  });
});

describe("chunks that simulated peers share", () => {
  const content = makeContent(10_000, 1_024, seeded(1));
  const known = new KnownChunks(content);

  test("arrive as the publisher's own memory behind a head of their own", () => {
    const head = Uint8Array.of(1, 2, 3);
    const datagram = known.frame(head, known.bytes(3))!;
    expect([...datagram]).toEqual([...join(head, content.chunks[3])]);
    expect(datagram.subarray(3).buffer).toBe(known.bytes(3).buffer);
    expect(known.frame(head, content.chunks[3]!.slice())).toBeUndefined();
  });

  test("are hashed wherever a bit differs, and have their true hash", () => {
    const hash = (data: Uint8Array): string => Buffer.from(digest(2, data)).toString("hex");
    const changed = content.chunks[3]!.slice();
    changed[500]! ^= 1;
    for (const data of [known.bytes(3), content.chunks[3]!.slice(), changed, content.chunks[4]!, new Uint8Array(5)])
      expect(Buffer.from(known.digest(3, data)).toString("hex")).toBe(hash(data));
  });
});
