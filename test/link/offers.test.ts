import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Town } from "./town.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

test("offers go out one by one: the next when a link is open, or when the last one has had 100 ms", async () => {
  const town = new Town();
  const offers = (): number => town.relayed.filter(({ payload }) => payload.type === "offer").length;
  // Behind two who answer, two who do not.
  town.ghosts = ["ghost-0", "ghost-1"];
  const [a, b] = [town.join("a"), town.join("b")];
  await pass(5_000);
  const before = offers();
  const c = town.join("c");
  await vi.waitFor(() => expect(offers()).toBe(before + 1), { interval: 1 });
  await pass(4);
  expect(offers()).toBe(before + 1);
  await pass(90);
  expect(offers()).toBe(before + 3);
  await pass(100);
  expect(offers()).toBe(before + 4);
  expect([a.links.has("c"), b.links.has("c"), c.links.size]).toEqual([true, true, 2]);
});
