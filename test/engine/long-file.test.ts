import { setTimeout as wait } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { Village } from "./village.ts";

const MIB = 2 ** 20;
const PATIENCE = { timeout: 10_000 };

test("of a long file no more is loaded than the player takes, but for some MiB", async () => {
  const village = await Village.film(28 * MIB);
  const engine = village.viewer("a", { memoryLimit: 8 * MIB });
  const pieces = engine.fetch(0, { deadline: () => engine.now() });
  for (let taken = 0; taken < 4; taken++) await pieces.next();
  // Until nothing more comes for a while.
  for (let before = -1; before < engine.stats.httpBytes; await wait(500)) before = engine.stats.httpBytes;
  expect(engine.stats.httpBytes).toBeLessThan(18 * MIB);

  // It goes on where the player goes on, to the end.
  let bytes = 4 * 16_384;
  for await (const piece of pieces) bytes += piece.bytes.length;
  expect(bytes).toBe(28 * MIB);
  expect(engine.stats.httpBytes).toBeLessThan(29 * MIB);
}, 60_000);

test("of a file that is longer than memory each chunk comes once from a neighbour, and all of it is played", async () => {
  const village = await Village.film(32 * MIB);
  const a = village.viewer("a");
  for await (const piece of a.fetch(0, { deadline: () => a.now() })) void piece;
  await vi.waitFor(() => expect(a.stats.verifiedChunks).toBe((32 * MIB) / 16_384), PATIENCE);
  const b = village.viewer("b", { memoryLimit: 8 * MIB });
  b.join();
  await vi.waitFor(() => expect(b.stats.neighbours).toBe(1), PATIENCE);
  const deadline = b.now() + 600_000;
  let bytes = 0;
  for await (const piece of b.fetch(0, { deadline: () => deadline })) bytes += piece.bytes.length;
  expect(bytes).toBe(32 * MIB);
  expect(b.stats.peerBytes).toBe(32 * MIB);
  expect(a.stats.uploadedBytes).toBeLessThan(40 * MIB);
}, 60_000);
