import { binRange, EMPTY_RANGE, rangeBin } from "../address/bin.ts";
import type { ChunkRange } from "../address/range.ts";
import { DatagramError } from "./errors.ts";
import { ChunkAddressing, type ChunkSpec } from "./messages.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

const EMPTY_BIN32 = 0xffff_ffff;
const EMPTY_BIN64 = 0xffff_ffff_ffff_ffffn;
const EVERYTHING_BIN64 = 0x7fff_ffff_ffff_ffffn;
/** The 2^63 chunks of 64-bit bins' "everything", as far as a number can count them. */
const EVERYTHING: ChunkRange = Object.freeze({ start: 0, end: Number.MAX_SAFE_INTEGER });

const SPEC_SIZES: Readonly<Record<ChunkAddressing, number>> = {
  [ChunkAddressing.bin32]: 4,
  [ChunkAddressing.byte64]: 16,
  [ChunkAddressing.chunk32]: 8,
  [ChunkAddressing.bin64]: 8,
  [ChunkAddressing.chunk64]: 16,
};

/** Octets of a chunk specification (RFC 7574 §4). */
export const chunkSpecSize = (addressing: ChunkAddressing): number => SPEC_SIZES[addressing];

/**
 * Reads a chunk specification (RFC 7574 §4).
 * @throws DatagramError "truncated", or "bad-range" if it ends before it starts or leaves the range of safe integers.
 */
export const readChunkSpec = (reader: Reader, addressing: ChunkAddressing): ChunkSpec => {
  switch (addressing) {
    case ChunkAddressing.bin32: {
      const bin = reader.uint32("§4.2: bin");
      return bin === EMPTY_BIN32 ? EMPTY_RANGE : binRange(bin);
    }
    case ChunkAddressing.bin64: {
      const bin = reader.uint64("§4.2: bin");
      if (bin === EMPTY_BIN64) return EMPTY_RANGE;
      return bin === EVERYTHING_BIN64 ? EVERYTHING : binRange(safeNumber(bin, reader));
    }
    case ChunkAddressing.chunk32: {
      const start = reader.uint32("§4.1.1: start chunk");
      return ordered(start, reader.uint32("§4.1.1: end chunk"), reader);
    }
    case ChunkAddressing.chunk64:
    case ChunkAddressing.byte64: {
      const start = safeNumber(reader.uint64("§4.1: start"), reader);
      return ordered(start, safeNumber(reader.uint64("§4.1: end"), reader), reader);
    }
  }
};

/** Writes a chunk specification (RFC 7574 §4). @throws RangeError if this addressing method cannot express it. */
export const writeChunkSpec = (writer: Writer, spec: ChunkSpec, addressing: ChunkAddressing): void => {
  switch (addressing) {
    case ChunkAddressing.bin32: {
      const bin = spec.end < spec.start ? EMPTY_BIN32 : soleBin(spec);
      if (bin === EMPTY_BIN32 && spec.end >= spec.start) throw new RangeError("2^32 chunks have no 32-bit bin");
      return writer.uint32(bin, "bin");
    }
    case ChunkAddressing.bin64:
      if (spec.end < spec.start) return writer.uint64(EMPTY_BIN64, "bin");
      if (spec.start === 0 && spec.end === EVERYTHING.end) return writer.uint64(EVERYTHING_BIN64, "bin");
      return writer.uint64(BigInt(soleBin(spec)), "bin");
    case ChunkAddressing.chunk32:
      checkOrder(spec);
      writer.uint32(spec.start, "start chunk");
      return writer.uint32(spec.end, "end chunk");
    case ChunkAddressing.chunk64:
    case ChunkAddressing.byte64:
      checkOrder(spec);
      writer.uint64(BigInt(spec.start), "start");
      return writer.uint64(BigInt(spec.end), "end");
  }
};

const safeNumber = (value: bigint, reader: Reader): number => {
  if (value <= Number.MAX_SAFE_INTEGER) return Number(value);
  throw new DatagramError("bad-range", reader.offset - 8, `§4: chunk specification ${value} is above 2^53-1`);
};

const ordered = (start: number, end: number, reader: Reader): ChunkSpec => {
  if (start <= end) return { start, end };
  throw new DatagramError("bad-range", reader.offset, `§4.1: range ends at ${end}, before its start ${start}`);
};

const soleBin = (spec: ChunkSpec): number => {
  const bin = rangeBin(spec);
  if (bin === undefined) throw new RangeError(`chunks ${spec.start} to ${spec.end} are not one bin`);
  return bin;
};

const checkOrder = (spec: ChunkSpec): void => {
  if (!(spec.start <= spec.end)) throw new RangeError(`range ends at ${spec.end}, before its start ${spec.start}`);
};
