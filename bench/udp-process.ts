/**
 * One of the two processes of the UDP benchmarks. It is told by its parent what to do and answers with what came of it:
 * the same process moves raw datagrams and PPSPP's, so that both meet the same machine in the same state.
 */
import { rm } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import type { SwarmMetadata } from "../src/core/connection/metadata.ts";
import { get } from "../src/node/get/get.ts";
import { Progress } from "../src/node/publish/progress.ts";
import { seed, type Seeder } from "../src/node/seed/command.ts";
import { UdpSocket } from "../src/node/udp/socket.ts";

/** What the swarm of a run is made of. */
export type Recipe = Pick<SwarmMetadata, "chunkSize" | "hash" | "addressing">;

/** What a process can be asked to do. */
export type Order =
  | { readonly type: "seed"; readonly file: string; readonly recipe: Recipe }
  | {
      readonly type: "get";
      readonly swarm: string;
      readonly port: number;
      readonly out: string;
      readonly recipe: Recipe;
    }
  /** What the seeder has sent so far, bytes; and it ends. */
  | { readonly type: "unseed" }
  /** Wait for raw datagrams and acknowledge them. */
  | { readonly type: "sink" }
  /** Send raw datagrams with `size` bytes of content until `total` are acknowledged. */
  | { readonly type: "raw"; readonly port: number; readonly size: number; readonly total: number };

/** What comes back. */
export interface Report {
  readonly swarm?: string;
  readonly port?: number;
  /** UDP payload that this process has sent, bytes. */
  readonly sent?: number;
  readonly ms?: number;
  /** Datagrams sent anew because the system lost one. */
  readonly again?: number;
  readonly error?: string;
}

const LOCAL = { host: "127.0.0.1", port: 0 };
/** Octets of a DATA datagram around its chunk, with 32-bit chunk ranges. */
const FRAME = 21;
/** Raw content on its way, bytes: what a system's default receive buffer holds for certain, also in small datagrams. */
const WINDOW = 131_072;
/** A raw receiver acknowledges every so many bytes. */
const ACK_EVERY = WINDOW / 8;
/** Silence after which raw datagrams count as lost, ms. */
const LOST_MS = 100;

let seeder: Seeder | undefined;
let sink: UdpSocket | undefined;
/** The socket that was bound last, for its counts. */
let latest: UdpSocket | undefined;
const bind = UdpSocket.bind.bind(UdpSocket);
UdpSocket.bind = async (address) => (latest = await bind(address));

/** Acknowledges, with the count of content bytes that came in so far. */
async function receive(): Promise<Report> {
  await sink?.close();
  sink = await UdpSocket.bind(LOCAL);
  sink.onStranger = (link, first) => {
    let received = 0;
    let told = 0;
    const ack = new DataView(new ArrayBuffer(8));
    const take = (datagram: Uint8Array): void => {
      received += datagram.length - FRAME;
      // The first octet asks for an answer at once.
      if (received - told < ACK_EVERY && datagram[0] === 0) return;
      told = received;
      ack.setFloat64(0, received);
      link.send(new Uint8Array(ack.buffer.slice(0)));
    };
    link.onDatagram = take;
    take(first);
  };
  return { port: sink.address.port };
}

async function send({ port, size, total }: Extract<Order, { type: "raw" }>): Promise<Report> {
  const socket = await UdpSocket.bind(LOCAL);
  const link = socket.link({ host: LOCAL.host, port });
  const payload = new Uint8Array(size).fill(7);
  let sent = 0;
  let acknowledged = 0;
  let again = 0;
  let heardAt = performance.now();
  const began = heardAt;
  let end: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (end = resolve));
  const pump = (): void => {
    while (sent < total && sent - acknowledged + size <= WINDOW) {
      sent += size;
      const head = new Uint8Array(FRAME);
      if (sent >= total) head[0] = 1;
      link.send(head, payload);
    }
  };
  link.onDatagram = (data) => {
    heardAt = performance.now();
    acknowledged = Math.max(acknowledged, new DataView(data.buffer, data.byteOffset).getFloat64(0));
    if (acknowledged >= total) end();
    else pump();
  };
  const watch = setInterval(() => {
    if (performance.now() - heardAt < LOST_MS) return;
    heardAt = performance.now();
    again += (sent - acknowledged) / size;
    sent = acknowledged;
    pump();
  }, LOST_MS / 4);
  pump();
  await done;
  clearInterval(watch);
  const ms = performance.now() - began;
  await socket.close();
  return { ms, again };
}

async function obey(order: Order): Promise<Report> {
  switch (order.type) {
    case "seed":
      seeder = await seed({ file: order.file, udp: LOCAL, signal: new AbortController().signal, ...order.recipe });
      return { swarm: seeder.swarm, port: seeder.socket.address.port };
    case "unseed": {
      await seeder?.close();
      return { sent: seeder?.socket.traffic.sent ?? 0 };
    }
    case "get": {
      await rm(order.out, { force: true });
      const id = Uint8Array.from(Buffer.from(order.swarm, "hex"));
      const began = performance.now();
      const outcome = await get({
        metadata: { id, variableSize: false, ...order.recipe },
        peers: [{ host: LOCAL.host, port: order.port }],
        out: order.out,
        udp: LOCAL,
        signal: AbortSignal.timeout(60_000),
        progress: new Progress(),
        warn: () => undefined,
      });
      if (!outcome.complete) return { error: outcome.reason };
      return { ms: performance.now() - began, sent: latest?.traffic.sent ?? 0 };
    }
    case "sink":
      return await receive();
    case "raw":
      return await send(order);
  }
}

process.on("message", (order) => {
  obey(order as Order).then(
    (report) => process.send?.(report),
    (error: unknown) => process.send?.({ error: String(error) } satisfies Report),
  );
});
process.on("disconnect", () => process.exit());
