import { describe, expect, it, test } from "vitest";
import { drawLot } from "../../src/engine/lots.ts";

const BLOCKS = 400;
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `viewer ${i}`);
const others = (all: readonly string[], self: string): string[] => all.filter((name) => name !== self);

describe("a lot", () => {
  it("is the same each time, and different for others and other blocks", () => {
    const [a, b, c] = ["a", "b", "c"] as const;
    expect(drawLot(a, [b, c], 100, 7)).toBe(drawLot(a, [c, b], 100, 7));
    expect(new Set(names(100).map((name) => drawLot(name, [a], 100, 7))).size).toBeGreaterThan(90);
    expect(new Set(Array.from({ length: 100 }, (_, block) => drawLot(a, [b], 100, block))).size).toBeGreaterThan(90);
  });

  it("is to go at once where there is nobody else", () => {
    for (let block = 0; block < BLOCKS; block++) expect(drawLot("a", [], 1, block)).toBe(0);
  });
});

test("of viewers who all know each other one goes at once, in turn, and the others leave it time", () => {
  const all = names(6);
  const turns = new Map<string, number>();
  for (let block = 0; block < BLOCKS; block++) {
    const lots = all.map((name) => drawLot(name, others(all, name), all.length, block));
    const [first, ...rest] = lots.toSorted((a, b) => a - b);
    expect(first).toBe(0);
    const name = all[lots.indexOf(0)]!;
    turns.set(name, (turns.get(name) ?? 0) + 1);
    for (const lot of rest) {
      expect(lot).toBeGreaterThan(0.25);
      expect(lot).toBeLessThanOrEqual(1);
    }
  }
  for (const name of all) expect(turns.get(name)).toBeGreaterThan(BLOCKS / all.length / 2);
});

test.each([20, 100, 1_000])(
  "of %i viewers with eight neighbours each seldom two go together, and most are late",
  (viewers) => {
    const all = names(viewers);
    let atOnce = 0;
    let early = 0;
    let last = 0;
    for (let block = 0; block < BLOCKS; block++) {
      for (let i = 0; i < viewers; i++) {
        const around = Array.from({ length: 8 }, (_, k) => all[(i + 1 + k * 7) % viewers]!);
        const lot = drawLot(all[i]!, around, viewers, block);
        last = Math.max(last, lot);
        if (lot <= 0) atOnce++;
        if (lot <= 0.25) early++;
      }
    }
    expect(last).toBeLessThanOrEqual(1);
    expect(atOnce / BLOCKS).toBeGreaterThan(0.15);
    expect(atOnce / BLOCKS).toBeLessThan(0.65);
    expect(early / BLOCKS).toBeLessThan(1.5 * viewers ** 0.25);
  },
);
