import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ContentError } from "../../src/core/content/error.ts";
import { Directory } from "../../src/core/content/directory.ts";
import { Layout } from "../../src/core/content/layout.ts";
import {
  MAX_FILES,
  parsePresentation,
  serialisePresentation,
  type Presentation,
} from "../../src/core/content/presentation.ts";
import { sample } from "./presentation.ts";

const schema = new Ajv2020({ strictTypes: false }).compile(
  JSON.parse(readFileSync(new URL("../../docs/ppsp.schema.json", import.meta.url), "utf8")) as object,
);

const lengths = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 });
const chunkSizes = fc.constantFrom(512, 1000, 1024, 65_536);

describe("ppsp.json", () => {
  it("survives being written and read", () => {
    fc.assert(
      fc.property(lengths, chunkSizes, (sizes, chunkSize) => {
        const presentation = sample(sizes, chunkSize);
        expect(parsePresentation(JSON.parse(serialisePresentation(presentation)))).toEqual(presentation);
        expect(schema(toJson(presentation)), JSON.stringify(schema.errors)).toBe(true);
      }),
    );
  });

  it("needs only version, swarm, hashes and files", () => {
    const { version, swarm, hashes, files } = toJson(sample([1]));
    const bare = { version, swarm, hashes, files: [{ uri: files[0]!["uri"], length: 1 }], later: "ignored" };
    expect(parsePresentation(bare)).toMatchObject({
      renditions: [],
      trackers: [],
      iceServers: [],
      policy: { p2p: true },
    });
  });

  it("RFC 7574 §8.1 SHOULD: chunks are of 512 bytes at least", () => {
    const json = toJson(sample([1]));
    json.swarm["chunkSize"] = 511;
    expect(() => parsePresentation(json)).toThrow(/chunkSize/);
  });

  it.each<[string, string, (json: Json) => void]>([
    ["another version", "version", (json) => (json["version"] = 2)],
    ["a short swarm ID", "swarm.id", (json) => (json.swarm["id"] = "ab")],
    ["a swarm ID that is no hex", "swarm.id", (json) => (json.swarm["id"] = "zz".repeat(32))],
    ["an unknown hash function", "swarm.hash", (json) => (json.swarm["hash"] = "md5")],
    ["an inherited name for a hash function", "swarm.hash", (json) => (json.swarm["hash"] = "constructor")],
    ["an unknown addressing", "swarm.addressing", (json) => (json.swarm["addressing"] = 2)],
    ["tiny chunks", "swarm.chunkSize", (json) => (json.swarm["chunkSize"] = 511)],
    ["huge chunks", "swarm.chunkSize", (json) => (json.swarm["chunkSize"] = 65_537)],
    ["a wrong chunk count", "swarm.chunkCount", (json) => (json.swarm["chunkCount"] = 3)],
    ["a huge chunk count", "swarm.chunkCount", (json) => (json.swarm["chunkCount"] = 2 ** 27)],
    ["too many files", "files", (json) => (json.files = Array.from({ length: MAX_FILES + 1 }, () => json.files[0]!))],
    ["no list of files", "files", (json) => (json.files = { length: 1 } as never)],
    ["an empty file", "files[0].length", (json) => (json.files[0]!["length"] = 0)],
    ["a fraction of a byte", "files[0].length", (json) => (json.files[0]!["length"] = 1.5)],
    ["a negative offset", "files[0].offset", (json) => (json.files[0]!["offset"] = -1)],
    ["an unknown rendition", "files[0].rendition", (json) => (json.files[0]!["rendition"] = 1)],
    ["an endless duration", "files[0].duration", (json) => (json.files[0]!["duration"] = "∞")],
    ["a rendition of another type", "renditions[0].type", (json) => (json.renditions[0]!["type"] = "smell")],
    ["a tracker that is no URL", "trackers[0][0]", (json) => (json["trackers"] = [["tracker.example"]])],
    [
      "too many trackers",
      "trackers[0]",
      (json) => (json["trackers"] = [Array.from({ length: 17 }, () => "http://t/")]),
    ],
    [
      "an ICE server that is no STUN URL",
      "iceServers[0].urls",
      (json) => (json["iceServers"] = [{ urls: "http://x" }]),
    ],
    ["a policy in words", "policy.p2p", (json) => (json["policy"] = { p2p: "no" })],
  ])("refuses %s, as its schema does", (name, path, spoil) => {
    const json = toJson(sample([1000]));
    spoil(json);
    expect(() => parsePresentation(json)).toThrow(expect.objectContaining({ name: "ContentError", path }));
    // What a schema cannot say: the sum of all chunks, and what an index points to.
    expect(schema(json)).toBe(["a wrong chunk count", "an unknown rendition"].includes(name));
  });

  it.each([
    "",
    "/seg.ts",
    "//host/seg.ts",
    "https://host/seg.ts",
    "HTTPS:seg.ts",
    "javascript:alert(1)",
    "data:,",
    "seg.ts?x",
    "seg.ts#x",
    "..",
    "../seg.ts",
    "a/../../seg.ts",
    "a/..",
    "./seg.ts",
    "%2e%2e/seg.ts",
    ".%2E/seg.ts",
    "a%2fb",
    "a\\b",
    "a%5Cb",
    "%2f%2fhost/a",
    "a\nb",
    " seg.ts",
    "seg.ts%00",
    "%zz",
    "x".repeat(8001),
  ])("refuses the URI %j", (uri) => {
    const json = toJson(sample([1000]));
    json.files[0]!["uri"] = uri;
    expect(() => parsePresentation(json)).toThrow(expect.objectContaining({ path: "files[0].uri" }));
    expect(schema(json)).toBe([" seg.ts", "%zz"].includes(uri));
  });

  it.each(["seg.ts", "a/b/c.m4s", "seg%201.ts", "seg 1.ts", "été.ts", "a..b/...ts", "a/b:c.ts"])(
    "takes the URI %j",
    (uri) => {
      const json = toJson(sample([1000]));
      json.files[0]!["uri"] = uri;
      expect(parsePresentation(json).files[0]!.uri).toBe(uri);
      expect(schema(json)).toBe(true);
    },
  );

  it("answers any JSON with a presentation or a ContentError", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(() => parsePresentation(json)).toThrow(ContentError);
      }),
    );
    const paths = ["version", "swarm", "hashes", "files", "renditions", "trackers", "iceServers", "policy"] as const;
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (name, value) => {
        try {
          parsePresentation({ ...toJson(sample([1000])), [name]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(ContentError);
        }
      }),
    );
  });
});

describe("Layout", () => {
  it("tiles every file with chunks, each file from a chunk of its own on", () => {
    fc.assert(
      fc.property(lengths, chunkSizes, (sizes, chunkSize) => {
        const layout = new Layout(sample(sizes, chunkSize));
        let next = 0;
        sizes.forEach((size, file) => {
          const { start, end } = layout.fileChunks(file);
          expect(start).toBe(next);
          let offset = 0;
          for (let chunk = start; chunk <= end; chunk++) {
            const place = layout.locate(chunk);
            expect(place).toEqual({ file, offset, length: layout.chunkSize(chunk) });
            expect(place.length).toBe(Math.min(chunkSize, size - offset));
            offset += place.length;
          }
          expect(offset).toBe(size);
          next = end + 1;
        });
        expect(layout.chunkCount).toBe(next);
      }),
    );
  });

  it("names exactly the chunks that overlap given bytes", () => {
    fc.assert(
      fc.property(lengths, chunkSizes, fc.nat(), fc.nat(), fc.nat(), (sizes, chunkSize, f, a, b) => {
        const layout = new Layout(sample(sizes, chunkSize));
        const file = f % sizes.length;
        const offset = a % sizes[file]!;
        const length = 1 + (b % (sizes[file]! - offset));
        const { start, end } = layout.chunksOf(file, offset, length);
        const { start: first, end: last } = layout.fileChunks(file);
        for (let chunk = first; chunk <= last; chunk++) {
          const place = layout.locate(chunk);
          const overlaps = place.offset < offset + length && place.offset + place.length > offset;
          expect(chunk >= start && chunk <= end).toBe(overlaps);
        }
      }),
    );
  });

  it("throws RangeError for what is not there", () => {
    const layout = new Layout(sample([1000, 1]));
    for (const wrong of [
      () => layout.locate(-1),
      () => layout.locate(3),
      () => layout.locate(0.5),
      () => layout.fileChunks(2),
      () => layout.chunksOf(0, 0, 0),
      () => layout.chunksOf(0, 999, 2),
      () => layout.chunksOf(2, 0, 1),
    ]) {
      expect(wrong).toThrow(RangeError);
    }
  });

  it("finds files by URI and byte, however the URI is encoded", () => {
    const files = [
      { uri: "all.mp4", offset: 0, length: 700 },
      { uri: "all.mp4", offset: 700, length: 600 },
      { uri: "all.mp4", offset: 2000, length: 10 },
      { uri: "a%20b.ts", length: 100 },
    ];
    const directory = new Directory(files);
    expect(directory.find("all.mp4")).toBeUndefined();
    expect([0, 699, 700, 1299, 1300, 2000, 2009, 2010].map((offset) => directory.find("all.mp4", offset))).toEqual([
      0,
      0,
      1,
      1,
      undefined,
      2,
      2,
      undefined,
    ]);
    expect(directory.find("a b.ts")).toBe(3);
    expect(directory.find("a%20b.ts", 99)).toBe(3);
    expect(directory.find("a%20b.ts", 100)).toBeUndefined();
    expect(directory.find("nothing.ts")).toBeUndefined();
    expect(directory.find("%zz")).toBeUndefined();
  });
});

interface Json {
  [member: string]: unknown;
  swarm: Record<string, unknown>;
  files: Record<string, unknown>[];
  renditions: Record<string, unknown>[];
}

function toJson(presentation: Presentation): Json {
  return JSON.parse(serialisePresentation(presentation)) as Json;
}
