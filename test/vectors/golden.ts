import { ChunkAddressing, HashCode, IntegrityMethod, VARIABLE_CHUNK_SIZE } from "../../src/core/codec/messages.ts";
import type { Datagram, Message } from "../../src/core/codec/messages.ts";

/** Octets from hexadecimal with spaces between. */
export const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));

/** Root hash of the example: the text says "Hello world!", but this and DATA's figure are those of the line with its line feed. */
export const EXAMPLE_ROOT = "47a013e660d408619d894b20806b1d5086aab03b";
/** Its content. */
export const EXAMPLE_CONTENT = new TextEncoder().encode("Hello world!\n");

const root = EXAMPLE_ROOT;
const content = EXAMPLE_CONTENT;
const common = {
  version: 1,
  integrityMethod: IntegrityMethod.merkle,
  hashFunction: HashCode.sha1,
  chunkAddressing: ChunkAddressing.chunk32,
};
const first = { start: 0, end: 0 };

/** The six datagrams of draft-ietf-ppsp-peer-protocol-10 §8.17: SHA-1, 32-bit chunk ranges. */
export const EXAMPLE: readonly (readonly [title: string, hex: string, datagram: Datagram])[] = [
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

const hash = bytesOf("a5".repeat(32));
const chunks = { start: 4, end: 7 };

/** Each message by itself, octet by octet, without the channel: SHA-256, 32-bit chunk ranges, signatures of 64 octets. */
export const MESSAGES: readonly (readonly [hex: string, message: Message])[] = [
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

/** All of them as datagrams, in hexadecimal. */
export const GOLDEN: readonly string[] = [
  ...EXAMPLE.map(([, hex]) => hex),
  ...MESSAGES.map(([hex]) => `01020304 ${hex}`),
];
