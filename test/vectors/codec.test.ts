import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { decodeDatagram, encodeDatagram, hashSize, readChannel } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import type { Datagram, Format, Message } from "../../src/core/codec/messages.ts";
import { bytesOf, EXAMPLE, EXAMPLE_CONTENT, EXAMPLE_ROOT, MESSAGES } from "./golden.ts";

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
  const chunk32 = formatWith(ChunkAddressing.chunk32);

  test("its root hash is SHA-1 of the content", () => {
    expect(createHash("sha1").update(EXAMPLE_CONTENT).digest("hex")).toBe(EXAMPLE_ROOT);
  });

  test.each(EXAMPLE)("datagram %s", (_, hex, datagram) => expectBothWays(hex, datagram, chunk32));
});

describe("each message, octet by octet", () => {
  const format = formatWith(ChunkAddressing.chunk32, HashCode.sha256, 64);
  test.each(MESSAGES)("%s", (hex, message) => {
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
