import { describe, expect, it } from "vitest";
import { leafBin } from "../../src/core/address/bin.ts";
import { hashFunction, sameHash } from "../../src/core/integrity/hashes.ts";
import { mhashParts } from "../../src/core/integrity/mhash.ts";
import { MerkleTree } from "../../src/core/integrity/tree.ts";
import { Verifier } from "../../src/core/integrity/verifier.ts";
import { HashCode } from "../../src/core/codec/messages.ts";
import { HashSource } from "../../src/engine/hash-source.ts";
import { HttpSource } from "../../src/engine/http-source.ts";
import { systemClock } from "../../src/engine/system.ts";

const SHA256 = hashFunction(HashCode.sha256);

const treeOf = (count: number, salt = 0): MerkleTree =>
  MerkleTree.fromLeaves(
    SHA256,
    Array.from({ length: count }, (_, i) => SHA256.digest(Uint8Array.of(i, i >> 8, i >> 16, salt))),
  );

/** A source over an origin that has the ppsp.mhash of `published` and, as long as `fails` says so, refuses it. */
function setUp(tree: MerkleTree, published = tree, fails = (): boolean => false) {
  const file = Buffer.concat([...mhashParts(published)]);
  const ranges: string[] = [];
  const origin: typeof fetch = (_, init) => {
    const range = new Headers(init?.headers).get("range");
    ranges.push(range ?? "all");
    if (fails()) return Promise.resolve(new Response(null, { status: 503 }));
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (first === undefined) return Promise.resolve(new Response(file));
    return Promise.resolve(new Response(file.subarray(Number(first), Number(last) + 1), { status: 206 }));
  };
  const world = { now: 0 };
  const verifier = new Verifier({ root: tree.root(), hash: SHA256, chunkCount: tree.chunkCount });
  const source = new HashSource({
    url: "https://media.example/ppsp.mhash",
    http: new HttpSource(origin, systemClock),
    verifier,
    hash: HashCode.sha256,
    chunkCount: tree.chunkCount,
    now: () => world.now,
    signal: new AbortController().signal,
    received: () => undefined,
  });
  const proves = (chunk: number): boolean => sameHash(verifier.tree!.get(leafBin(chunk))!, tree.get(leafBin(chunk))!);
  return { source, verifier, ranges, proves, world };
}

describe("HashSource", () => {
  it.each([1, 2, 63, 64, 65, 127, 1145, 5000])("proves each of %i chunks, and reads no hash twice", async (count) => {
    const tree = treeOf(count);
    const { source, proves } = setUp(tree);
    for (let chunk = 0; chunk < count; chunk++) {
      await source.prove(chunk);
      expect(proves(chunk)).toBe(true);
    }
    expect(source.bytes).toBeLessThan(count * 32 + count * 2 + 1024);
  });

  it("reads 4 KiB at most for the first chunk of a minute, 34 KiB for that of two hours: playback waits for its line", async () => {
    for (const [count, most] of [
      [1145, 4096],
      [137_000, 34 * 1024],
    ] as const) {
      const { source, proves } = setUp(treeOf(count));
      await source.prove(0);
      expect(proves(0)).toBe(true);
      expect(source.bytes).toBeLessThanOrEqual(most);
    }
  });

  it("asks once for chunks that are proven together", async () => {
    const { source, ranges } = setUp(treeOf(1145));
    await Promise.all(Array.from({ length: 64 }, (_, chunk) => source.prove(chunk)));
    expect(ranges).toHaveLength(2);
  });

  it("asks for nothing that neighbours' chunks have brought", async () => {
    const tree = treeOf(1145);
    const { source, verifier, ranges } = setUp(tree);
    verifier.verifyPeaks(tree.peaks());
    const proof = new Map(tree.uncles(7).map((bin) => [bin, tree.get(bin)!]));
    expect(verifier.verify(7, tree.get(leafBin(7))!, proof)).toBe("verified");
    await source.prove(7);
    expect(ranges).toEqual([]);
  });

  it("tries again some time after a failure, and not for each chunk until then", async () => {
    let down = true;
    const { source, proves, ranges, world } = setUp(treeOf(1145), undefined, () => down);
    for (let chunk = 0; chunk < 100; chunk++) await expect(source.prove(chunk)).rejects.toThrow("503");
    expect(ranges).toHaveLength(2);
    down = false;
    world.now += 5_000;
    await source.prove(0);
    expect(proves(0)).toBe(true);
  });

  it("refuses the hashes of another presentation", async () => {
    const { source, verifier, ranges } = setUp(treeOf(300), treeOf(300, 1));
    for (let chunk = 0; chunk < 300; chunk++)
      await expect(source.prove(chunk)).rejects.toThrow("does not fit ppsp.json");
    expect(ranges).toHaveLength(2);
    expect(verifier.tree).toBeUndefined();
  });
});
