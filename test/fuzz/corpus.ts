import { readdirSync, readFileSync } from "node:fs";
import { encodeDatagram } from "../../src/core/codec/datagram.ts";
import { VARIABLE_CHUNK_SIZE, type Message } from "../../src/core/codec/messages.ts";
import { swarmFormat } from "../../src/core/connection/metadata.ts";
import { missingProof } from "../../src/core/connection/proofs.ts";
import { GOLDEN } from "../vectors/golden.ts";
import { join } from "../sim/simulator.ts";
import type { Content } from "../sim/content.ts";

/** What libswift sent; this file may run from build/. */
const CAPTURES = new URL(
  import.meta.url.includes("/build/") ? "../../../test/vectors/libswift/" : "../vectors/libswift/",
  import.meta.url,
);

/** Everything that an honest peer may say about a content, as its messages. */
export function honestMessages({ chunks, tree, options }: Content): Message[][] {
  const { id, hash, addressing, chunkSize, variableSize } = options.metadata;
  const last = chunks.length - 1;
  const common = { version: 1, integrityMethod: 1, hashFunction: hash, chunkAddressing: addressing };
  const size = variableSize ? VARIABLE_CHUNK_SIZE : chunkSize;
  const opening = { ...common, minVersion: 1, swarmId: id, chunkSize: size };
  const all = { start: 0, end: 2 ** Math.floor(Math.log2(chunks.length)) - 1 };
  const data = [0, 1, 5, last].map((chunk): Message[] => [
    ...missingProof(tree, chunk, true, () => false),
    { type: "DATA", chunks: { start: chunk, end: chunk }, timestamp: 1_700_000_000_000_000n, data: chunks[chunk]! },
  ]);
  const one = { start: 2, end: 2 };
  const pair = { start: 4, end: 5 };
  return [
    [{ type: "HANDSHAKE", channel: 7, options: opening }],
    [
      { type: "HANDSHAKE", channel: 8, options: { ...opening, supportedMessages: [0, 1, 2, 3, 4, 8, 9, 10, 11] } },
      { type: "HAVE", chunks: all },
    ],
    [{ type: "HANDSHAKE", channel: 9, options: common }],
    [{ type: "HANDSHAKE", channel: 0, options: {} }],
    [],
    [{ type: "HAVE", chunks: all }],
    [
      { type: "HAVE", chunks: one },
      { type: "HAVE", chunks: pair },
    ],
    [{ type: "REQUEST", chunks: pair }],
    [{ type: "REQUEST", chunks: all }, { type: "PEX_REQ" }],
    [
      { type: "CANCEL", chunks: pair },
      { type: "REQUEST", chunks: one },
    ],
    [
      { type: "ACK", chunks: one, delay: 100n },
      { type: "HAVE", chunks: one },
    ],
    [{ type: "CHOKE" }],
    [{ type: "UNCHOKE" }],
    [{ type: "PEX_RESv4", address: Uint8Array.of(192, 0, 2, 1), port: 6778 }],
    [{ type: "PEX_RESv6", address: new Uint8Array(16).fill(32), port: 6778 }],
    [{ type: "PEX_REScert", certificate: new Uint8Array(40).fill(48) }],
    ...data,
    ...data.map((messages) => messages.slice(0, -1)),
    ...data.map((messages) => messages.slice(-1)),
  ];
}

/** Datagrams about a content, addressed to channel 0. */
export function honestDatagrams(content: Content): Uint8Array[] {
  const format = swarmFormat(content.options.metadata);
  return honestMessages(content).map((messages) => {
    const { head, payload } = encodeDatagram({ channel: 0, messages }, format);
    return join(head, payload);
  });
}

/** The golden vectors, and what libswift sent. */
export function foreignDatagrams(): Uint8Array[] {
  const captures = readdirSync(CAPTURES).filter((name) => name.endsWith(".jsonl"));
  const lines = captures.flatMap((name) =>
    readFileSync(new URL(name, CAPTURES), "utf8").trim().split("\n").slice(0, 60),
  );
  const hexes = [...GOLDEN, ...lines.map((line) => (JSON.parse(line) as { hex: string }).hex)];
  return hexes.map((hex) => new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex")));
}
