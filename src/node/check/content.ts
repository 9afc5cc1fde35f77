import { createHash } from "node:crypto";
import { leafBin } from "../../core/address/bin.ts";
import { Layout } from "../../core/content/layout.ts";
import type { Presentation } from "../../core/content/presentation.ts";
import { hashFunction, sameHash } from "../../core/integrity/hashes.ts";
import { layerRange, mhashLength, mhashParts, type MhashHeader } from "../../core/integrity/mhash.ts";
import { MerkleTree } from "../../core/integrity/tree.ts";
import { CommandError } from "../publish/command-error.ts";
import { chunkHash } from "../publish/hash-files.ts";
import type { Findings } from "./findings.ts";
import { ResponseError } from "./http.ts";
import type { Source } from "./source.ts";

/** Files that are read at the same time: hides the distance to a server. */
const PARALLEL = 4;

/** Bytes of `parts` in runs of `size`, the last one shorter. A run is overwritten by the next. */
async function* runs(parts: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  const run = Buffer.alloc(size);
  let filled = 0;
  for await (const part of parts) {
    for (let at = 0; at < part.length;) {
      const taken = part.subarray(at, at + size - filled);
      run.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled < size) continue;
      yield run;
      filled = 0;
    }
  }
  if (filled > 0) yield run.subarray(0, filled);
}

/** The words of what a Source throws for a resource; anything else goes on. */
export function problemOf(error: unknown): string {
  if (error instanceof ResponseError || error instanceof CommandError) return error.message;
  throw error;
}

/** Checks the hash tree; gives it if its leaves lead to the root, so that every chunk's hash is known to be right. */
export async function checkHashes(
  source: Source,
  { swarm, hashes }: Presentation,
  findings: Findings,
): Promise<MerkleTree | undefined> {
  const header: MhashHeader = { hash: swarm.hash, chunkCount: swarm.chunkCount };
  const tree = new MerkleTree(hashFunction(swarm.hash), swarm.chunkCount);
  const { size } = tree.hash;
  const leaves = layerRange(header, 0).offset;
  const length = mhashLength(header);
  const served = createHash("sha256");
  let position = 0;
  let pending = Buffer.alloc(0);
  let chunk = 0;
  try {
    for await (const part of source.read(hashes)) {
      position += part.length;
      if (position > length) break;
      served.update(part);
      const leafBytes = part.subarray(Math.max(0, part.length - Math.max(0, position - leaves)));
      pending = Buffer.concat([pending, leafBytes]);
      for (; pending.length >= size; pending = pending.subarray(size))
        tree.set(leafBin(chunk++), pending.subarray(0, size));
    }
  } catch (error) {
    findings.fail(hashes, problemOf(error));
    return undefined;
  }
  if (position !== length) {
    findings.fail(hashes, position > length ? `more than ${length} bytes` : `${position} bytes instead of ${length}`);
    return undefined;
  }
  tree.complete();
  if (!sameHash(tree.root(), swarm.id)) {
    findings.fail(hashes, "its chunk hashes do not give the root in ppsp.json");
    return undefined;
  }
  const right = createHash("sha256");
  for (const part of mhashParts(tree)) right.update(part);
  if (served.digest().equals(right.digest())) findings.ok(hashes, `${swarm.chunkCount} chunk hashes give the root`);
  else findings.fail(hashes, "its header or upper layers do not fit its chunk hashes");
  return tree;
}

/** Checks every byte of every file, against `tree` or, without one, all together against the root. */
export async function checkFiles(
  source: Source,
  presentation: Presentation,
  tree: MerkleTree | undefined,
  findings: Findings,
  advance: (bytes: number) => void,
): Promise<void> {
  const { files, swarm } = presentation;
  const layout = new Layout(presentation);
  const found = tree === undefined ? new MerkleTree(hashFunction(swarm.hash), swarm.chunkCount) : undefined;
  const todo = files.entries();
  let good = 0;
  const work = async (): Promise<void> => {
    for (const [file, entry] of todo) {
      const problem = await checkFile(file).catch(problemOf);
      if (problem === undefined) good++;
      else findings.fail(nameOf(entry), problem);
    }
  };
  const checkFile = async (file: number): Promise<string | undefined> => {
    const { uri, offset, length } = files[file]!;
    const { start, end } = layout.fileChunks(file);
    let chunk = start;
    let bytes = 0;
    const range = offset === undefined ? undefined : { offset, length };
    for await (const run of runs(source.read(uri, range), swarm.chunkSize)) {
      bytes += run.length;
      if (chunk > end || bytes > length) return `longer than its ${length} bytes`;
      if (run.length !== layout.chunkSize(chunk)) break;
      const hash = chunkHash(swarm.hash, run);
      found?.set(leafBin(chunk), hash);
      if (tree !== undefined && !sameHash(tree.get(leafBin(chunk))!, hash)) {
        return `chunk ${chunk} (byte ${bytes - run.length} of the file) does not match the root: publish again, or restore the file`;
      }
      chunk++;
      advance(run.length);
    }
    return bytes === length ? undefined : `${bytes} bytes instead of ${length}`;
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  if (good < files.length) return;
  found?.complete();
  if (found !== undefined && !sameHash(found.root(), swarm.id))
    findings.fail("files", "together they do not give the root");
  else findings.ok("files", `${files.length} of ${files.length} match the root`);
}

const nameOf = ({ uri, offset, length }: Presentation["files"][number]): string =>
  offset === undefined ? uri : `${uri} bytes ${offset}-${offset + length - 1}`;
