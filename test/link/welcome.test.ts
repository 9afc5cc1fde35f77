import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Town, type Resident } from "./town.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const accepted = ({ links }: Resident): number => [...links.values()].filter((initiator) => !initiator).length;
const offer = { type: "offer", attempt: "00000000", sdp: "m=application none" };

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

test("offers of banned peers use up nothing of what is answered", async () => {
  const town = new Town();
  const a = town.join("a");
  await pass(50);
  for (let i = 0; i < 100; i++) a.membership.ban(`banned-${i}`);
  for (let i = 0; i < 100; i++) town.say(`banned-${i}`, "a", offer);
  town.say("b", "a", offer);
  await pass(25);
  expect(town.relayed.filter(({ payload }) => payload.type === "answer").map(({ to }) => to)).toEqual(["b"]);
});
