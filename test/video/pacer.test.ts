import { describe, expect, test } from "vitest";
import type { Presentation } from "../../src/core/content/presentation.ts";
import { Pacer } from "../../src/sw/pacer.ts";

const SEGMENTS = 20;
const SEGMENT_S = 4;

/** Two video renditions and one of audio, each an init section and 20 segments of 4 s. */
const presentation: Presentation = {
  version: 1,
  swarm: { id: new Uint8Array(32), chunkSize: 16384, addressing: 2, hash: 2, chunkCount: 1 } as Presentation["swarm"],
  hashes: "ppsp.mhash",
  files: [0, 1, 2].flatMap((rendition) => [
    { uri: `${rendition}/init.mp4`, length: 800, rendition },
    ...Array.from({ length: SEGMENTS }, (_, i) => ({
      uri: `${rendition}/${i}.m4s`,
      length: 1e6,
      duration: SEGMENT_S,
      rendition,
    })),
  ]),
  renditions: [
    { type: "video", uri: "0.m3u8" },
    { type: "video", uri: "1.m3u8" },
    { type: "audio", uri: "2.m3u8" },
  ],
  trackers: [],
  iceServers: [],
  policy: { p2p: true },
};

const init = (rendition: number): number => rendition * (SEGMENTS + 1);
const segment = (i: number, rendition = 0): number => init(rendition) + 1 + i;

/** Requests segments in order, each answered after `ms`. */
function fill(pacer: Pacer, from: number, to: number, now: number, ms: number): number {
  for (let i = from; i < to; i++) {
    pacer.requested(segment(i), now);
    now += ms;
    pacer.delivered(segment(i), now);
  }
  return now;
}

describe("Pacer", () => {
  test("the first requests are due at once", () => {
    const pacer = new Pacer(presentation);
    expect(pacer.slackMs(init(0), 0)).toBe(0);
    pacer.requested(segment(0), 0);
    expect(pacer.slackMs(segment(0), 0)).toBe(0);
  });

  test("what was delivered faster than it plays is the buffer, of which half may be spent", () => {
    const pacer = new Pacer(presentation);
    const now = fill(pacer, 0, 5, 0, 500);
    pacer.requested(segment(5), now);
    // 20 s delivered, 2 s of them played since the first came.
    expect(pacer.slackMs(segment(5), now)).toBeCloseTo(9000, -3);
    expect(pacer.slackMs(segment(5), now + 10_000)).toBeCloseTo(4000, -3);
    expect(pacer.slackMs(segment(5), now + 60_000)).toBe(0);
  });

  test("an init section is due with the next segment", () => {
    const pacer = new Pacer(presentation);
    const now = fill(pacer, 0, 5, 0, 500);
    pacer.requested(init(1), now);
    expect(pacer.slackMs(init(1), now)).toBe(pacer.slackMs(segment(5, 1), now));
  });

  test("a seek empties the buffer", () => {
    const pacer = new Pacer(presentation);
    const now = fill(pacer, 0, 5, 0, 500);
    pacer.requested(segment(15), now);
    expect(pacer.slackMs(segment(15), now)).toBe(0);
    pacer.requested(segment(2), now + 30_000);
    expect(pacer.slackMs(segment(2), now + 30_000)).toBe(0);
  });

  test("a quality switch in order does not", () => {
    const pacer = new Pacer(presentation);
    const now = fill(pacer, 0, 5, 0, 500);
    pacer.requested(segment(5, 1), now);
    expect(pacer.slackMs(segment(5, 1), now)).toBeGreaterThan(8000);
  });

  test("a player that comes back in order after a long pause had its buffer full", () => {
    const pacer = new Pacer(presentation);
    const now = fill(pacer, 0, 6, 0, 100) + 600_000;
    pacer.requested(segment(6), now);
    expect(pacer.slackMs(segment(6), now)).toBeGreaterThan(8000);
  });

  test("a request that is repeated without a pause is not believed to have one", () => {
    const pacer = new Pacer(presentation);
    let now = fill(pacer, 0, 3, 0, 500);
    pacer.requested(segment(3), now);
    now += 12_000;
    pacer.requested(segment(3), now);
    expect(pacer.slackMs(segment(3), now)).toBe(0);
  });

  test("audio has a buffer of its own", () => {
    const pacer = new Pacer(presentation);
    const now = fill(pacer, 0, 5, 0, 500);
    pacer.requested(segment(0, 2), now);
    expect(pacer.slackMs(segment(0, 2), now)).toBe(0);
  });
});
