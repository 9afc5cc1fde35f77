import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import { ChunkAddressing } from "../../src/core/codec/messages.ts";
import { Layout } from "../../src/core/content/layout.ts";
import { Holdings } from "../../src/engine/holdings.ts";
import type { Rendezvous, SwarmReport } from "../../src/engine/ports.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { play, Village } from "./village.ts";

const FILES = [0, 1, 2, 3, 4, 5, 6];

test("alone, everything comes from the origin at once, is verified and kept", async () => {
  const village = await Village.open();
  const engine = village.viewer("a");
  for (const file of FILES) expect((await play(engine, file, 60_000)).equals(village.published(file))).toBe(true);
  const content = FILES.reduce((sum, file) => sum + village.published(file).length, 0);
  expect(engine.stats.httpBytes).toBeGreaterThanOrEqual(content);
  expect(engine.stats).toMatchObject({ peerBytes: 0, cacheBytes: 0 });
  await vi.waitFor(() => expect(engine.stats.verifiedChunks).toBe(village.presentation.swarm.chunkCount));
});

test("a report to the tracker says where the playhead is, which chunks are held, and how playback goes", async () => {
  const village = await Village.open();
  let report: (() => SwarmReport) | undefined;
  const rendezvous: Rendezvous = {
    join: (_, events) => {
      report = () => events.report();
      return { peerId: "me", leave: () => undefined, ban: () => undefined };
    },
  };
  const engine = village.viewer("a", { rendezvous });
  await play(engine, 2, 60_000);
  await play(engine, 3, -1);
  engine.setPlayhead({ file: 3, progress: 0.5 });
  engine.stalls = 2;
  const [second, third] = [engine.layout.fileChunks(2), engine.layout.fileChunks(3)];
  await vi.waitFor(() => expect(report?.().held).toEqual([{ start: second.start, end: third.end }]));
  const { position = 0, playback } = report?.() ?? {};
  expect(position).toBeGreaterThan(third.start);
  expect(position).toBeLessThanOrEqual(third.end);
  expect(playback).toEqual({
    chunksInTime: second.end - second.start + 1,
    chunksLate: third.end - third.start + 1,
    stalls: 2,
    rejected: 0,
    httpBytes: expect.any(Number) as number,
  });
});

test("with time to wait, a second viewer takes everything from the first", async () => {
  const village = await Village.open();
  const a = village.viewer("a");
  for (const file of FILES) await play(a, file, 0);
  const b = village.viewer("b");
  const before = village.origin.log.length;
  for (const file of FILES) expect((await play(b, file, 30_000)).equals(village.published(file))).toBe(true);
  expect(b.stats.peerBytes).toBe(FILES.reduce((sum, file) => sum + village.published(file).length, 0));
  expect(b.stats).toMatchObject({ httpBytes: 0, cacheBytes: 0, rejectedChunks: 0 });
  expect(village.origin.log.length).toBe(before);
  expect(a.stats.uploadedBytes).toBe(b.stats.peerBytes);
});

test("neighbours may name the chunks of a presentation by their bytes (byte64)", async () => {
  const village = await Village.open(ChunkAddressing.byte64);
  const a = village.viewer("a");
  for (const file of FILES) await play(a, file, 0);
  const b = village.viewer("b");
  for (const file of FILES) expect((await play(b, file, 30_000)).equals(village.published(file))).toBe(true);
  expect(b.stats.peerBytes).toBe(FILES.reduce((sum, file) => sum + village.published(file).length, 0));
  expect(b.stats).toMatchObject({ httpBytes: 0, rejectedChunks: 0 });
});

test("in a hurry, the origin is asked and no neighbour waited for", async () => {
  const village = await Village.open();
  const b = village.viewer("b", {
    rendezvous: { join: () => ({ peerId: "me", leave: () => undefined, ban: () => undefined }) },
  });
  expect((await play(b, 1, 0)).equals(village.published(1))).toBe(true);
  expect(b.stats.httpBytes).toBeGreaterThanOrEqual(village.published(1).length);
});

test("a neighbour that has a chunk and never sends it does not make it late", async () => {
  const village = await Village.open();
  const a = village.viewer("a");
  for (const file of FILES) await play(a, file, 0);
  const b = village.viewer("b");
  await vi.waitFor(() => expect(b.stats.neighbours).toBe(1));
  // From now on nothing that A says arrives.
  for (const link of village.links) if (link.id === "a") link.onDatagram = () => undefined;
  const started = performance.now();
  expect((await play(b, 2, 2_000)).equals(village.published(2))).toBe(true);
  expect(performance.now() - started).toBeLessThan(2_000);
});

test("two requests for the same file, one of them taken back: the other still gets it from the neighbour", async () => {
  const village = await Village.open();
  const a = village.viewer("a");
  for (const file of FILES) await play(a, file, 0);
  const b = village.viewer("b");
  await vi.waitFor(() => expect(b.stats.neighbours).toBe(1));
  const given = b.fetch(3, { deadline: () => performance.now() + 30_000 });
  await given.next();
  const kept = play(b, 3, 30_000);
  await given.return();
  expect((await kept).equals(village.published(3))).toBe(true);
  expect(b.stats.httpBytes).toBe(0);
});

test("the origin is gone: what neighbours have goes on, what nobody has is an error", async () => {
  const village = await Village.open();
  const a = village.viewer("a");
  for (const file of [0, 1, 2]) await play(a, file, 0);
  const b = village.viewer("b");
  await vi.waitFor(() => expect(b.stats.neighbours).toBe(1));
  await village.origin.close();
  for (const file of [0, 1, 2]) expect((await play(b, file, 0)).equals(village.published(file))).toBe(true);
  await expect(play(b, 3, 0)).rejects.toMatchObject({ name: "PlaybackError", code: "network" });
});

test("bytes from the origin that are not what was published are played, told once, and not shared", async () => {
  const village = await Village.open();
  writeFileSync(join(village.folder, "1.m4s"), Buffer.alloc(village.published(2).length, 1));
  const a = village.viewer("a");
  const told = vi.fn();
  a.on("contentmismatch", told);
  expect((await play(a, 2, 0)).equals(Buffer.alloc(village.published(2).length, 1))).toBe(true);
  await vi.waitFor(() => expect(told).toHaveBeenCalledTimes(1));
  expect(a.stats.verifiedChunks).toBe(0);
});

test("strict refuses them", async () => {
  const village = await Village.open();
  writeFileSync(join(village.folder, "1.m4s"), Buffer.alloc(village.published(2).length, 1));
  const a = village.viewer("a", { strict: true });
  expect((await play(a, 1, 0)).equals(village.published(1))).toBe(true);
  await expect(play(a, 2, 0)).rejects.toMatchObject({ code: "mismatch" });
});

test("memory stays within its limit, and a neighbour is served with what is left", async () => {
  const village = await Village.open();
  const limit = 300_000;
  const a = village.viewer("a", { memoryLimit: limit });
  for (const file of FILES) {
    a.setPlayhead({ file });
    await play(a, file, 0);
  }
  const b = village.viewer("b");
  await vi.waitFor(() => expect(b.stats.neighbours).toBe(1));
  for (const file of FILES) expect((await play(b, file, 1_500)).equals(village.published(file))).toBe(true);
  expect(b.stats.peerBytes).toBeGreaterThan(0);
  expect(b.stats.peerBytes).toBeLessThanOrEqual(limit);
});

test("where all must stay, what goes is not planned anew with each chunk", async () => {
  const { presentation } = await Village.open();
  const plan = vi.fn(() => []);
  const store = new MemoryStore();
  const options = { presentation, store, memoryLimit: 80_000, eviction: { plan } };
  const holdings = new Holdings(options, new Layout(presentation), new ChunkSet());
  for (let chunk = 0; chunk < 100; chunk++) {
    store.put(chunk, new Uint8Array(1_000));
    holdings.evict({ file: 1 }, []);
  }
  expect(plan).toHaveBeenCalledTimes(2);
  holdings.evict({ file: 2 }, []);
  expect(plan).toHaveBeenCalledTimes(3);
});

test("a neighbour that wraps chunks in large datagrams cannot make us keep more than the chunks", async () => {
  const village = await Village.open();
  const a = village.viewer("a");
  for (const file of FILES) await play(a, file, 0);
  const store = new MemoryStore();
  const b = village.viewer("b", { store });
  await vi.waitFor(() => expect(b.stats.neighbours).toBe(1));
  // What A sends arrives in buffers of 200 kB each.
  for (const link of village.links) {
    if (link.id !== "a") continue;
    const take = link.onDatagram!;
    link.onDatagram = (datagram) => {
      const roomy = new Uint8Array(200_000);
      roomy.set(datagram);
      take(roomy.subarray(0, datagram.length));
    };
  }
  for (const file of FILES) await play(b, file, 30_000);
  expect(b.stats.peerBytes).toBeGreaterThan(0);
  for (let chunk = 0; chunk < village.presentation.swarm.chunkCount; chunk++) {
    const data = store.get(chunk)!;
    expect(data.buffer.byteLength - data.length).toBeLessThan(5_000);
  }
});

test("close ends everything: pending requests, channels, memory", async () => {
  const village = await Village.open();
  const a = village.viewer("a");
  await play(a, 1, 0);
  const b = village.viewer("b");
  await vi.waitFor(() => expect(b.stats.neighbours).toBe(1));
  a.close();
  await vi.waitFor(() => expect(b.stats.neighbours).toBe(0));
  await expect(play(a, 2, 0)).rejects.toMatchObject({ code: "aborted" });
});
