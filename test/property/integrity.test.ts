import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { binAt, binLevel, binRange, leafBin, peakBins } from "../../src/core/address/bin.ts";
import { HashCode } from "../../src/core/codec/messages.ts";
import { MAX_CHUNKS } from "../../src/core/content/presentation.ts";
import { IntegrityError } from "../../src/core/integrity/error.ts";
import { hashFunction, sameHash, type HashFunction } from "../../src/core/integrity/hashes.ts";
import {
  layerLength,
  layerRange,
  leavesRange,
  mhashLength,
  mhashParts,
  nodesRange,
  parseMhash,
  parseMhashHeader,
  readHashes,
  topLevel,
  upperRange,
} from "../../src/core/integrity/mhash.ts";
import { MerkleTree } from "../../src/core/integrity/tree.ts";
import { Verifier } from "../../src/core/integrity/verifier.ts";

const codes = fc.constantFrom(...Object.values(HashCode));
const counts = fc.integer({ min: 1, max: 70 });

/** A tree over `count` made-up chunks. */
function sample(hash: HashFunction, count: number): MerkleTree {
  const leaves = Array.from({ length: count }, (_, i) => hash.digest(Uint8Array.of(i, count)));
  return MerkleTree.fromLeaves(hash, leaves);
}

const verifierOf = (tree: MerkleTree): Verifier => {
  const verifier = new Verifier({ root: tree.root(), hash: tree.hash, chunkCount: tree.chunkCount });
  expect(verifier.verifyPeaks(tree.peaks())).toBe(true);
  return verifier;
};

const proofOf = (tree: MerkleTree, chunk: number): Map<number, Uint8Array> =>
  new Map(tree.uncles(chunk).map((bin) => [bin, tree.get(bin)!.slice()]));

/** Every node that the verifier's tree holds is the true one. */
function expectOnlyTruth(held: MerkleTree, truth: MerkleTree): void {
  for (let bin = 0; bin <= 2 * (truth.chunkCount - 1); bin++) {
    if (held.has(bin)) expect(sameHash(held.get(bin)!, truth.get(bin)!)).toBe(true);
  }
}

const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
  const flipped = bytes.slice();
  flipped[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7);
  return flipped;
};

describe("Verifier", () => {
  it("verifies any subset of the chunks in any order, and then holds what proves each of them", () => {
    fc.assert(
      fc.property(codes, counts, fc.array(fc.nat(), { maxLength: 40 }), (code, count, picks) => {
        const tree = sample(hashFunction(code), count);
        const verifier = verifierOf(tree);
        for (const pick of picks) {
          const chunk = pick % count;
          expect(verifier.verify(chunk, tree.get(leafBin(chunk))!, proofOf(tree, chunk))).toBe("verified");
          for (const bin of tree.uncles(chunk)) expect(verifier.tree!.has(bin)).toBe(true);
          // What is in the tree now needs no hashes any more.
          expect(verifier.verify(chunk, tree.get(leafBin(chunk))!, new Map())).toBe("verified");
        }
        expectOnlyTruth(verifier.tree!, tree);
      }),
    );
  });

  it("refuses any flipped bit of a chunk's hash or its uncles, and stores nothing", () => {
    fc.assert(
      fc.property(codes, counts, fc.nat(), fc.nat(), fc.nat(), (code, count, pick, which, bit) => {
        const tree = sample(hashFunction(code), count);
        const verifier = verifierOf(tree);
        const chunk = pick % count;
        const leaf = tree.get(leafBin(chunk))!;
        const uncles = tree.uncles(chunk);
        const victim = which % (uncles.length + 1);
        const proof = proofOf(tree, chunk);
        if (victim < uncles.length) proof.set(uncles[victim]!, flip(proof.get(uncles[victim]!)!, bit));
        expect(verifier.verify(chunk, victim === uncles.length ? flip(leaf, bit) : leaf, proof)).toBe("mismatch");
        for (const bin of uncles) expect(verifier.tree!.has(bin)).toBe(peakBins(count).includes(bin));
        expect(verifier.verify(chunk, leaf, proofOf(tree, chunk))).toBe("verified");
        expectOnlyTruth(verifier.tree!, tree);
      }),
    );
  });

  it("never stores a poisoned hash, whatever a peer sends", () => {
    fc.assert(
      fc.property(
        counts,
        fc.array(fc.record({ chunk: fc.nat(), lies: fc.array(fc.tuple(fc.nat(160), fc.nat())) }), { maxLength: 30 }),
        (count, attempts) => {
          const tree = sample(hashFunction(HashCode.sha256), count);
          const verifier = verifierOf(tree);
          for (const { chunk: pick, lies } of attempts) {
            const chunk = pick % count;
            const proof = proofOf(tree, chunk);
            for (const [bin, bit] of lies) proof.set(bin, flip(tree.get(bin) ?? new Uint8Array(32), bit));
            verifier.verify(chunk, tree.get(leafBin(chunk))!, proof);
          }
          expectOnlyTruth(verifier.tree!, tree);
        },
      ),
    );
  });

  it("says what is missing, and takes chunks that do not exist or odd sizes for mismatches", () => {
    const tree = sample(hashFunction(HashCode.sha256), 7);
    const fresh = new Verifier({ root: tree.root(), hash: tree.hash, chunkCount: 7 });
    expect(fresh.verify(0, tree.get(0)!, proofOf(tree, 0))).toBe("missing");
    expect(fresh.chunkCount).toBeUndefined();
    const verifier = verifierOf(tree);
    expect(verifier.verify(0, tree.get(0)!, new Map())).toBe("missing");
    expect(verifier.verify(7, tree.get(0)!, new Map())).toBe("mismatch");
    expect(verifier.verify(-1, tree.get(0)!, new Map())).toBe("mismatch");
    expect(verifier.verify(0, tree.get(0)!, new Map([[2, new Uint8Array(31)]]))).toBe("mismatch");
    expect(verifier.verify(6, tree.get(12)!.subarray(1), new Map())).toBe("mismatch");
  });

  it("needs no peaks where the root is the only one", () => {
    const tree = sample(hashFunction(HashCode.sha1), 8);
    const verifier = new Verifier({ root: tree.root(), hash: tree.hash, chunkCount: 8 });
    expect(verifier.verify(3, tree.get(leafBin(3))!, proofOf(tree, 3))).toBe("verified");
  });

  it("refuses peaks that are wrong in number, order, place, size or hash", () => {
    fc.assert(
      fc.property(codes, counts, fc.nat(), fc.nat(), (code, count, which, bit) => {
        const tree = sample(hashFunction(code), count);
        const peaks = tree.peaks();
        const victim = which % peaks.length;
        const refuse = (wrong: typeof peaks): void => {
          const verifier = new Verifier({ root: tree.root(), hash: tree.hash });
          expect(verifier.verifyPeaks(wrong)).toBe(false);
          expect(verifier.tree).toBeUndefined();
        };
        refuse([]);
        refuse(peaks.map((peak, i) => (i === victim ? { bin: peak.bin, hash: flip(peak.hash, bit) } : peak)));
        refuse(peaks.map((peak, i) => (i === victim ? { bin: peak.bin, hash: peak.hash.subarray(1) } : peak)));
        refuse([...peaks, peaks[0]!]);
        if (peaks.length > 1) {
          refuse(peaks.toReversed());
          refuse(peaks.toSpliced(victim, 1));
        }
        refuse(peaks.map(({ bin, hash }) => ({ bin: bin + 4 * 2 ** binLevel(bin), hash })));
        refuse(peaks.map(({ hash }) => ({ bin: 2 ** 60, hash })));
        const known = new Verifier({ root: tree.root(), hash: tree.hash, chunkCount: count + 1 });
        expect(known.verifyPeaks(peaks)).toBe(false);
      }),
    );
  });

  it("takes little memory for a huge claim, and refuses one beyond the limit", () => {
    const { hash, ...tree } = { hash: hashFunction(HashCode.sha256), root: new Uint8Array(32).fill(7) };
    const levels = Math.log2(MAX_CHUNKS);
    const memory = (): number => process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    const before = memory();
    // As of many strangers, each on a channel of its own.
    const claims = Array.from({ length: 64 }, () =>
      new Verifier({ hash, root: tree.root }).claiming([{ bin: binAt(levels, 0), hash: tree.root }], MAX_CHUNKS),
    );
    expect(memory() - before).toBeLessThan(16e6);
    for (const claim of claims) expect(claim.chunkCount).toBe(MAX_CHUNKS);
    expect(new Verifier({ hash, root: tree.root }).verifyPeaks([{ bin: binAt(levels + 1, 0), hash: tree.root }])).toBe(
      false,
    );
  });

  it("verifies runs of hashes of any layer as one, and stores all or nothing", () => {
    fc.assert(
      fc.property(codes, counts, fc.nat(), fc.nat(), fc.nat(), fc.nat(), (code, count, l, a, b, bit) => {
        const tree = sample(hashFunction(code), count);
        const level = l % (topLevel(count) + 1);
        const width = layerLength(count, level);
        const [first, last] = [a % width, b % width].toSorted((x, y) => x - y) as [number, number];
        const run = Array.from({ length: last - first + 1 }, (_, i) => tree.get(binAt(level, first + i))!);
        const verifier = verifierOf(tree);
        const victim = bit % run.length;
        const bad = run.map((hash, i) => (i === victim ? flip(hash, bit) : hash));
        expect(["missing", "mismatch"]).toContain(verifier.verifyNodes(level, first, bad));
        for (let bin = 0; bin < 2 * count - 1; bin++)
          expect(verifier.tree!.has(bin)).toBe(peakBins(count).includes(bin));
        const whole = Array.from({ length: width }, (_, i) => tree.get(binAt(level, i))!);
        expect(verifier.verifyNodes(level, 0, whole)).toBe("verified");
        expect(verifier.verifyNodes(level, first, run)).toBe("verified");
        // Groups of leaves under a proven layer, as a viewer reads them.
        for (let node = 0; node < width; node++) {
          const { start, end } = binRange(binAt(level, node));
          const leaves = Array.from({ length: end - start + 1 }, (_, i) => tree.get(leafBin(start + i))!);
          expect(verifier.verifyLeaves(start, leaves)).toBe("verified");
        }
        expectOnlyTruth(verifier.tree!, tree);
        const covered = width * 2 ** level;
        for (let chunk = 0; chunk < covered; chunk++) expect(verifier.tree!.has(leafBin(chunk))).toBe(true);
      }),
    );
  });
});

describe("MerkleTree", () => {
  it("takes at most 100 MiB for 1,000,000 chunks", () => {
    const before = process.memoryUsage().arrayBuffers;
    const tree = new MerkleTree(hashFunction(HashCode.sha256), 1_000_000);
    const hash = new Uint8Array(32).fill(1);
    for (let bin = 0; bin < 1_999_999; bin++) if (tree.isFilled(bin)) tree.set(bin, hash);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 2 ** 20);
    expect(tree.has(1_999_998)).toBe(true);
  });

  it("holds filled nodes only, of the right size", () => {
    const tree = new MerkleTree(hashFunction(HashCode.sha256), 7);
    for (const bin of [7, 11, 13, 14, -1, 0.5, 2 ** 53])
      expect(() => tree.set(bin, new Uint8Array(32))).toThrow(RangeError);
    expect(() => tree.set(0, new Uint8Array(20))).toThrow(RangeError);
    expect(() => tree.root()).toThrow(RangeError);
    expect(() => tree.uncles(7)).toThrow(RangeError);
    for (const count of [0, -1, 1.5, MAX_CHUNKS + 1])
      expect(() => new MerkleTree(tree.hash, count)).toThrow(RangeError);
  });
});

describe("ppsp.mhash", () => {
  it("gives back every hash of the tree", () => {
    fc.assert(
      fc.property(codes, counts, (code, count) => {
        const tree = sample(hashFunction(code), count);
        const file = Uint8Array.from(Buffer.concat([...mhashParts(tree)]));
        const header = parseMhashHeader(file);
        expect(header).toEqual({ hash: code, chunkCount: count });
        expect(file.length).toBe(mhashLength(header));
        for (let level = topLevel(count); level >= 0; level--) {
          const layer = readHashes(file, layerRange(header, level), code);
          expect(layer).toHaveLength(layerLength(count, level));
          layer.forEach((hash, i) => expect(sameHash(hash, tree.get(binAt(level, i))!)).toBe(true));
          const last = { start: layer.length - 1, end: layer.length - 1 };
          expect(readHashes(file, nodesRange(header, level, last), code)[0]).toEqual(layer.at(-1));
          const upper = upperRange(header, level);
          expect(upper.offset + upper.length).toBe(layerRange(header, level).offset + layerRange(header, level).length);
        }
        expect(() => leavesRange(header, { start: 0, end: count })).toThrow(RangeError);
        expect(() => layerRange(header, topLevel(count) + 1)).toThrow(RangeError);
        const { peaks } = parseMhash(file.subarray(0, upperRange(header, topLevel(count)).length));
        expect(new Verifier({ root: tree.root(), hash: tree.hash, chunkCount: count }).verifyPeaks(peaks)).toBe(true);
      }),
    );
  });

  it("answers hostile bytes with IntegrityError only", () => {
    const file = Uint8Array.from(Buffer.concat([...mhashParts(sample(hashFunction(HashCode.sha256), 5))]));
    const attempt = (bytes: Uint8Array): void => {
      try {
        parseMhash(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(IntegrityError);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), attempt));
    fc.assert(
      fc.property(fc.nat(31), fc.nat(255), fc.nat(200), (at, value, length) => {
        const bytes = Uint8Array.from(file.subarray(0, length));
        if (at < bytes.length) bytes[at] = value;
        attempt(bytes);
      }),
    );
    const codeOf = (at: number, value: number): string | undefined => {
      const bytes = Uint8Array.from(file);
      bytes[at] = value;
      try {
        parseMhash(bytes);
      } catch (error) {
        return (error as IntegrityError).code;
      }
      return undefined;
    };
    expect([codeOf(0, 0), codeOf(7, 2), codeOf(8, 5), codeOf(12, 255)]).toEqual([
      "not-mhash",
      "unsupported-version",
      "bad-hash-function",
      "bad-chunk-count",
    ]);
    for (const length of [0, 15, 16, 79]) {
      expect(() => parseMhash(file.subarray(0, length))).toThrow(
        expect.objectContaining({ code: "truncated", offset: length }),
      );
    }
  });
});
