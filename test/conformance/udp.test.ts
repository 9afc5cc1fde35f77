import { expect, test } from "vitest";
import { decodeDatagram, encodeDatagram } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { SWARM_OPTIONS_HELP, readSwarmArguments } from "../../src/node/udp/arguments.ts";
import { join, makeContent, seeded, Simulator, type SimPeer } from "../sim/simulator.ts";

/** Octets that an Ethernet packet has left for a UDP datagram over IPv4. */
const PACKET = 1_472;

/** Every datagram of a transfer from a seeder to a peer, and from that to another; with losses. */
function transfer(hash: HashCode, addressing: ChunkAddressing, chunkSize: number): Uint8Array[] {
  const content = makeContent(300 * chunkSize + 5, chunkSize, seeded(7), hash);
  const options = { ...content.options, metadata: { ...content.options.metadata, addressing } };
  const net = new Simulator(7, { delay: 20, jitter: 10, loss: 0.02, duplication: 0.02, uplink: Infinity });
  const [a, b, c] = ["a", "b", "c"].map((name) => net.join(name, options)) as [SimPeer, SimPeer, SimPeer];
  const datagrams: Uint8Array[] = [];
  for (const peer of [a, b, c]) {
    peer.tamper = (head, payload) => {
      const datagram = join(head, payload);
      datagrams.push(datagram);
      return datagram;
    };
  }
  a.seed(content);
  for (const peer of [b, c]) peer.leech(content.chunks.length);
  net.connect(b, a);
  net.connect(c, b);
  expect(net.run(() => c.store.size === content.chunks.length, 120_000)).toBe(true);
  return datagrams;
}

const SWARMS: [string, HashCode, ChunkAddressing][] = [
  ["SHA-1 and 32-bit chunk ranges", HashCode.sha1, ChunkAddressing.chunk32],
  ["SHA-512 and 64-bit chunk ranges", HashCode.sha512, ChunkAddressing.chunk64],
  ["SHA-256 and 64-bit bins", HashCode.sha256, ChunkAddressing.bin64],
];

test.each(SWARMS)(
  "RFC 7574 §8.1 SHOULD: with chunks of 1,024 bytes, each datagram fits one IP packet (%s)",
  (_, hash, addressing) => {
    expect(Math.max(...transfer(hash, addressing, 1_024).map(({ length }) => length))).toBeLessThanOrEqual(PACKET);
  },
);

test("RFC 7574 §8.1 SHOULD: no datagram is a mere probe: each consists of messages to its last octet, or is a keep-alive", () => {
  const format = { addressing: ChunkAddressing.chunk32, hashSize: 32, signatureSize: 0 };
  for (const datagram of transfer(HashCode.sha256, ChunkAddressing.chunk32, 1_024)) {
    const { head, payload } = encodeDatagram(decodeDatagram(datagram, format), format);
    expect(head.length + (payload?.length ?? 0)).toBe(datagram.length);
  }
});

test("RFC 7574 §8.1 RECOMMENDED: chunks are of 1,024 bytes where nobody says otherwise", () => {
  expect(readSwarmArguments({})).toMatchObject({ chunkSize: 1_024 });
  expect(SWARM_OPTIONS_HELP).toContain("default 1024");
});
