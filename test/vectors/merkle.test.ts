import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { rootBin } from "../../src/core/address/bin.ts";
import { HashCode } from "../../src/core/codec/messages.ts";
import { hashFunction } from "../../src/core/integrity/hashes.ts";
import { mhashParts, parseMhash } from "../../src/core/integrity/mhash.ts";
import { MerkleTree } from "../../src/core/integrity/tree.ts";
import { Verifier } from "../../src/core/integrity/verifier.ts";

interface HexNode {
  readonly bin: number;
  readonly hash: string;
}
interface Case {
  readonly contentBytes: number;
  readonly salt: number;
  readonly chunkBytes: number;
  readonly hash: keyof typeof HashCode;
  readonly chunks: number;
  readonly sha256OfContent: string;
  readonly rootBin: number;
  readonly rootHash: string;
  readonly peaks: readonly HexNode[];
  readonly proofs: readonly {
    readonly chunk: number;
    readonly leafHash: string;
    readonly uncles: readonly HexNode[];
  }[];
}

const cases = JSON.parse(readFileSync(new URL("merkle.json", import.meta.url), "utf8")) as readonly Case[];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

describe.each(cases)("RFC 7574 §5: $chunks chunks of $chunkBytes bytes, $hash, salt $salt", (vector) => {
  const hash = hashFunction(HashCode[vector.hash]);
  const content = Uint8Array.from(
    { length: vector.contentBytes },
    (_, i) => (i * 31 + (i >> 8) * 7 + vector.salt) & 255,
  );
  const leaves = Array.from({ length: vector.chunks }, (_, i) =>
    hash.digest(content.subarray(i * vector.chunkBytes, (i + 1) * vector.chunkBytes)),
  );
  const tree = MerkleTree.fromLeaves(hash, leaves);
  const peaks = vector.peaks.map((peak) => ({ bin: peak.bin, hash: bytes(peak.hash) }));

  it("gives the root, the peaks and the uncles", () => {
    expect(hex(hashFunction(HashCode.sha256).digest(content))).toBe(vector.sha256OfContent);
    expect(hex(tree.root())).toBe(vector.rootHash);
    expect(rootBin(vector.chunks)).toBe(vector.rootBin);
    expect(tree.peaks().map((peak) => ({ bin: peak.bin, hash: hex(peak.hash) }))).toEqual(vector.peaks);
    for (const proof of vector.proofs) {
      expect(hex(leaves[proof.chunk]!)).toBe(proof.leafHash);
      // The vectors climb to the root. Above the peak, everything follows from the peaks.
      const filled = proof.uncles.filter(({ bin }) => tree.isFilled(bin)).map(({ bin }) => bin);
      const uncles = tree.uncles(proof.chunk);
      expect(filled.reverse()).toEqual(expect.arrayContaining(uncles));
      for (const node of proof.uncles) if (tree.has(node.bin)) expect(hex(tree.get(node.bin)!)).toBe(node.hash);
    }
  });

  it.each([vector.chunks, undefined])("verifies every proof, chunk count %s", (chunkCount) => {
    for (const proof of vector.proofs) {
      const verifier = new Verifier({
        root: bytes(vector.rootHash),
        hash,
        ...(chunkCount === undefined ? {} : { chunkCount }),
      });
      expect(verifier.verifyPeaks(peaks)).toBe(true);
      expect(verifier.chunkCount).toBe(vector.chunks);
      const hashes = new Map(proof.uncles.map((node) => [node.bin, bytes(node.hash)]));
      expect(verifier.verify(proof.chunk, bytes(proof.leafHash), hashes)).toBe("verified");
    }
  });

  it("survives ppsp.mhash", () => {
    const file = Uint8Array.from(Buffer.concat([...mhashParts(tree)]));
    expect(parseMhash(file)).toEqual({ hash: hash.code, chunkCount: vector.chunks, peaks: tree.peaks() });
  });
});
