import { describe, expect, test, vi } from "vitest";
import { memoryPair } from "../../src/link/memory.ts";
import { linkCases, meeting } from "./suite.ts";

describe("memory pair as a Link", () => {
  test.each(linkCases)("$name", async ({ left, right }) => {
    const [a, b] = memoryPair();
    const together = meeting();
    await Promise.all([left(a, together), right(b, together)]);
  });
});

const arrivals = async (seed: number): Promise<number[]> => {
  const [a, b] = memoryPair({ loss: 0.2, duplication: 0.2, reordering: 0.2, seed });
  const seen: number[] = [];
  b.onDatagram = (datagram) => seen.push(datagram[0] ?? -1);
  for (let i = 0; i < 200; i++) a.send(Uint8Array.of(i));
  const end = new Promise<void>((resolve) => (b.onClose = resolve));
  a.close();
  await end;
  return seen;
};

describe("memory pair", () => {
  test("loses, repeats and reorders the same way for the same seed", async () => {
    const seen = await arrivals(7);
    expect(await arrivals(7)).toEqual(seen);
    expect(await arrivals(8)).not.toEqual(seen);
    expect(new Set(seen).size).toBeLessThan(190);
    expect(seen.length).toBeGreaterThan(new Set(seen).size);
    expect(seen.toSorted((x, y) => x - y)).not.toEqual(seen);
  });

  test("names the other end", () => {
    const [a, b] = memoryPair({ ids: ["me", "you"] });
    expect([a.id, b.id]).toEqual(["you", "me"]);
  });

  test("keeps early datagrams within bounds", async () => {
    const [a, b] = memoryPair();
    for (let i = 0; i < 1000; i++) a.send(new Uint8Array(1000));
    const closed = new Promise<void>((resolve) => (b.onClose = resolve));
    a.close();
    await closed;
    const seen = vi.fn();
    b.onDatagram = seen;
    expect(seen).toHaveBeenCalledTimes(64);
  });
});
