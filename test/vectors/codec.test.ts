import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { decodeDatagram, encodeDatagram, hashSize, readChannel } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing, HashCode, IntegrityMethod, VARIABLE_CHUNK_SIZE } from "../../src/core/codec/messages.ts";
import type { Datagram, Format, Message } from "../../src/core/codec/messages.ts";

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const hexOf = (datagram: Datagram, format: Format): string => {
  const { head, payload = new Uint8Array() } = encodeDatagram(datagram, format);
  return Buffer.concat([head, payload]).toString("hex");
};
const formatWith = (addressing: ChunkAddressing, hash: HashCode = HashCode.sha1, signatureSize = 0): Format => ({
  addressing,
  hashSize: hashSize(hash),
  signatureSize,
});

const expectBothWays = (hex: string, datagram: Datagram, format: Format): void => {
  expect(decodeDatagram(bytesOf(hex), format)).toEqual(datagram);
  expect(hexOf(datagram, format)).toBe(hex.replaceAll(" ", ""));
  expect(readChannel(bytesOf(hex))).toBe(datagram.channel);
};

describe("the example of draft-ietf-ppsp-peer-protocol-10 §8.17", () => {
  const content = new TextEncoder().encode("Hello world!\n");
  // The text says "Hello world!", but root hash and DATA's figure are those of the line with its line feed.
  const root = "47a013e660d408619d894b20806b1d5086aab03b";
  const common = {
    version: 1,
    integrityMethod: IntegrityMethod.merkle,
    hashFunction: HashCode.sha1,
    chunkAddressing: ChunkAddressing.chunk32,
  };
  const first = { start: 0, end: 0 };
  const chunk32 = formatWith(ChunkAddressing.chunk32);

  test("its root hash is SHA-1 of the content", () => {
    expect(createHash("sha1").update(content).digest("hex")).toBe(root);
  });

  const example: [title: string, hex: string, datagram: Datagram][] = [
    [
      "1, the initiator's HANDSHAKE",
      `00000000 00 00000001 0001 0101 020014${root} 0301 0400 0602 ff`,
      {
        channel: 0,
        messages: [{ type: "HANDSHAKE", channel: 1, options: { ...common, minVersion: 1, swarmId: bytesOf(root) } }],
      },
    ],
    [
      "2, the answer with HAVE",
      "00000001 00 00000008 0001 0301 0400 0602 ff 03 00000000 00000000",
      {
        channel: 1,
        messages: [
          { type: "HANDSHAKE", channel: 8, options: common },
          { type: "HAVE", chunks: first },
        ],
      },
    ],
    [
      "3, REQUEST and PEX_REQ",
      "00000008 08 00000000 00000000 06",
      { channel: 8, messages: [{ type: "REQUEST", chunks: first }, { type: "PEX_REQ" }] },
    ],
    [
      "4, DATA",
      "00000001 01 00000000 00000000 0004e94180b7db44 48656c6c6f20776f726c64210a",
      { channel: 1, messages: [{ type: "DATA", chunks: first, timestamp: 0x0004e94180b7db44n, data: content }] },
    ],
    [
      "5, ACK and HAVE",
      "00000008 02 00000000 00000000 0000000000000064 03 00000000 00000000",
      {
        channel: 8,
        messages: [
          { type: "ACK", chunks: first, delay: 100n },
          { type: "HAVE", chunks: first },
        ],
      },
    ],
    [
      "6, the closing HANDSHAKE",
      "00000008 00 00000000 ff",
      { channel: 8, messages: [{ type: "HANDSHAKE", channel: 0, options: {} }] },
    ],
  ];
  test.each(example)("datagram %s", (_, hex, datagram) => expectBothWays(hex, datagram, chunk32));
});

describe("each message, octet by octet", () => {
  const hash = bytesOf("a5".repeat(32));
  const chunks = { start: 4, end: 7 };
  const format = formatWith(ChunkAddressing.chunk32, HashCode.sha256, 64);
  const messages: [hex: string, message: Message][] = [
    ["03 00000004 00000007", { type: "HAVE", chunks }],
    ["08 00000004 00000007", { type: "REQUEST", chunks }],
    ["09 00000004 00000007", { type: "CANCEL", chunks }],
    ["0a", { type: "CHOKE" }],
    ["0b", { type: "UNCHOKE" }],
    ["06", { type: "PEX_REQ" }],
    [`04 00000004 00000007 ${"a5".repeat(32)}`, { type: "INTEGRITY", chunks, hash }],
    ["02 00000004 00000007 ffffffffffffffff", { type: "ACK", chunks, delay: 2n ** 64n - 1n }],
    ["01 00000004 00000007 0000000000000001", { type: "DATA", chunks, timestamp: 1n, data: new Uint8Array() }],
    [
      `07 00000004 00000007 e000000080000000 ${"5a".repeat(64)}`,
      { type: "SIGNED_INTEGRITY", chunks, timestamp: 0xe000000080000000n, signature: bytesOf("5a".repeat(64)) },
    ],
    ["05 c0000201 1a7a", { type: "PEX_RESv4", address: bytesOf("c0000201"), port: 6778 }],
    [
      `0c 20010db8${"00".repeat(11)}01 1a7a`,
      { type: "PEX_RESv6", address: bytesOf(`20010db8${"00".repeat(11)}01`), port: 6778 },
    ],
    ["0d 0003 308201", { type: "PEX_REScert", certificate: bytesOf("308201") }],
    [
      "00 deadbeef 0001 0101 02000207aa 0303 0402 050d 0604 07ffffffffffffffff 0802fff0 09ffffffff ff",
      {
        type: "HANDSHAKE",
        channel: 0xdeadbeef,
        options: {
          version: 1,
          minVersion: 1,
          swarmId: bytesOf("07aa"),
          integrityMethod: IntegrityMethod.unifiedMerkle,
          hashFunction: HashCode.sha256,
          liveSignatureAlgorithm: 13,
          chunkAddressing: ChunkAddressing.chunk64,
          liveDiscardWindow: 2n ** 64n - 1n,
          supportedMessages: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
          chunkSize: VARIABLE_CHUNK_SIZE,
        },
      },
    ],
  ];
  test.each(messages)("%s", (hex, message) => {
    expectBothWays(`01020304 ${hex}`, { channel: 0x01020304, messages: [message] }, format);
  });
});

describe("each chunk addressing method", () => {
  const { bin32, byte64, chunk32, bin64, chunk64 } = ChunkAddressing;
  const cases: [addressing: ChunkAddressing, hex: string, start: number, end: number][] = [
    // The example in §8.2.
    [bin32, "00000001", 0, 1],
    [bin32, "0000000b", 4, 7],
    [bin32, "fffffffe", 2 ** 31 - 1, 2 ** 31 - 1],
    [bin32, "7fffffff", 0, 2 ** 31 - 1],
    [bin32, "ffffffff", 0, -1],
    [bin64, "000000000000000b", 4, 7],
    [bin64, "001ffffffffffffe", 2 ** 52 - 1, 2 ** 52 - 1],
    [bin64, "7fffffffffffffff", 0, Number.MAX_SAFE_INTEGER],
    [bin64, "ffffffffffffffff", 0, -1],
    [chunk32, "00000004 ffffffff", 4, 2 ** 32 - 1],
    [chunk64, "0000000000000004 001fffffffffffff", 4, Number.MAX_SAFE_INTEGER],
    [byte64, "0000000000004000 0000000000007fff", 16384, 32767],
  ];
  test.each(cases)("method %i: %s is %i to %i", (addressing, hex, start, end) => {
    expectBothWays(
      `00000009 03 ${hex}`,
      { channel: 9, messages: [{ type: "HAVE", chunks: { start, end } }] },
      formatWith(addressing),
    );
  });
});

test("DATA is neither copied when written nor when read", () => {
  const data = new Uint8Array(16384).fill(7);
  const format = formatWith(ChunkAddressing.chunk32);
  const message: Message = { type: "DATA", chunks: { start: 3, end: 3 }, timestamp: 5n, data };
  const { head, payload } = encodeDatagram({ channel: 1, messages: [message] }, format);
  expect(payload).toBe(data);
  const bytes = new Uint8Array(Buffer.concat([head, data]));
  const [read] = decodeDatagram(bytes, format).messages;
  expect(read?.type === "DATA" && read.data.buffer).toBe(bytes.buffer);
});
