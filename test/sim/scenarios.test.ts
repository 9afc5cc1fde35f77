import { describe, expect, test } from "vitest";
import { digest, KnownChunks, makeContent, seeded } from "./content.ts";
import { play, SCENARIOS, type FilmSize, type Report } from "./scenarios.ts";
import { join } from "./simulator.ts";

const SHORT: FilmSize = { seconds: 24, mbits: 1, chunkSize: 16_384 };
const VIEWERS = 24;

/** The least that peers must save the origin, percent, a little below what they do: the first segment of a short film is much of it. */
const OFFLOAD: Readonly<Record<string, number>> = {
  "vod-staggered": 78,
  "flash-crowd": 68,
  "slow-peers": 72,
  churn: 76,
  audience: 77,
  pages: 83,
  "pages-at-once": 72,
  "pages-uplink": 76,
  lossy: 74,
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
    // What neighbours have is fetched from the origin only where the lines to them are too slow.
    expect(report.origin.slow).toBeLessThan(SCENARIOS[name]!.slow > 0 ? 8 : 5);
    const parts = Object.values(report.origin).reduce((sum, part) => sum + part, report.offload);
    expect(parts).toBeCloseTo(100, 0);
    expect(report.controlBytes).toBeLessThan(2);
    expect(report.rejected).toBe(0);
  });

  test("the same seed gives the same report, another seed another", () => {
    const [first, again, other] = [1, 1, 2].map((seed) => withoutWall(play(name, 8, seed, SHORT)));
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });
});

test("four times the audience leaves a viewer's own work as it is, and its share of the origin's no larger", () => {
  const [small, large] = [24, 96].map((viewers) => play("audience", viewers, 5, SHORT));
  expect(large!.work.inputs).toBeLessThan(1.3 * small!.work.inputs);
  expect(large!.work.datagrams).toBeLessThan(1.3 * small!.work.datagrams);
  expect(large!.offload).toBeGreaterThan(small!.offload);
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

  test("have the nodes of their tree hashed only where they are not the publisher's", () => {
    const { hash } = known;
    const { tree } = content;
    const [left, right] = [tree.get(0)!, tree.get(2)!];
    expect(hash.pair(left.slice(), right.slice())).toEqual(tree.get(1));
    const other = right.slice();
    other[31]! ^= 1;
    expect(hash.pair(left, other)).toEqual(tree.hash.pair(left, other));
    expect(hash.pair(left, other)).not.toEqual(tree.get(1));
  });

  test("are hashed wherever a bit differs, and have their true hash", () => {
    const hash = (data: Uint8Array): string => Buffer.from(digest(2, data)).toString("hex");
    const changed = content.chunks[3]!.slice();
    changed[500]! ^= 1;
    for (const data of [known.bytes(3), content.chunks[3]!.slice(), changed, content.chunks[4]!, new Uint8Array(5)])
      expect(Buffer.from(known.digest(3, data)).toString("hex")).toBe(hash(data));
  });
});
