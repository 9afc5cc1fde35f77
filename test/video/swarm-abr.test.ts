import { describe, expect, test } from "vitest";
import { fits, type Costs } from "../../src/video/swarm-abr.ts";

/** Two renditions of two segments of 4 s; the origin gives 100 bytes per ms after 100 ms. */
function engine(covered: Readonly<Record<number, number>>): Costs {
  const segment = (rendition: number, length: number) => ({ uri: "x", length, duration: 4, rendition });
  return {
    baseUrl: "http://o/v/ppsp.json",
    presentation: {
      renditions: [{ uri: "low.m3u8" }, { uri: "high.m3u8" }],
      files: [segment(0, 100_000), segment(0, 100_000), segment(1, 800_000), segment(1, 800_000)],
    },
    coveredOf: (file: number) => covered[file] ?? 0,
    expectedHttpMs: (bytes: number) => 100 + bytes / 100,
  } as unknown as Costs;
}

describe("fits", () => {
  test("what the origin can give in time", () => {
    expect(fits(engine({}), "http://o/v/low.m3u8?signed", 4.3, 0.7)).toBe(true);
    expect(fits(engine({}), "http://o/v/high.m3u8", 4.3, 0.7)).toBe(false);
  });

  test("what neighbours have of the very segment that is next", () => {
    expect(fits(engine({ 3: 1 }), "http://o/v/high.m3u8", 4.3, 0.7)).toBe(true);
    expect(fits(engine({ 3: 1 }), "http://o/v/high.m3u8", 0.3, 0.7)).toBe(false);
    expect(fits(engine({ 3: 0.7 }), "http://o/v/high.m3u8", 4.3, 0.7)).toBe(true);
  });

  test("what the presentation does not tell of is left to hls.js", () => {
    expect(fits(engine({}), "http://o/v/other.m3u8", 4.3, 0.7)).toBe(true);
    expect(fits(engine({}), "http://o/v/high.m3u8", 99, 0.7)).toBe(true);
  });
});
