import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { ChunkAddressing, HashCode, type Format } from "../src/core/codec/messages.ts";
import { decodeDatagram, encodeDatagram } from "../src/core/codec/datagram.ts";
import { hashFunction } from "../src/core/integrity/hashes.ts";
import { MerkleTree } from "../src/core/integrity/tree.ts";
import { Endpoint, type Input } from "../src/core/swarm/endpoint.ts";
import { publish } from "../src/node/publish/publish.ts";

/** One measured figure. */
interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

const RUNS = 5;
const CHUNK = 16_384;
const sha256 = (data: Uint8Array): Uint8Array => createHash("sha256").update(data).digest();

/** Median of several runs, after one that does not count. */
async function median(run: () => number | Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let i = 0; i <= RUNS; i++) values.push(await run());
  return values.slice(1).toSorted((a, b) => a - b)[Math.floor(RUNS / 2)]!;
}

/** Decodes a DATA datagram and encodes what came out, so many times a second. */
function codec(): number {
  const format: Format = { addressing: ChunkAddressing.chunk32, hashSize: 32, signatureSize: 0 };
  const data = new Uint8Array(CHUNK);
  const { head, payload } = encodeDatagram(
    { channel: 1, messages: [{ type: "DATA", chunks: { start: 7, end: 7 }, timestamp: 1n, data }] },
    format,
  );
  const bytes = Buffer.concat([head, payload!]);
  const rounds = 200_000;
  const began = performance.now();
  for (let i = 0; i < rounds; i++) encodeDatagram(decodeDatagram(bytes, format), format);
  return (rounds * 1000) / (performance.now() - began);
}

/** 32 MiB from one endpoint to another in this process, verified: MB/s, and bytes that are not content, in percent. */
function transfer(): { rate: number; overhead: number } {
  const content = new Uint8Array(32 * 2 ** 20).map((_, i) => (i * 31 + (i >> 8) * 7) & 255);
  const count = content.length / CHUNK;
  const chunk = (i: number): Uint8Array => content.subarray(i * CHUNK, (i + 1) * CHUNK);
  const leaves = Array.from({ length: count }, (_, i) => sha256(chunk(i)));
  const tree = MerkleTree.fromLeaves(hashFunction(HashCode.sha256), leaves);
  const metadata = {
    id: tree.root(),
    chunkSize: CHUNK,
    variableSize: false,
    addressing: ChunkAddressing.chunk32,
    hash: HashCode.sha256,
    chunkCount: count,
  };
  let channel = 0;
  let sent = 0;
  let received = 0;
  const inbox: (() => void)[] = [];
  const peers = ["seeder", "leecher"].map(() => new Endpoint({ random32: () => ++channel, epochMicros: 0n }));
  const swarms = peers.map((peer) => peer.add({ metadata }));
  const step = (who: number, input: Input): void => {
    for (const output of peers[who]!.step(input, performance.now())) {
      if (output.type === "transmit") {
        const { head, payload = new Uint8Array() } = output;
        const datagram = new Uint8Array(head.length + payload.length);
        datagram.set(head);
        datagram.set(payload, head.length);
        sent += datagram.length;
        inbox.push(() => step(1 - who, { type: "datagram", link: "other", data: datagram }));
      } else if (output.type === "digest") {
        const { swarm, token, data } = output;
        inbox.push(() => step(who, { type: "digested", swarm, token, hash: sha256(data) }));
      } else if (output.type === "read") {
        step(who, { type: "read", swarm: output.swarm, token: output.token, data: chunk(output.chunk) });
      } else if (output.type === "verified") {
        received++;
      }
    }
  };
  swarms[0]!.verifier.verifyPeaks(tree.peaks());
  swarms[0]!.verifier.verifyLeaves(0, leaves);
  const all = { start: 0, end: count - 1 };
  step(0, { type: "have", swarm: swarms[0]!.key, chunks: all });
  for (const who of [0, 1]) step(who, { type: "link", link: "other", maxDatagram: 65_536 });
  step(1, { type: "want", swarm: swarms[1]!.key, chunks: all, deadline: Infinity });
  const began = performance.now();
  step(1, { type: "open", link: "other", swarm: swarms[1]!.key });
  while (received < count) {
    const next = inbox.shift();
    if (next === undefined) throw new Error(`the transfer stopped at ${received} of ${count} chunks`);
    next();
  }
  const rate = content.length / 1000 / (performance.now() - began);
  return { rate, overhead: ((sent - content.length) / content.length) * 100 };
}

/** Publishing a 256 MiB file against reading and hashing it once. */
async function hashing(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "ppsp-bench-"));
  try {
    const file = join(folder, "film.mp4");
    const handle = await open(file, "w");
    const block = new Uint8Array(2 ** 20).map((_, i) => (i * 31 + (i >> 8) * 7) & 255);
    // What begins like an MP4 is one.
    await handle.write(Buffer.from("\0\0\0\x18ftypisom\0\0\0\0isommp42", "latin1"));
    for (let i = 0; i < 256; i++) await handle.write(block);
    await handle.close();
    return await median(async () => {
      const began = performance.now();
      const plain = createHash("sha256");
      for await (const part of createReadStream(file, { highWaterMark: 2 ** 20 })) plain.update(part as Buffer);
      plain.digest();
      const middle = performance.now();
      const { signal } = new AbortController();
      await publish({ input: file, chunkSize: CHUNK, hash: HashCode.sha256, trackers: [], signal });
      return (middle - began) / (performance.now() - middle);
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const transferRates: number[] = [];
const overhead = await median(() => {
  const { rate, overhead: share } = transfer();
  transferRates.push(rate);
  return share;
});
const figures: Figure[] = [
  { what: "decode + encode of a 16 KiB DATA datagram", value: await median(codec), unit: "a second" },
  {
    what: "two endpoints in one process, 16 KiB chunks, SHA-256, verified",
    value: transferRates.slice(1).toSorted((a, b) => a - b)[Math.floor(RUNS / 2)]!,
    unit: "MB/s",
  },
  { what: "the same: bytes that are not content", value: overhead, unit: "%" },
  { what: "publish against reading and hashing the file once (SHA-256)", value: await hashing(), unit: "×" },
];
const format = (value: number): string => value.toLocaleString("en", { maximumSignificantDigits: 3 });
if (process.argv.includes("--json"))
  for (const figure of figures) console.log(JSON.stringify({ scenario: "core", ...figure }));
else {
  console.log(`Medians of ${RUNS} runs. Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}\n`);
  for (const { what, value, unit } of figures) console.log(`| ${what} | ${format(value)} ${unit} |`);
}
