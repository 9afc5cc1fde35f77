/** A process of its own for what is measured by its memory. Told by its parent what to do, it answers with what it took. */
import { hash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { ChunkAddressing, HashCode } from "../src/core/codec/messages.ts";
import { hashFunction } from "../src/core/integrity/hashes.ts";
import { MerkleTree } from "../src/core/integrity/tree.ts";
import { Endpoint } from "../src/core/swarm/endpoint.ts";
import { publish } from "../src/node/publish/publish.ts";

/** What it can be asked to do. */
export type AloneOrder = { readonly type: "publish"; readonly file: string } | { readonly type: "memory" };

/** What comes back: `bytes` of the whole process at its peak, or of the core alone. */
export interface AloneReport {
  readonly ms?: number;
  readonly bytes?: number;
  readonly error?: string;
}

/** The core's default chunk size. */
const CHUNK = 16_384;
const MANY = 1_000_000;

async function publishFile(file: string): Promise<AloneReport> {
  const began = performance.now();
  const { signal } = new AbortController();
  await publish({ input: file, chunkSize: CHUNK, hash: HashCode.sha256, trackers: [], signal });
  return { ms: performance.now() - began, bytes: process.resourceUsage().maxRSS * 1024 };
}

/** Bytes in use when all garbage is gone. */
function inUse(): number {
  if (globalThis.gc === undefined) throw new Error("wants --expose-gc");
  for (let i = 0; i < 4; i++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A million chunks that somebody holds. `tree` is only there to fill the swarm's own. */
function complete(tree: MerkleTree): Endpoint {
  const endpoint = new Endpoint({ random32: () => 1, epochMicros: 0n });
  const swarm = endpoint.add({
    metadata: {
      id: tree.root(),
      chunkSize: CHUNK,
      variableSize: false,
      addressing: ChunkAddressing.chunk32,
      hash: HashCode.sha256,
      chunkCount: MANY,
    },
  });
  if (!swarm.verifier.verifyPeaks(tree.peaks())) throw new Error("the peaks do not fit");
  for (let bin = 0; bin < 2 * MANY - 1; bin++) {
    const node = tree.get(bin);
    if (node !== undefined) swarm.verifier.tree?.set(bin, node);
  }
  endpoint.step({ type: "have", swarm: swarm.key, chunks: { start: 0, end: MANY - 1 } }, 0);
  endpoint.step({ type: "timeout" }, 1_000);
  if (!swarm.complete) throw new Error("the swarm is not complete");
  return endpoint;
}

function memory(): AloneReport {
  const leaves = Array.from({ length: MANY }, (_, i) => hash("sha256", String(i), "buffer"));
  let tree: MerkleTree | undefined = MerkleTree.fromLeaves(hashFunction(HashCode.sha256), leaves);
  leaves.length = 0;
  const before = inUse();
  const endpoint: unknown = complete(tree);
  const bytes = inUse() - before;
  tree = undefined;
  return endpoint === tree ? {} : { bytes };
}

process.on("message", (order: AloneOrder) => {
  Promise.resolve(order.type === "publish" ? publishFile(order.file) : Promise.resolve().then(memory)).then(
    (report) => process.send?.(report),
    (error: unknown) => process.send?.({ error: String(error) } satisfies AloneReport),
  );
});
process.on("disconnect", () => process.exit());
