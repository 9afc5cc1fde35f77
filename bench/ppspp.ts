/**
 * `npm run bench -- ppspp [--json] [--only NAME] [--write]`: what PPSPP costs here, against the targets. Less than three minutes.
 *
 * - overhead-*: 64 MiB from `seed` to `get` (the commands' own code, files and all), two Node processes over UDP loopback.
 *   Payload bytes of all UDP datagrams that either side sent, without the content, per byte of content.
 * - udp-*: the same transfer by the clock, SHA-256, against the same two processes moving the same amount as raw datagrams
 *   with as much content each, over the same UdpSocket class: 21 octets of frame, 128 KiB on their way, an 8-octet
 *   acknowledgement every 16 KiB, nothing hashed, read or written. Raw and PPSPP take turns; medians.
 * - publish: publish() of a 1 GiB file in a process of its own, against `openssl dgst -sha256` of that file; both from the
 *   page cache, in turns; medians. Its memory is the peak resident set of that whole process.
 * - memory: heap and buffers that an Endpoint with one complete swarm adds after garbage collection.
 */
import { spawnSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { pipeline } from "node:stream/promises";
import { decodeDatagram, encodeDatagram } from "../src/core/codec/datagram.ts";
import { ChunkAddressing, HashCode, type Format } from "../src/core/codec/messages.ts";
import type { AloneOrder, AloneReport } from "./alone-process.ts";
import { Child } from "./child.ts";
import { type Figure, type Gap, type Rows, runBenchmark, spread, three } from "./report.ts";
import type { Order, Report } from "./udp-process.ts";

const MIB = 2 ** 20;
const CONTENT = 64 * MIB;
const RUNS = 3;

/** A file of `length` bytes that begins like an MP4 and does not repeat its chunks. */
async function makeFile(path: string, length: number): Promise<void> {
  await pipeline(function* () {
    for (let block = 0; block * MIB < length; block++) {
      const words = new Uint32Array(MIB / 4);
      for (let i = 0, state = block + 1; i < words.length; i++) {
        state = Math.imul(state, 1_664_525) + 1_013_904_223;
        words[i] = state;
      }
      const bytes = Buffer.from(words.buffer);
      if (block === 0) bytes.write("\0\0\0\x18ftypisom\0\0\0\0isommp42", "latin1");
      yield bytes;
    }
  }, createWriteStream(path));
}

/** Two processes and a file that travels between them. */
class Pair {
  readonly #folder: string;
  readonly #from = new Child<Order, Report>("udp-process.js");
  readonly #to = new Child<Order, Report>("udp-process.js");

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Fetches the content once: milliseconds, and bytes that either side sent. */
  async fetch(chunkSize: number, hash: HashCode): Promise<{ ms: number; sent: number }> {
    const recipe = { chunkSize, hash, addressing: ChunkAddressing.chunk32 };
    const file = join(this.#folder, "content.mp4");
    const { swarm, port } = await this.#from.ask({ type: "seed", file, recipe });
    const out = join(this.#folder, "out");
    const there = await this.#to.ask({ type: "get", swarm: swarm!, port: port!, out, recipe });
    const here = await this.#from.ask({ type: "unseed" });
    return { ms: there.ms!, sent: there.sent! + here.sent! };
  }

  /** Moves as much in raw datagrams: milliseconds, and datagrams that the system lost. */
  async raw(size: number): Promise<{ ms: number; again: number }> {
    const { port } = await this.#to.ask({ type: "sink" });
    const { ms, again } = await this.#from.ask({ type: "raw", port: port!, size, total: CONTENT });
    return { ms: ms!, again: again! };
  }

  end(): void {
    this.#from.end();
    this.#to.end();
  }
}

async function withPair<T>(work: (pair: Pair) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "ppsp-bench-"));
  const pair = new Pair(folder);
  try {
    await makeFile(join(folder, "content.mp4"), CONTENT);
    return await work(pair);
  } finally {
    pair.end();
    await rm(folder, { recursive: true });
  }
}

const overhead =
  (name: string, hash: "sha1" | "sha256", chunkSize: number, atMost: number) => async (): Promise<Figure[]> =>
    await withPair(async (pair) => {
      const { sent } = await pair.fetch(chunkSize, HashCode[hash]);
      const what = `bytes that are not content, ${hash}, ${chunkSize} bytes a chunk`;
      return [{ name, what, value: ((sent - CONTENT) / CONTENT) * 100, unit: "%", target: { atMost } }];
    });

const udp = (name: string, chunkSize: number) => async (): Promise<Figure[]> =>
  await withPair(async (pair) => {
    const [ratios, ours, raws]: number[][] = [[], [], []];
    let again = 0;
    // The first round warms both processes up and does not count.
    for (let run = 0; run <= RUNS; run++) {
      const raw = await pair.raw(chunkSize);
      const { ms } = await pair.fetch(chunkSize, HashCode.sha256);
      if (run === 0) continue;
      again += raw.again;
      ratios!.push(raw.ms / ms);
      ours!.push(CONTENT / 1000 / ms);
      raws!.push(CONTENT / 1000 / raw.ms);
    }
    const [our, raw] = [spread(ours!), spread(raws!)];
    const range = ({ value, least, most }: typeof our): string => `${three(value)} (${three(least)} to ${three(most)})`;
    const lost = again === 0 ? "" : `, ${again} datagrams sent again`;
    return [
      {
        name,
        what: `verified transfer against raw datagrams, sha256, ${chunkSize} bytes a chunk`,
        ...spread(ratios!),
        unit: "×",
        target: { atLeast: 0.5 },
        note: `${range(our)} MB/s, raw ${range(raw)} MB/s${lost}`,
      },
    ];
  });

/** Decodes a DATA datagram and encodes what came out, so many times a second. */
async function codec(): Promise<Figure[]> {
  const format: Format = { addressing: ChunkAddressing.chunk32, hashSize: 32, signatureSize: 0 };
  const data = new Uint8Array(16_384);
  const { head, payload } = encodeDatagram(
    { channel: 1, messages: [{ type: "DATA", chunks: { start: 7, end: 7 }, timestamp: 1n, data }] },
    format,
  );
  const bytes = Buffer.concat([head, payload!]);
  if (encodeDatagram(decodeDatagram(bytes, format), format).payload?.buffer !== bytes.buffer)
    throw new Error("the payload is copied");
  const rates: number[] = [];
  for (let run = 0; run <= RUNS; run++) {
    const rounds = 200_000;
    const began = performance.now();
    for (let i = 0; i < rounds; i++) encodeDatagram(decodeDatagram(bytes, format), format);
    if (run > 0) rates.push((rounds * 1000) / (performance.now() - began));
  }
  const what = "decode + encode of a 16 KiB DATA datagram, payload not copied";
  return [{ name: "codec", what, ...spread(rates), unit: "a second", target: { atLeast: 200_000 } }];
}

/** Milliseconds that openssl takes for the hash of a file; undefined where there is no openssl. */
function openssl(file: string): number | undefined {
  const began = performance.now();
  const { status } = spawnSync("openssl", ["dgst", "-sha256", file], { stdio: "ignore" });
  return status === 0 ? performance.now() - began : undefined;
}

async function publishing(): Promise<(Figure | Gap)[]> {
  const folder = await mkdtemp(join(tmpdir(), "ppsp-bench-"));
  const bytes = 1024 * MIB;
  try {
    const file = join(folder, "film.mp4");
    await makeFile(file, bytes);
    if (openssl(file) === undefined) return [{ name: "publish", missing: "there is no openssl here" }];
    const [ratios, ours, theirs, peaks]: number[][] = [[], [], [], []];
    for (let run = 0; run < RUNS; run++) {
      const child = new Child<AloneOrder, AloneReport>("alone-process.js");
      try {
        const { ms, bytes: peak } = await child.ask({ type: "publish", file });
        const other = openssl(file)!;
        ratios!.push(other / ms!);
        ours!.push(bytes / 1000 / ms!);
        theirs!.push(bytes / 1000 / other);
        peaks!.push(peak! / MIB);
      } finally {
        child.end();
      }
    }
    return [
      {
        name: "publish",
        what: "publish a 1 GiB file against openssl dgst -sha256",
        ...spread(ratios!),
        unit: "×",
        target: { atLeast: 0.7 },
        note: `${three(spread(ours!).value)} MB/s, openssl ${three(spread(theirs!).value)} MB/s`,
      },
      {
        name: "publish",
        what: "the same: peak memory of the process",
        ...spread(peaks!),
        unit: "MiB",
        target: { atMost: 150 },
      },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function memory(): Promise<Figure[]> {
  const child = new Child<AloneOrder, AloneReport>("alone-process.js", ["--expose-gc"]);
  try {
    const { bytes } = await child.ask({ type: "memory" });
    const what = "core's memory for a complete swarm of 1,000,000 chunks, sha256";
    return [{ name: "memory", what, value: bytes! / MIB, unit: "MiB", target: { atMost: 100 } }];
  } finally {
    child.end();
  }
}

const rows: Rows = {
  "overhead-sha1-1k": overhead("overhead-sha1-1k", "sha1", 1_024, 9),
  "overhead-sha1-8k": overhead("overhead-sha1-8k", "sha1", 8_192, 1.3),
  "overhead-sha256-1k": overhead("overhead-sha256-1k", "sha256", 1_024, 10.5),
  "overhead-sha256-16k": overhead("overhead-sha256-16k", "sha256", 16_384, 0.8),
  codec,
  "udp-1k": udp("udp-1k", 1_024),
  "udp-8k": udp("udp-8k", 8_192),
  publish: publishing,
  memory,
};

await runBenchmark("ppspp", rows);
