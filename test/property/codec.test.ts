import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { binRange, EMPTY_RANGE } from "../../src/core/address/bin.ts";
import { DatagramError, decodeDatagram, encodeDatagram, hashSize } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing, HashCode, VARIABLE_CHUNK_SIZE } from "../../src/core/codec/messages.ts";
import type { ChunkSpec, Datagram, Format, Message, ProtocolOptions } from "../../src/core/codec/messages.ts";

const octet = fc.nat({ max: 255 });
const uint16 = fc.nat({ max: 0xffff });
const uint32 = fc.nat({ max: 0xffff_ffff });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const octets = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

const formatArbitrary: fc.Arbitrary<Format> = fc.record({
  addressing: fc.constantFrom(...Object.values(ChunkAddressing)),
  hashSize: fc.constantFrom(...Object.values(HashCode)).map(hashSize),
  signatureSize: fc.constantFrom(0, 64, 96, 256),
});

const rangeBelow = (limit: number): fc.Arbitrary<ChunkSpec> =>
  fc
    .tuple(fc.maxSafeNat(), fc.maxSafeNat())
    .map(([a, b]) => [a % limit, b % limit] as const)
    .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));

const SPECS: Record<ChunkAddressing, fc.Arbitrary<ChunkSpec>> = {
  [ChunkAddressing.bin32]: uint32.map((bin) => (bin === 0xffff_ffff ? EMPTY_RANGE : binRange(bin))),
  [ChunkAddressing.bin64]: fc.oneof(fc.maxSafeNat().map(binRange), fc.constant(EMPTY_RANGE)),
  [ChunkAddressing.chunk32]: rangeBelow(2 ** 32),
  [ChunkAddressing.chunk64]: rangeBelow(2 ** 53),
  [ChunkAddressing.byte64]: rangeBelow(2 ** 53),
};

/** Values of `record` that are not there, rather than undefined. */
const optionsArbitrary = fc
  .record(
    {
      minVersion: octet,
      swarmId: fc.uint8Array({ minLength: 1, maxLength: 300 }),
      integrityMethod: octet,
      hashFunction: octet,
      liveSignatureAlgorithm: octet,
      chunkAddressing: fc.constantFrom(...Object.values(ChunkAddressing)),
      supportedMessages: fc.uniqueArray(octet).map((types) => types.toSorted((a, b) => a - b)),
      chunkSize: fc.oneof(fc.integer({ min: 1, max: 0xffff_ffff }), fc.constant(VARIABLE_CHUNK_SIZE)),
    },
    { requiredKeys: [] },
  )
  .chain((options): fc.Arbitrary<ProtocolOptions> => {
    const { chunkAddressing } = options;
    if (chunkAddressing === undefined) return octet.map((version) => ({ version, ...options }));
    const wide = chunkAddressing !== ChunkAddressing.bin32 && chunkAddressing !== ChunkAddressing.chunk32;
    const liveDiscardWindow = wide ? uint64 : uint32.map(BigInt);
    return fc.record({ version: octet, ...recordOf(options), liveDiscardWindow });
  });

function recordOf<T extends object>(value: T): { [Name in keyof T]: fc.Arbitrary<T[Name]> } {
  const entries = Object.entries(value).map(([name, content]) => [name, fc.constant(content)] as const);
  return Object.fromEntries(entries) as { [Name in keyof T]: fc.Arbitrary<T[Name]> };
}

const handshake: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant("HANDSHAKE" as const),
    channel: fc.integer({ min: 1, max: 0xffff_ffff }),
    options: optionsArbitrary,
  }),
  fc.constant({ type: "HANDSHAKE" as const, channel: 0, options: {} }),
  octet.map((version) => ({ type: "HANDSHAKE" as const, channel: 0, options: { version } })),
);

/** Any message but HANDSHAKE and DATA. */
const messageIn = (format: Format): fc.Arbitrary<Message> => {
  const chunks = SPECS[format.addressing];
  const messages: fc.Arbitrary<Message>[] = [
    fc
      .constantFrom("HAVE" as const, "REQUEST" as const, "CANCEL" as const)
      .chain((type) => chunks.map((spec) => ({ type, chunks: spec }))),
    fc.record({ type: fc.constant("ACK" as const), chunks, delay: uint64 }),
    fc.constantFrom<Message>({ type: "CHOKE" }, { type: "UNCHOKE" }, { type: "PEX_REQ" }),
    fc.record({ type: fc.constant("PEX_RESv4" as const), address: octets(4), port: uint16 }),
    fc.record({ type: fc.constant("PEX_RESv6" as const), address: octets(16), port: uint16 }),
    fc.record({ type: fc.constant("PEX_REScert" as const), certificate: fc.uint8Array({ maxLength: 500 }) }),
  ];
  if (format.hashSize > 0) {
    messages.push(fc.record({ type: fc.constant("INTEGRITY" as const), chunks, hash: octets(format.hashSize) }));
  }
  if (format.signatureSize > 0) {
    messages.push(
      fc.record({
        type: fc.constant("SIGNED_INTEGRITY" as const),
        chunks,
        timestamp: uint64,
        signature: octets(format.signatureSize),
      }),
    );
  }
  return fc.oneof(...messages);
};

const tailIn = (format: Format): fc.Arbitrary<Message[]> =>
  fc
    .tuple(
      fc.array(messageIn(format), { maxLength: 12 }),
      fc.array(
        fc.record({
          type: fc.constant("DATA" as const),
          chunks: SPECS[format.addressing],
          timestamp: uint64,
          data: fc.uint8Array({ maxLength: 2000 }),
        }),
        { maxLength: 1 },
      ),
    )
    .map(([messages, data]) => [...messages, ...data]);

/** What a HANDSHAKE makes of the format behind it. */
const formatBehind = (message: Message, format: Format): Format => {
  if (message.type !== "HANDSHAKE") return format;
  const { chunkAddressing = format.addressing, hashFunction } = message.options;
  const size =
    hashFunction === undefined ? format.hashSize : hashFunction <= 4 ? hashSize(hashFunction as HashCode) : 0;
  return { ...format, addressing: chunkAddressing, hashSize: size };
};

const datagramIn = (format: Format): fc.Arbitrary<Datagram> =>
  fc.record({
    channel: uint32,
    messages: fc.oneof(
      tailIn(format),
      handshake.chain((first) => tailIn(formatBehind(first, format)).map((rest) => [first, ...rest])),
    ),
  });

const sample = formatArbitrary.chain((format) => datagramIn(format).map((datagram) => ({ format, datagram })));

const octetsOf = (datagram: Datagram, format: Format): Uint8Array => {
  const { head, payload = new Uint8Array() } = encodeDatagram(datagram, format);
  return new Uint8Array(Buffer.concat([head, payload]));
};

/** Decodes; a datagram that is accepted must be written so that it is read as the same. */
const expectDecodedOrRefused = (bytes: Uint8Array, format: Format): void => {
  let datagram: Datagram;
  try {
    datagram = decodeDatagram(bytes, format);
  } catch (error) {
    expect(error).toBeInstanceOf(DatagramError);
    const { offset, message } = error as DatagramError;
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset).toBeLessThanOrEqual(bytes.byteLength);
    expect(message).toMatch(/^RFC 7574 §[478]/);
    return;
  }
  expect(decodeDatagram(octetsOf(datagram, format), format)).toEqual(datagram);
};

describe("the codec", () => {
  test("reads back any datagram that it wrote, in every format", () => {
    fc.assert(
      fc.property(sample, ({ format, datagram }) => {
        expect(decodeDatagram(octetsOf(datagram, format), format)).toEqual(datagram);
      }),
      { numRuns: 500 },
    );
  });

  test("any octets decode or give a DatagramError", () => {
    fc.assert(
      fc.property(formatArbitrary, fc.uint8Array({ maxLength: 300 }), (format, bytes) =>
        expectDecodedOrRefused(bytes, format),
      ),
      { numRuns: 1000 },
    );
  });

  test("octets that begin like a message decode or give a DatagramError", () => {
    const likely = fc
      .tuple(octets(4), fc.array(fc.tuple(fc.nat({ max: 15 }), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }))
      .map(([channel, parts]) => new Uint8Array([...channel, ...parts.flatMap(([type, rest]) => [type, ...rest])]));
    fc.assert(
      fc.property(formatArbitrary, likely, (format, bytes) => expectDecodedOrRefused(bytes, format)),
      { numRuns: 1000 },
    );
  });

  test("changed, cut and lengthened datagrams decode or give a DatagramError", () => {
    const mutation = fc.record({
      position: fc.nat(),
      value: octet,
      kind: fc.constantFrom("set", "cut", "insert", "remove"),
    });
    fc.assert(
      fc.property(sample, fc.array(mutation, { minLength: 1, maxLength: 4 }), ({ format, datagram }, mutations) => {
        let bytes = octetsOf(datagram, format);
        for (const { position, value, kind } of mutations) {
          const at = position % (bytes.byteLength + 1);
          if (kind === "set" && at < bytes.byteLength) bytes[at] = value;
          if (kind === "cut") bytes = bytes.slice(0, at);
          if (kind === "insert") bytes = Uint8Array.of(...bytes.subarray(0, at), value, ...bytes.subarray(at));
          if (kind === "remove") bytes = Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + 1));
        }
        expectDecodedOrRefused(bytes, format);
      }),
      { numRuns: 1000 },
    );
  });

  test("a datagram inside a bigger buffer is read within its own bounds", () => {
    fc.assert(
      fc.property(sample, fc.nat({ max: 20 }), ({ format, datagram }, before) => {
        const bytes = octetsOf(datagram, format);
        const buffer = new Uint8Array(before + bytes.byteLength + 30).fill(0xaa);
        buffer.set(bytes, before);
        expect(decodeDatagram(buffer.subarray(before, before + bytes.byteLength), format)).toEqual(datagram);
      }),
    );
  });

  test("the largest link datagrams of the smallest messages are read in bounded time", () => {
    const format: Format = { addressing: ChunkAddressing.chunk32, hashSize: 32, signatureSize: 0 };
    const bytes = new Uint8Array(262_144).fill(10);
    expect(decodeDatagram(bytes, format).messages).toHaveLength(bytes.byteLength - 4);
  });
});
