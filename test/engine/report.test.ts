import { describe, expect, test } from "vitest";
import { nearestRanges, UploadMeter } from "../../src/engine/report.ts";

describe("what an engine reports", () => {
  test("upload bandwidth is the best rate that was given, forgotten slowly", () => {
    const meter = new UploadMeter();
    expect(meter.measure(0, 0)).toBe(0);
    expect(meter.measure(1_000_000, 1000)).toBe(0);
    expect(meter.measure(5_000_000, 10_000)).toBe(4_000_000);
    expect(meter.measure(5_000_000, 20_000)).toBe(3_600_000);
    // Another tracker that asks at the same moment gets the same answer.
    expect(meter.measure(5_000_000, 20_001)).toBe(3_600_000);
    expect(meter.measure(15_000_000, 30_000)).toBe(8_000_000);
  });

  test("of many ranges those ahead of the playhead are named, then those just behind", () => {
    const ranges = Array.from({ length: 100 }, (_, i) => ({ start: 10 * i, end: 10 * i + 4 }));
    expect(nearestRanges(ranges, 0, 100)).toEqual(ranges);
    expect(nearestRanges(ranges, 200, 64)).toEqual(ranges.slice(20, 84));
    expect(nearestRanges(ranges, 503, 64)).toEqual(ranges.slice(36, 100));
    expect(nearestRanges(ranges, 2000, 64)).toEqual(ranges.slice(36, 100));
  });
});
