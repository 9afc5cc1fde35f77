import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChunkRange } from "../../src/core/address/range.ts";
import { Layout } from "../../src/core/content/layout.ts";
import type { Presentation, PresentationFile, Rendition } from "../../src/core/content/presentation.ts";
import { Eviction } from "../../src/store/eviction.ts";

const CHUNK = 1000;

const present = (
  files: PresentationFile[],
  renditions: Rendition[],
): { presentation: Presentation; layout: Layout } => {
  const chunkCount = files.reduce((sum, { length }) => sum + Math.ceil(length / CHUNK), 0);
  const presentation: Presentation = {
    version: 1,
    swarm: { id: new Uint8Array(32), chunkSize: CHUNK, addressing: 2, hash: 2, chunkCount },
    hashes: "ppsp.mhash",
    files,
    renditions,
    trackers: [],
    iceServers: [],
    policy: { p2p: true },
  };
  return { presentation, layout: new Layout(presentation) };
};

/** Two video renditions and one audio rendition: an init section and 40 segments of 10 s, 3,500 bytes each. */
const film = () => {
  const renditions: Rendition[] = [
    { type: "video", uri: "low.m3u8" },
    { type: "video", uri: "high.m3u8" },
    { type: "audio", uri: "sound.m3u8" },
  ];
  const files = renditions.flatMap((_, rendition): PresentationFile[] => [
    { uri: `${rendition}/init`, length: 700, rendition },
    ...Array.from({ length: 40 }, (_, i) => ({ uri: `${rendition}/${i}`, length: 3500, duration: 10, rendition })),
  ]);
  return present(files, renditions);
};

const segment = (rendition: number, index: number): number => rendition * 41 + 1 + index;
const { presentation, layout } = film();
const eviction = new Eviction(presentation, layout);
const everything = presentation.files.map((_, file): [number, ChunkRange[]] => [file, [layout.fileChunks(file)]]);

const filesOf = (ranges: ChunkRange[]): number[] => [...new Set(ranges.map(({ start }) => layout.locate(start).file))];
const bytesOf = (ranges: ChunkRange[]): number =>
  ranges.reduce((sum, { start, end }) => {
    for (let chunk = start; chunk <= end; chunk++) sum += layout.chunkSize(chunk);
    return sum;
  }, 0);

describe("eviction", () => {
  const playhead = { file: segment(1, 20) };

  test("first goes what another rendition has behind the playhead, oldest first", () => {
    const planned = eviction.plan(everything, playhead, 3500 * 5);
    expect(filesOf(planned)).toEqual([0, 1, 2, 3, 4].map((i) => segment(0, i)));
    expect(bytesOf(planned)).toBe(3500 * 5);
  });

  test("then what was played long ago, then other renditions ahead, then far ahead", () => {
    const order = filesOf(eviction.plan(everything, playhead, Number.MAX_SAFE_INTEGER));
    const at = (file: number): number => order.indexOf(file);
    expect(at(segment(0, 19))).toBeLessThan(at(segment(1, 0)));
    expect(at(segment(1, 0))).toBeLessThan(at(segment(1, 16)));
    expect(at(segment(1, 16))).toBeLessThan(at(segment(0, 39)));
    expect(at(segment(0, 39))).toBeLessThan(at(segment(0, 20)));
    expect(at(segment(0, 20))).toBeLessThan(at(segment(1, 39)));
    expect(at(segment(1, 39))).toBeLessThan(at(segment(1, 26)));
    expect(at(segment(1, 26))).toBeLessThan(at(segment(1, 18)));
    expect(at(segment(1, 18))).toBeLessThan(at(0));
  });

  test("audio counts as playing along with video", () => {
    const order = filesOf(eviction.plan(everything, playhead, Number.MAX_SAFE_INTEGER));
    for (const index of [20, 21, 25]) {
      expect(order).not.toContain(segment(1, index));
      expect(order).not.toContain(segment(2, index));
    }
    expect(order).not.toContain(82);
    expect(order).not.toContain(41);
  });

  test("a part of a file counts from where it was played to", () => {
    const held: [number, ChunkRange[]][] = [[segment(1, 20), [layout.fileChunks(segment(1, 20))]]];
    expect(eviction.plan(held, { file: segment(1, 20), progress: 0 }, 1)).toEqual([]);
    expect(bytesOf(eviction.plan(held, { file: segment(1, 20), progress: 0.6 }, 3500))).toBe(2000);
  });

  test("of one big file the ends go, the surroundings of the playhead stay", () => {
    const { presentation: single, layout } = present([{ uri: "film.mp4", length: 200_000_000 }], []);
    const chunks = layout.fileChunks(0);
    const planned = new Eviction(single, layout).plan([[0, [chunks]]], { file: 0, progress: 0.5 }, 32_000_000);
    expect(planned[0]).toEqual({ start: 0, end: 7999 });
    expect(planned.length).toBeLessThan(6);
    const all = new Eviction(single, layout).plan([[0, [chunks]]], { file: 0, progress: 0.5 }, 200_000_000);
    for (const { start, end } of all) expect(start > 100_000 + 29_000 || end < 100_000).toBe(true);
  });

  test("never what the player is about to need; enough whenever there is enough; nothing that is not held, nothing twice", () => {
    const heldFiles = fc.subarray(everything.map(([file]) => file));
    fc.assert(
      fc.property(
        heldFiles,
        fc.constantFrom(...[0, 1, 2].flatMap((r) => [0, 7, 20, 39].map((i) => segment(r, i)))),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 500_000 }),
        (files, file, progress, bytes) => {
          const held = files.map((one): [number, ChunkRange[]] => [one, [layout.fileChunks(one)]]);
          const planned = eviction.plan(held, { file, progress }, bytes);
          const chunks = planned.flatMap(({ start, end }) =>
            Array.from({ length: end - start + 1 }, (_, i) => start + i),
          );
          expect(new Set(chunks).size).toBe(chunks.length);
          const rendition = presentation.files[file]!.rendition;
          const now = ((file % 41) - 1 + progress) * 10;
          for (const chunk of chunks) {
            const place = layout.locate(chunk);
            expect(files).toContain(place.file);
            const found = presentation.files[place.file]!;
            if (found.rendition !== rendition) continue;
            expect(found.duration).toBeDefined();
            const from = ((place.file % 41) - 1) * 10 + (place.offset / 4000) * 10;
            expect(from + 2.5 <= now + 1e-6 || from >= now + 60 - 1e-6).toBe(true);
          }
          const possible = bytesOf(eviction.plan(held, { file, progress }, Number.MAX_SAFE_INTEGER));
          // Files go as a whole for a target without bound, so parts of the file at the playhead may come on top.
          expect(bytesOf(planned)).toBeGreaterThanOrEqual(Math.min(bytes, possible));
        },
      ),
    );
  });
});
