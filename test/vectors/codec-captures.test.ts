import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DatagramError, decodeDatagram, encodeDatagram } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing } from "../../src/core/codec/messages.ts";
import type { Datagram, Format, Message } from "../../src/core/codec/messages.ts";

const folder = new URL("../../../shared/wire/", import.meta.url);
const present = existsSync(folder);

interface Line {
  readonly dir: "c2s" | "s2c";
  readonly hex: string;
  readonly client?: number;
}

/** What RFC 7574 does not allow, and so is refused: libswift's first protocol, and what was sent to it to try it out. */
const REFUSED: readonly { readonly what: string; readonly hex: RegExp; readonly error: RegExp }[] = [
  {
    what: "HANDSHAKE of libswift's first protocol: the root hash first, then a channel without options",
    hex: /^00000000047fffffff[0-9a-f]{40}00[0-9a-f]{8}$/,
    error: /^RFC 7574 §(4\.1: range ends|7\.1: option list has no end option)/,
  },
  {
    what: "answer of libswift's first protocol: HAVE follows a HANDSHAKE without options",
    hex: /^[0-9a-f]{8}00[0-9a-f]{8}(03[0-9a-f]{8})+$/,
    error: /^RFC 7574 §7\.2: option 3 stands first/,
  },
  {
    what: "trial of a HANDSHAKE with the swarm identifier only",
    hex: /^0000000000a1b2c3d4020014[0-9a-f]{40}ff$/,
    error: /^RFC 7574 §7\.2: option 2 stands first/,
  },
  {
    what: "trial of message type 200",
    hex: /^[0-9a-f]{8}c8$/,
    error: /^RFC 7574 §8\.2: message type 200 is unknown/,
  },
];

const HASH_SIZES = [20, 28, 32, 48, 64];
const P256_SIGNATURE = 64;

/** What a peer said of its own datagrams in its HANDSHAKE, as far as it said it. */
const announced = (message: Message, format: Format): Format =>
  message.type !== "HANDSHAKE"
    ? format
    : {
        addressing: message.options.chunkAddressing ?? format.addressing,
        hashSize: HASH_SIZES[message.options.hashFunction ?? -1] ?? format.hashSize,
        signatureSize: format.signatureSize,
      };

const initialFormat = (file: string): Format => ({
  // libswift's legacy protocol has no options: it always means bins.
  addressing: file.includes("legacy") ? ChunkAddressing.bin32 : ChunkAddressing.chunk32,
  hashSize: HASH_SIZES[0]!,
  signatureSize: file.includes("live") ? P256_SIGNATURE : 0,
});

const reencoded = (datagram: Datagram, format: Format): string => {
  const { head, payload = new Uint8Array() } = encodeDatagram(datagram, format);
  return Buffer.concat([head, payload]).toString("hex");
};

describe.skipIf(!present)("captures of libswift in ../shared/wire", () => {
  // The stand-in makes the report count one skipped test instead of none.
  const files = present ? readdirSync(folder).filter((name) => name.endsWith(".jsonl")) : ["../shared/wire is absent"];
  test.each(files)("%s: every datagram decodes and encodes to the same octets", (file) => {
    const formats = new Map<string, Format>();
    const lines = readFileSync(new URL(file, folder), "utf8").trim().split("\n");
    for (const text of lines) {
      const line = JSON.parse(text) as Line;
      const sender = `${line.dir} ${line.client ?? 0}`;
      const format = formats.get(sender) ?? initialFormat(file);
      const bytes = new Uint8Array(Buffer.from(line.hex, "hex"));
      const refused = REFUSED.find(({ hex }) => hex.test(line.hex));
      if (refused) {
        expect(() => decodeDatagram(bytes, format), refused.what).toThrow(DatagramError);
        expect(() => decodeDatagram(bytes, format), refused.what).toThrow(refused.error);
        continue;
      }
      const datagram = decodeDatagram(bytes, format);
      expect(reencoded(datagram, format)).toBe(line.hex);
      formats.set(
        sender,
        datagram.messages.reduce((last, message) => announced(message, last), format),
      );
    }
  });
});
