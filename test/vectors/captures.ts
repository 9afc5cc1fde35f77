import { existsSync, readFileSync } from "node:fs";
import { hashFunction } from "../../src/core/integrity/hashes.ts";
import { MerkleTree } from "../../src/core/integrity/tree.ts";
import { HashCode } from "../../src/core/codec/messages.ts";

/** All captures of libswift; beside the project, where it has been cloned with them. */
const wire = new URL("../../../shared/wire/", import.meta.url);
/** The small ones, which are here. */
const fixtures = new URL("libswift/", import.meta.url);

/** One datagram of a capture; "c2s" is leecher to seeder. */
export interface CapturedDatagram {
  readonly ms: number;
  readonly dir: "c2s" | "s2c";
  readonly bytes: Uint8Array;
  /** 1 for the second leecher. */
  readonly client: number;
}

/** Whether a capture can be read here. */
export const isHere = (name: string): boolean => [fixtures, wire].some((folder) => existsSync(fileIn(folder, name)));

/** The datagrams of a capture that arrived, in their order. */
export function readCapture(name: string): CapturedDatagram[] {
  const folder = [fixtures, wire].find((candidate) => existsSync(fileIn(candidate, name)));
  if (folder === undefined) throw new Error(`no capture ${name}`);
  return readFileSync(fileIn(folder, name), "utf8")
    .trim()
    .split("\n")
    .map(
      (line) => JSON.parse(line) as { t_ms: number; dir: "c2s" | "s2c"; hex: string; client?: number; dropped?: true },
    )
    .filter(({ dropped }) => dropped !== true)
    .map(({ t_ms, dir, hex, client = 0 }) => ({ ms: t_ms, dir, bytes: bytesOf(hex), client }));
}

/** Octets of a hexadecimal string. */
export const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

/** The captured content of this size: it follows a formula. */
export const capturedContent = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + 7 + (i >> 8) * 13 + (i >> 16) * 101) & 255);

/** The content in chunks, with its tree. */
export function capturedSwarm(size: number, chunkSize: number): { chunks: Uint8Array[]; tree: MerkleTree } {
  const content = capturedContent(size);
  const chunks = Array.from({ length: Math.ceil(size / chunkSize) }, (_, i) =>
    content.subarray(i * chunkSize, (i + 1) * chunkSize),
  );
  const hash = hashFunction(HashCode.sha1);
  const leaves = chunks.map((chunk) => hash.digest(chunk));
  return { chunks, tree: MerkleTree.fromLeaves(hash, leaves) };
}

function fileIn(folder: URL, name: string): URL {
  return folder === fixtures ? new URL(`${name}.jsonl`, fixtures) : new URL(`libswift-${name}.jsonl`, wire);
}
