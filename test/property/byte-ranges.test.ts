import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DatagramError } from "../../src/core/codec/datagram.ts";
import type { Message } from "../../src/core/codec/messages.ts";
import { ByteRanges, equalChunks, type ChunkOffsets } from "../../src/core/connection/byte-ranges.ts";
import { Layout } from "../../src/core/content/layout.ts";
import { sample } from "./presentation.ts";

type Ranged = Extract<Message, { chunks: unknown }>;

const CHUNK = 1024;

/** A content as the sizes of its chunks, and what knows where they are. */
interface Case {
  readonly sizes: readonly number[];
  readonly offsets: ChunkOffsets;
}

const equal = fc.integer({ min: 1, max: 20 * CHUNK }).map((length): Case => {
  const count = Math.ceil(length / CHUNK);
  const sizes = Array.from({ length: count }, (_, i) => Math.min(CHUNK, length - i * CHUNK));
  return { sizes, offsets: equalChunks(CHUNK) };
});

const variable = fc
  .array(fc.integer({ min: 1, max: 3 * CHUNK }), { minLength: 1, maxLength: 12 })
  .map((lengths): Case => {
    const layout = new Layout(sample(lengths, CHUNK));
    const sizes = Array.from({ length: layout.chunkCount }, (_, chunk) => layout.chunkSize(chunk));
    return { sizes, offsets: layout };
  });

const begin = (sizes: readonly number[], chunk: number): number => sizes.slice(0, chunk).reduce((a, b) => a + b, 0);

const message = (type: Ranged["type"], start: number, end: number, bytes = 1): Ranged => {
  const chunks = { start, end };
  const data = new Uint8Array(bytes);
  switch (type) {
    case "DATA":
      return { type, chunks, timestamp: 1n, data };
    case "ACK":
      return { type, chunks, delay: 1n };
    case "INTEGRITY":
      return { type, chunks, hash: data };
    case "SIGNED_INTEGRITY":
      return { type, chunks, timestamp: 1n, signature: data };
    case "HAVE":
    case "REQUEST":
    case "CANCEL":
      return { type, chunks };
  }
};

const TYPES = ["HAVE", "ACK", "REQUEST", "CANCEL", "INTEGRITY"] as const;

/** What both sides may know of the content's end. */
const views = (sizes: readonly number[], offsets: ChunkOffsets, fixed: boolean): ByteRanges[] => {
  const chunkCount = sizes.length;
  const exact = new ByteRanges(offsets, { chunkCount }, begin(sizes, chunkCount));
  return fixed ? [exact, new ByteRanges(offsets, { chunkCount }), new ByteRanges(offsets, {})] : [exact];
};

const chunkRange = (sizes: readonly number[], a: number, b: number): [number, number] => {
  const [x, y] = [a % sizes.length, b % sizes.length];
  return x <= y ? [x, y] : [y, x];
};

describe.each([
  ["equal", equal, true],
  ["variable", variable, false],
] as const)("64-bit byte ranges of chunks of %s size", (_, content, fixed) => {
  test("chunk numbers survive the way to bytes and back, whatever either side knows of the content's end", () => {
    fc.assert(
      fc.property(content, fc.nat(), fc.nat(), fc.constantFrom(...TYPES), ({ sizes, offsets }, a, b, type) => {
        const [start, end] = chunkRange(sizes, a, b);
        for (const sender of views(sizes, offsets, fixed)) {
          for (const receiver of views(sizes, offsets, fixed)) {
            const one = message(type, start, end);
            expect(receiver.fromWire(sender.toWire([one]))).toEqual([one]);
            const data = message("DATA", start, start, sizes[start]!);
            expect(receiver.fromWire(sender.toWire([data]))).toEqual([data]);
          }
        }
      }),
    );
  });

  test("start and end are the first and the last byte, both inclusive", () => {
    fc.assert(
      fc.property(content, fc.nat(), fc.nat(), ({ sizes, offsets }, a, b) => {
        const [start, end] = chunkRange(sizes, a, b);
        const [exact] = views(sizes, offsets, fixed);
        const [wire] = exact!.toWire([message("HAVE", start, end)]) as Ranged[];
        expect(wire!.chunks).toEqual({ start: begin(sizes, start), end: begin(sizes, end + 1) - 1 });
      }),
    );
  });

  test("of chunks covered in part, REQUEST means the whole and HAVE, ACK and CANCEL mean nothing", () => {
    const within = fc.tuple(content, fc.nat(), fc.nat());
    fc.assert(
      fc.property(within, ([{ sizes, offsets }, a, b]) => {
        const length = begin(sizes, sizes.length);
        const [start, end] = a % length <= b % length ? [a % length, b % length] : [b % length, a % length];
        const touched = sizes.flatMap((size, i) =>
          begin(sizes, i) <= end && begin(sizes, i) + size > start ? [i] : [],
        );
        const whole = touched.filter((i) => begin(sizes, i) >= start && begin(sizes, i + 1) - 1 <= end);
        const range = (chunks: number[]) => (chunks.length === 0 ? [] : [{ start: chunks[0]!, end: chunks.at(-1)! }]);
        const [exact] = views(sizes, offsets, fixed);
        const read = (type: Ranged["type"]) =>
          exact!.fromWire([message(type, start, end)]).map((m) => (m as Ranged).chunks);
        expect(read("REQUEST")).toEqual(range(touched));
        for (const type of ["HAVE", "ACK", "CANCEL"] as const) expect(read(type)).toEqual(range(whole));
        expect(read("INTEGRITY")).toEqual(whole.length === touched.length ? range(whole) : []);
      }),
    );
  });

  test("hostile ranges do not throw, and name chunks of the content only", () => {
    const byte = fc.oneof(fc.nat(30 * CHUNK), fc.maxSafeInteger().map(Math.abs), fc.constant(Number.MAX_SAFE_INTEGER));
    fc.assert(
      fc.property(content, byte, byte, fc.constantFrom(...TYPES), ({ sizes, offsets }, a, b, type) => {
        const [start, end] = a <= b ? [a, b] : [b, a];
        for (const [i, view] of views(sizes, offsets, fixed).entries()) {
          for (const read of view.fromWire([message(type, start, end)]) as Ranged[]) {
            expect(read.chunks.start).toBeLessThanOrEqual(read.chunks.end);
            expect(Number.isSafeInteger(read.chunks.start) && Number.isSafeInteger(read.chunks.end)).toBe(true);
            if (i < 2) expect(read.chunks.end).toBeLessThan(sizes.length);
          }
          const data = message("DATA", start, end, 7);
          try {
            view.fromWire([data]);
          } catch (error) {
            expect(error).toBeInstanceOf(DatagramError);
          }
        }
      }),
    );
  });
});

test("DATA whose length is not that of its range, or that begins inside a chunk, is a malformed datagram", () => {
  const ranges = new ByteRanges(equalChunks(CHUNK), { chunkCount: 7 }, 6 * CHUNK + 856);
  expect(() => ranges.fromWire([message("DATA", 0, CHUNK - 1, CHUNK - 1)])).toThrow(DatagramError);
  expect(() => ranges.fromWire([message("DATA", 1, CHUNK, CHUNK)])).toThrow(DatagramError);
  expect(() => ranges.fromWire([message("DATA", 6 * CHUNK, 7 * CHUNK - 1, 856)])).toThrow(DatagramError);
  expect(ranges.fromWire([message("DATA", 6 * CHUNK, 6 * CHUNK + 855, 856)])).toHaveLength(1);
});

test("an INTEGRITY that ends at the content's end may be rounded up to its last chunk, and no further", () => {
  const ranges = new ByteRanges(equalChunks(CHUNK), { chunkCount: 7 }, 6 * CHUNK + 856);
  const read = (end: number) => ranges.fromWire([message("INTEGRITY", 6 * CHUNK, end)]).length;
  expect(read(6 * CHUNK + 855)).toBe(1);
  expect(read(7 * CHUNK - 1)).toBe(1);
  expect(read(7 * CHUNK)).toBe(0);
  expect(read(6 * CHUNK + 854)).toBe(0);
});
