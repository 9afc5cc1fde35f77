import { createSocket, type Socket } from "node:dgram";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach } from "vitest";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { get, type GetJob, type Outcome } from "../../src/node/get/get.ts";
import { Progress } from "../../src/node/publish/progress.ts";
import { seed, type SeedJob, type Seeder } from "../../src/node/seed/command.ts";
import type { UdpAddress } from "../../src/node/udp/address.ts";
import { folder } from "../node/hls.ts";

const LOCAL = { host: "127.0.0.1", port: 0 };
const running = new Set<Seeder>();
afterEach(async () => {
  await Promise.all([...running].map(stop));
});

/** Ends a seeder. */
export async function stop(seeder: Seeder): Promise<void> {
  running.delete(seeder);
  await seeder.close();
}

/** Bytes without a repeating chunk, so that one in a wrong place is seen. */
export function content(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, state = length; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** A seeder of these bytes, gone after the test. */
export async function startSeeder(bytes: Buffer, options: Partial<SeedJob> = {}): Promise<Seeder> {
  const seeder = await seed({
    file: join(folder({ "content.bin": bytes }), "content.bin"),
    udp: LOCAL,
    signal: new AbortController().signal,
    chunkSize: 1024,
    hash: HashCode.sha256,
    addressing: ChunkAddressing.chunk32,
    ...options,
  });
  running.add(seeder);
  return seeder;
}

/** Calls `act` once, when so many bytes are held. */
export class Milestone extends Progress {
  readonly #bytes: number;
  readonly #act: () => void;
  #held = 0;

  constructor(bytes: number, act: () => void) {
    super();
    this.#bytes = bytes;
    this.#act = act;
  }

  override advance(bytes: number): void {
    const before = this.#held;
    this.#held += bytes;
    if (before < this.#bytes && this.#held >= this.#bytes) this.#act();
  }
}

type Changes = Partial<Omit<GetJob, "metadata">> & { readonly metadata?: Partial<GetJob["metadata"]> };

/** A fetch from these peers with the seeder's default options. */
export function fetch(
  swarm: string,
  peers: readonly UdpAddress[],
  out: string,
  changes: Changes = {},
): Promise<Outcome> {
  const { metadata, ...others } = changes;
  return get({
    metadata: {
      id: Uint8Array.from(Buffer.from(swarm, "hex")),
      chunkSize: 1024,
      variableSize: false,
      addressing: ChunkAddressing.chunk32,
      hash: HashCode.sha256,
      ...metadata,
    },
    peers,
    out,
    udp: LOCAL,
    signal: new AbortController().signal,
    progress: new Progress(),
    warn: () => undefined,
    ...others,
  });
}

/** Whether the file holds exactly these bytes. */
export const holds = (path: string, bytes: Buffer): boolean =>
  statSync(path).size === bytes.length && readFileSync(path).equals(bytes);

/** Whether this machine has the IPv6 loopback address. */
export function hasIPv6(): Promise<boolean> {
  const socket: Socket = createSocket("udp6");
  return new Promise((resolve) => {
    socket.once("error", () => resolve(false));
    socket.bind(0, "::1", () => socket.close(() => resolve(true)));
  });
}
