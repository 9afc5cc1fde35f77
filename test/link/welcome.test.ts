import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Town, type Resident } from "./town.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const accepted = ({ links }: Resident): number => [...links.values()].filter((initiator) => !initiator).length;

test.each([
  [true, 14],
  [false, 3],
])("whose line has room for more (%s) takes more of those who come: %i", async (spare, most) => {
  const town = new Town();
  const a = town.join("a", {}, () => spare);
  await pass(50);
  for (let wave = 0; wave < 3; wave++) {
    for (let i = 0; i < 10; i++) town.join(`stranger-${wave}-${i}`, { maxNeighbours: 40 });
    await pass(12_000);
  }
  expect(accepted(a)).toBe(most);
});
