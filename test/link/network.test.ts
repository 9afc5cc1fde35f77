import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Town } from "./town.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

test("when the network is back, neighbours that it took away are met again at once", async () => {
  const network = new EventTarget();
  vi.stubGlobal("addEventListener", network.addEventListener.bind(network));
  vi.stubGlobal("removeEventListener", network.removeEventListener.bind(network));
  const town = new Town();
  const [a, b, c] = [town.join("a"), town.join("b"), town.join("c")];
  await pass(1_000);
  expect(a.links.size).toBe(2);
  for (const id of ["b", "c"]) a.close(id);
  await pass(2_000);
  expect(a.links.size).toBe(0);
  network.dispatchEvent(new Event("online"));
  await pass(200);
  expect(a.links.size).toBe(2);
  // Who has left does not care.
  for (const { membership } of [a, b, c]) membership.leave();
  network.dispatchEvent(new Event("online"));
  await pass(1_000);
  expect(a.links.size + b.links.size + c.links.size).toBe(0);
});
