import { expect, test } from "vitest";
import { binAt, binParent, binRange, EMPTY_RANGE } from "../../src/core/address/bin.ts";
import { DatagramError, decodeDatagram, encodeDatagram } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing } from "../../src/core/codec/messages.ts";
import type { Format, Message } from "../../src/core/codec/messages.ts";

const sha1Chunk32: Format = { addressing: ChunkAddressing.chunk32, hashSize: 20, signatureSize: 0 };
const sha1Bin32: Format = { ...sha1Chunk32, addressing: ChunkAddressing.bin32 };

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));

/** The messages of a datagram to channel 1, given without that. */
const read = (hex: string, format = sha1Chunk32): readonly Message[] =>
  decodeDatagram(bytesOf(`00000001 ${hex}`), format).messages;

/** The same, as it is written. */
const written = (messages: readonly Message[], format = sha1Chunk32): string => {
  const { head, payload = new Uint8Array() } = encodeDatagram({ channel: 1, messages }, format);
  return Buffer.concat([head.subarray(4), payload]).toString("hex");
};

const expectBothWays = (hex: string, messages: readonly Message[], format = sha1Chunk32): void => {
  expect(read(hex, format)).toEqual(messages);
  expect(written(messages, format)).toBe(hex.replaceAll(" ", ""));
};

const expectRefused = (hex: string, code: DatagramError["code"], section: string, format = sha1Chunk32): void => {
  const attempt = (): unknown => read(hex, format);
  expect(attempt).toThrow(DatagramError);
  expect(attempt).toThrow(expect.objectContaining({ code, message: expect.stringContaining(`RFC 7574 ${section}:`) }));
};

const chunks = { start: 4, end: 7 };
const HANDSHAKE = "00 00000009";

test("RFC 7574 §3.3 MUST: DATA holds the chunk's ID and the chunk", () => {
  const data = bytesOf("cafe");
  expectBothWays("01 00000004 00000004 0000000000000001 cafe", [
    { type: "DATA", chunks: { start: 4, end: 4 }, timestamp: 1n, data },
  ]);
});

test("RFC 7574 §3.5 MUST: INTEGRITY holds the hash of a subtree and the chunk specification that identifies it", () => {
  const hash = bytesOf("a5".repeat(20));
  const messages: Message[] = [{ type: "INTEGRITY", chunks, hash }];
  expectBothWays(`04 00000004 00000007 ${"a5".repeat(20)}`, messages);
  expectBothWays(`04 0000000b ${"a5".repeat(20)}`, messages, sha1Bin32);
  expectRefused("04 00000004 00000007 a5a5", "truncated", "§8.8");
});

test("RFC 7574 §3.7 MUST: REQUEST holds the specification of the chunks wanted", () => {
  expectBothWays("08 00000004 00000007", [{ type: "REQUEST", chunks }]);
});

test("RFC 7574 §4.1.1 MUST: 32-bit and 64-bit chunk ranges, end inclusive, are supported", () => {
  const messages: Message[] = [{ type: "HAVE", chunks }];
  const chunk64 = { ...sha1Chunk32, addressing: ChunkAddressing.chunk64 };
  expectBothWays("03 00000004 00000007", messages);
  expectBothWays("03 0000000000000004 0000000000000007", messages, chunk64);
  expectRefused("03 00000004 00000003", "bad-range", "§4.1");
  expectRefused("03 0000000000000004 0000000000000003", "bad-range", "§4.1", chunk64);
  expectRefused("03 0000000000000004 0020000000000000", "bad-range", "§4", chunk64);
});

test("RFC 7574 §4.2: leaf bins are even, parents the mean of their children, all ones is empty, 0x7FFF…FFF everything", () => {
  for (let chunk = 0; chunk < 8; chunk++) expect(binAt(0, chunk)).toBe(2 * chunk);
  expect([0, 4, 8, 12].map((bin) => binParent(bin))).toEqual([1, 5, 9, 13]);
  expect([1, 5, 9, 13].map((bin) => binParent(bin))).toEqual([3, 3, 11, 11]);
  expect([3, 11].map((bin) => binParent(bin))).toEqual([7, 7]);
  expect(binRange(7)).toEqual({ start: 0, end: 7 });

  const bin64 = { ...sha1Chunk32, addressing: ChunkAddressing.bin64 };
  expectBothWays("03 ffffffff", [{ type: "HAVE", chunks: EMPTY_RANGE }], sha1Bin32);
  expectBothWays("03 ffffffffffffffff", [{ type: "HAVE", chunks: EMPTY_RANGE }], bin64);
  expectBothWays("03 7fffffff", [{ type: "HAVE", chunks: { start: 0, end: 2 ** 31 - 1 } }], sha1Bin32);
  const everything = { start: 0, end: Number.MAX_SAFE_INTEGER };
  expectBothWays("03 7fffffffffffffff", [{ type: "HAVE", chunks: everything }], bin64);
});

test("RFC 7574 §5.3 SHOULD: no message spans datagrams", () => {
  const whole = "03 00000004 00000007";
  for (const cut of [2, 11, 18]) expectRefused(whole.slice(0, cut), "truncated", "§4.1.1");
});

test("RFC 7574 §7 MUST: unknown options are rejected, since their length is unknown", () => {
  expectRefused(`${HANDSHAKE} 0001 0a00 ff`, "unknown-option", "§7");
  expectRefused(`${HANDSHAKE} 0001 fe ff`, "unknown-option", "§7");
});

test("RFC 7574 §7.1 MUST: options without an end option are rejected", () => {
  expectRefused(HANDSHAKE, "truncated", "§7.1");
  expectRefused(`${HANDSHAKE} 0001 0301`, "truncated", "§7.1");
  expect(written([{ type: "HANDSHAKE", channel: 9, options: { version: 1 } }])).toMatch(/ff$/);
  expect(written([{ type: "HANDSHAKE", channel: 0, options: {} }])).toMatch(/ff$/);
});

test("RFC 7574 §7.1: the octets behind the end option are messages", () => {
  const handshake = { type: "HANDSHAKE", channel: 9, options: { version: 1 } } as const;
  expectBothWays(`${HANDSHAKE} 0001 ff 0a 03 00000004 00000007`, [
    handshake,
    { type: "CHOKE" },
    { type: "HAVE", chunks },
  ]);
  expectRefused(`${HANDSHAKE} 0001 ff ff`, "unknown-message", "§8.2");
});

test("RFC 7574 §7.2 MUST: an opening HANDSHAKE whose options do not begin with the version is rejected", () => {
  expectRefused(`${HANDSHAKE} 0101 0001 ff`, "bad-option", "§7.2");
  expectRefused(`${HANDSHAKE} 0301 ff`, "bad-option", "§7.2");
  expectRefused(`${HANDSHAKE} ff`, "bad-option", "§7.2");
  const options = { chunkSize: 1024, minVersion: 1, version: 1 };
  expect(written([{ type: "HANDSHAKE", channel: 9, options }])).toBe("0000000009000101010900000400ff");
  expect(() => written([{ type: "HANDSHAKE", channel: 9, options: { minVersion: 1 } }])).toThrow(RangeError);
});

test("RFC 7574 §7.4 MUST: a second or an empty swarm identifier is rejected", () => {
  expectRefused(`${HANDSHAKE} 0001 020001aa 020001aa ff`, "bad-option", "§7");
  expectRefused(`${HANDSHAKE} 0001 020000 ff`, "bad-option", "§7.4");
  expectRefused(`${HANDSHAKE} 0001 020004aaff`, "truncated", "§7.4");
});

test("RFC 7574 §7.8: an unknown chunk addressing method is rejected", () => {
  expectRefused(`${HANDSHAKE} 0001 0605 ff`, "bad-option", "§7.8");
});

test("RFC 7574 §7.8 MUST: 32-bit and 64-bit chunk ranges are chosen by the options of the HANDSHAKE before", () => {
  const have: Message = { type: "HAVE", chunks };
  const options = { version: 1, hashFunction: 2, chunkAddressing: ChunkAddressing.chunk64 };
  const hash = bytesOf("a5".repeat(32));
  expectBothWays(
    `03 00000004 00000007 ${HANDSHAKE} 0001 0402 0604 ff 03 0000000000000004 0000000000000007
     04 0000000000000004 0000000000000007 ${"a5".repeat(32)}`.replaceAll("\n", ""),
    [have, { type: "HANDSHAKE", channel: 9, options }, have, { type: "INTEGRITY", chunks, hash }],
  );
});

test("RFC 7574 §7.9 MUST: a live discard window before the chunk addressing method is rejected", () => {
  expectRefused(`${HANDSHAKE} 0001 07ffffffff 0602 ff`, "bad-option", "§7.9");
  for (const [method, width] of [
    [0, 4],
    [1, 8],
    [2, 4],
    [3, 8],
    [4, 8],
  ] as const) {
    const options = {
      version: 1,
      chunkAddressing: method,
      liveDiscardWindow: 2n ** BigInt(8 * width) - 1n,
    };
    expectBothWays(`${HANDSHAKE} 0001 060${method} 07${"ff".repeat(width)} ff`, [
      { type: "HANDSHAKE", channel: 9, options },
    ]);
  }
});

test("RFC 7574 §7.10: bit X from the left is message type X, without trailing zero octets", () => {
  const handshake = (supportedMessages: number[]): Message[] => [
    { type: "HANDSHAKE", channel: 9, options: { version: 1, supportedMessages } },
  ];
  expectBothWays(`${HANDSHAKE} 0001 080180 ff`, handshake([0]));
  expectBothWays(`${HANDSHAKE} 0001 0802d0b0 ff`, handshake([0, 1, 3, 8, 10, 11]));
  expectBothWays(`${HANDSHAKE} 0001 0820${"00".repeat(31)}01 ff`, handshake([255]));
  expect(read(`${HANDSHAKE} 0001 0803800000 ff`)).toEqual(handshake([0]));
  expectRefused(`${HANDSHAKE} 0001 0821${"00".repeat(33)} ff`, "bad-option", "§7.10");
});

test("RFC 7574 §7.11: a chunk size has 32 bits, all ones for variable size, and is not zero", () => {
  for (const [hex, chunkSize] of [
    ["00000400", 1024],
    ["ffffffff", 0xffff_ffff],
  ] as const) {
    expectBothWays(`${HANDSHAKE} 0001 09${hex} ff`, [
      { type: "HANDSHAKE", channel: 9, options: { version: 1, chunkSize } },
    ]);
  }
  expectRefused(`${HANDSHAKE} 0001 0900000000 ff`, "bad-option", "§7.11");
});

test("RFC 7574 §8.2: integers are big endian and the first octet of a message is its type", () => {
  expectBothWays("03 00000001", [{ type: "HAVE", chunks: { start: 0, end: 1 } }], sha1Bin32);
  for (const type of [14, 200, 254, 255]) expectRefused(type.toString(16).padStart(2, "0"), "unknown-message", "§8.2");
});

test("RFC 7574 §8.4 MUST: the HANDSHAKE that closes has source channel ID 0", () => {
  expectBothWays("00 00000000 ff", [{ type: "HANDSHAKE", channel: 0, options: {} }]);
});

test("RFC 7574 §8.4 MUST: the HANDSHAKE that closes has no option or the version only", () => {
  expectBothWays("00 00000000 0001 ff", [{ type: "HANDSHAKE", channel: 0, options: { version: 1 } }]);
  expectRefused("00 00000000 0001 0101 ff", "bad-option", "§8.4");
  expect(() => written([{ type: "HANDSHAKE", channel: 0, options: { version: 1, minVersion: 1 } }])).toThrow(
    RangeError,
  );
});

const data: Message = {
  type: "DATA",
  chunks: { start: 4, end: 4 },
  timestamp: 1n,
  data: bytesOf("08 00000004 00000007"),
};

test("RFC 7574 §8.6 MUST: DATA is the last message, so all octets behind it are its chunk", () => {
  expectBothWays("0a 01 00000004 00000004 0000000000000001 08 00000004 00000007", [{ type: "CHOKE" }, data]);
  expect(() => written([data, { type: "CHOKE" }])).toThrow(RangeError);
});

test("RFC 7574 §8.6: no datagram holds several DATA, as the chunk size may vary", () => {
  expect(() => written([data, data])).toThrow(RangeError);
});

test("RFC 7574 §8.6 MUST: DATA has a 64-bit timestamp between chunk specification and chunk", () => {
  expectBothWays("01 00000004 00000004 ffffffffffffffff 01", [
    { type: "DATA", chunks: { start: 4, end: 4 }, timestamp: 2n ** 64n - 1n, data: bytesOf("01") },
  ]);
  expectRefused("01 00000004 00000004 ffffffffffffff", "truncated", "§8.6");
});

test("RFC 7574 §8.7: ACK holds the chunk specification, then a 64-bit one-way delay", () => {
  expectBothWays("02 00000004 00000007 0000000000000064", [{ type: "ACK", chunks, delay: 100n }]);
  expectRefused("02 00000004 00000007 00000000000064", "truncated", "§8.7");
});

test("RFC 7574 §8.9: SIGNED_INTEGRITY holds the chunk specification, a 64-bit time and a signature of the swarm's length", () => {
  const signature = bytesOf("5a".repeat(96));
  const hex = `07 00000004 00000007 e000000000000000 ${"5a".repeat(96)}`;
  const messages: Message[] = [{ type: "SIGNED_INTEGRITY", chunks, timestamp: 0xe000000000000000n, signature }];
  expectBothWays(hex, messages, { ...sha1Chunk32, signatureSize: 96 });
  expectRefused(hex, "unknown-message", "§8.9");
  expectRefused(hex.slice(0, -2), "truncated", "§8.9", { ...sha1Chunk32, signatureSize: 96 });
});

test("RFC 7574 §8.14: a keep-alive is the 4-octet channel ID alone", () => {
  expectBothWays("", []);
  expect(() => decodeDatagram(bytesOf("000001"), sha1Chunk32)).toThrow(DatagramError);
});
