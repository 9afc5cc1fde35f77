import { describe, expect, it } from "vitest";
import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import { Layout } from "../../src/core/content/layout.ts";
import type { Presentation } from "../../src/core/content/presentation.ts";
import { Rivals, type Neighbour } from "../../src/engine/rivals.ts";

/** Two video renditions and one of audio, each with an init section of one chunk and three segments of four. */
const RENDITIONS = ["video", "video", "audio"] as const;
const presentation = {
  swarm: { chunkSize: 1024 },
  renditions: RENDITIONS.map((type, i) => ({ type, uri: `${i}.m3u8` })),
  files: RENDITIONS.flatMap((_, rendition) => [
    { uri: `${rendition}/init.mp4`, length: 1000, rendition },
    ...[0, 1, 2].map((segment) => ({ uri: `${rendition}/${segment}.m4s`, length: 4096, rendition, duration: 4 })),
  ]),
} as unknown as Presentation;
const layout = new Layout(presentation);
const rivals = new Rivals(presentation, layout);
const file = (rendition: number, segment: number): number => rendition * 4 + 1 + segment;
const has = (...files: number[]): Neighbour => ({
  link: String(files),
  state: "established",
  peerHas: new ChunkSet(files.map((each) => layout.fileChunks(each))),
});
const share = (wanted: number, ...neighbours: Neighbour[]): number => {
  const among = rivals.among(neighbours, layout.fileChunks(wanted).start);
  return among.rivals.length / among.neighbours;
};

describe("Rivals", () => {
  it("are all whose choice for that place is not known", () => {
    expect(share(file(1, 2), has(), has(file(0, 0)), has(file(1, 1)))).toBe(1);
  });

  it("are not those who have that place in another rendition", () => {
    expect(share(file(1, 2), has(file(0, 2)))).toBe(0);
    expect(share(file(1, 2), has(file(0, 2)), has(file(1, 2)))).toBe(0.5);
    expect(share(file(0, 2), has(file(1, 2)), has(file(1, 2)), has(), has())).toBe(0.5);
  });

  it("are those who have the audio of that place: it is no choice", () => {
    expect(share(file(0, 1), has(file(2, 1)))).toBe(1);
    expect(share(file(2, 1), has(file(0, 1)))).toBe(1);
  });

  it("are all for what has no place in time, and those with an open channel only", () => {
    expect(share(0, has(4))).toBe(1);
    expect(share(file(1, 2), { ...has(), state: "handshaking" as Neighbour["state"] }, has(file(0, 2)))).toBe(0);
    expect(rivals.among([], layout.fileChunks(1).start)).toEqual({ rivals: [], neighbours: 0 });
  });
});
