import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashSize } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { ContentError } from "../../src/core/content/error.ts";
import { formatSwarmUrl, isSwarmUrl, parseSwarmUrl, presentationMismatch } from "../../src/core/content/url.ts";
import { sample } from "./presentation.ts";

const ID = "ab".repeat(32);

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const web = fc.oneof(
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.constantFrom("https://tracker.example/", "http://[::1]:8080/a%20b?x=1&y=%26#z", "https://ex.example/ü/é?ключ=+"),
);
const peer = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `${host}:${port}`),
  fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `[${host}]:${port}`),
  fc.constantFrom("localhost:1", "seed-1.example:6778"),
);

const swarmUrl = fc
  .record({
    hash: fc.constantFrom(...Object.values(HashCode)),
    addressing: fc.constantFrom(...Object.values(ChunkAddressing)),
    chunkSize: fc.oneof(fc.integer({ min: 512, max: 65_536 }), fc.constant("variable" as const)),
    chunkCount: optional(fc.integer({ min: 1, max: 2 ** 26 })),
    trackers: fc.array(web, { maxLength: 16 }),
    peers: fc.array(peer, { maxLength: 16 }),
    src: optional(web),
    presentation: optional(web),
  })
  .chain(({ chunkCount, src, presentation, ...rest }) =>
    fc.uint8Array({ minLength: hashSize(rest.hash), maxLength: hashSize(rest.hash) }).map((id) => ({
      id,
      ...rest,
      ...(chunkCount === undefined ? {} : { chunkCount }),
      ...(src === undefined ? {} : { src }),
      ...(presentation === undefined ? {} : { presentation }),
    })),
  );

describe("ppsp: URL", () => {
  it("survives being written and read", () => {
    fc.assert(
      fc.property(swarmUrl, (url) => {
        const text = formatSwarmUrl(url);
        expect(text).toMatch(/^ppsp:[0-9a-f]+(\?[\x21-\x7e]+)?$/);
        expect(parseSwarmUrl(text)).toEqual(url);
        // As an element's src and as a link on a page, it passes through a URL parser.
        expect(parseSwarmUrl(new URL(text).href)).toEqual(url);
      }),
    );
  });

  it("RFC 7574 §12.1.1 should: the defaults keep it small", () => {
    expect(formatSwarmUrl(parseSwarmUrl(`PPSP:${ID.toUpperCase()}`))).toBe(`ppsp:${ID}`);
    expect(parseSwarmUrl(`ppsp:${ID}`)).toEqual({
      id: Uint8Array.from(Buffer.from(ID, "hex")),
      chunkSize: 1024,
      hash: HashCode.sha256,
      addressing: ChunkAddressing.chunk32,
      trackers: [],
      peers: [],
    });
  });

  it("may be of the form that RFC 7574 §8.13 has for a peer: its address first", () => {
    const url = parseSwarmUrl("ppsp://192.0.2.0:6778/e5a12c7ad2d8fab33c699d1e198d66f79fa610c3?hash=sha1&peer=[::1]:2");
    expect(url.peers).toEqual(["192.0.2.0:6778", "[::1]:2"]);
    expect(url.hash).toBe(HashCode.sha1);
  });

  it("has room for what others add: parameters that are not known, a fragment", () => {
    expect(parseSwarmUrl(`ppsp:${ID}?x-name=&later=%F0%9F%8E%AC&chunks=7#t=10`).chunkCount).toBe(7);
    expect(parseSwarmUrl(`ppsp:${ID}?integrity=merkle`).chunkSize).toBe(1024);
  });

  it.each<[string, string]>([
    ["another scheme", `https:${ID}`],
    ["no swarm", "ppsp:"],
    ["a short swarm ID", "ppsp:abcd"],
    ["a swarm ID of another hash function's size", `ppsp:${ID}?hash=sha1`],
    ["a swarm ID that is no hex", `ppsp:${"zz".repeat(32)}`],
    ["a swarm ID in pieces", `ppsp:${ID}/x`],
    ["an unknown hash function", `ppsp:${ID}?hash=constructor`],
    ["an unknown addressing", `ppsp:${ID}?addressing=2`],
    ["a parameter twice", `ppsp:${ID}?chunks=1&chunks=1`],
    ["tiny chunks", `ppsp:${ID}?chunk-size=511`],
    ["huge chunks", `ppsp:${ID}?chunk-size=65537`],
    ["a size in another notation", `ppsp:${ID}?chunk-size=1e3`],
    ["no chunk", `ppsp:${ID}?chunks=0`],
    ["too many chunks", `ppsp:${ID}?chunks=67108865`],
    ["a script as a tracker", `ppsp:${ID}?tracker=javascript:alert(1)`],
    ["a script as what plays", `ppsp:${ID}?src=javascript:alert(1)//https://x`],
    ["data as ppsp.json", `ppsp:${ID}?presentation=data:,{}`],
    ["a blank in a URL", `ppsp:${ID}?src=https://a/%20b%0A`],
    ["a peer without port", `ppsp:${ID}?peer=192.0.2.1`],
    ["a peer at port 0", `ppsp:${ID}?peer=192.0.2.1:0`],
    ["a peer at port 65536", `ppsp:${ID}?peer=192.0.2.1:65536`],
    ["a peer with a path", `ppsp:${ID}?peer=192.0.2.1:1/x`],
    ["an authority without port", `ppsp://192.0.2.1/${ID}`],
    ["too many trackers", `ppsp:${ID}?${"tracker=http://t/&".repeat(17)}`],
    ["too many peers", `ppsp:${ID}?${"peer=a:1&".repeat(17)}`],
    ["broken percent-encoding", `ppsp:${ID}?src=%E0%A4`],
    ["a long URL in it", `ppsp:${ID}?src=https://x/${"y".repeat(8000)}`],
    ["more than a mebibyte", `ppsp:${ID}?${"a".repeat(2 ** 20)}`],
    ["no integrity protection", `ppsp:${ID}?integrity=none`],
  ])("refuses %s", (_, text) => {
    expect(() => parseSwarmUrl(text)).toThrow(expect.objectContaining({ name: "ContentError", code: "bad-url" }));
  });

  it("hostile text does nothing but a ContentError", () => {
    const parts = fc.constantFrom(
      "ppsp:",
      "//",
      "/",
      "?",
      "&",
      "=",
      "%",
      "#",
      ID,
      "peer",
      "src",
      "https://x",
      "hash",
      "sha1",
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(fc.oneof(parts, fc.string()), { maxLength: 12 }).map((all) => `ppsp:${all.join("")}`),
      fc.tuple(fc.string({ unit: "binary" }), fc.nat()).map(([more, at]) => {
        const url = `ppsp:${ID}?chunks=7&src=https://x/&tracker=http://t/&peer=[::1]:9`;
        return url.slice(0, at % url.length) + more + url.slice(at % url.length);
      }),
    );
    fc.assert(
      fc.property(text, (hostile) => {
        try {
          const url = parseSwarmUrl(hostile);
          expect(isSwarmUrl(hostile)).toBe(true);
          expect(parseSwarmUrl(formatSwarmUrl(url))).toEqual(url);
        } catch (error) {
          expect(error).toBeInstanceOf(ContentError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("is not written with values that cannot be read again", () => {
    const url = parseSwarmUrl(`ppsp:${ID}`);
    for (const wrong of [
      { id: new Uint8Array(20) },
      { trackers: ["ftp://x"] },
      { src: "\ud800" },
      { src: "https://x/\ud800" },
      { peers: ["nobody"] },
    ])
      expect(() => formatSwarmUrl({ ...url, ...wrong })).toThrow(ContentError);
  });

  it("says whether a ppsp.json is the one that it means", () => {
    const presentation = sample([1000, 2000]);
    const { id, chunkCount } = presentation.swarm;
    const url = { ...parseSwarmUrl(`ppsp:${ID}`), id, chunkCount };
    expect(presentationMismatch(url, presentation)).toBeUndefined();
    expect(presentationMismatch({ ...url, id: new Uint8Array(32) }, presentation)).toMatch(/its swarm is .*, not 0000/);
    expect(presentationMismatch({ ...url, hash: HashCode.sha512 }, presentation)).toMatch(/its hash is sha256/);
    expect(presentationMismatch({ ...url, chunkCount: 1 }, presentation)).toMatch(/it has 6 chunks, not 1/);
  });
});
