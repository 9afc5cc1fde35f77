import { DatagramError } from "./errors.ts";
import { ChunkAddressing, type ProtocolOptions } from "./messages.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** The option codes of RFC 7574 §7, table 2. */
export const OptionCode = {
  version: 0,
  minVersion: 1,
  swarmId: 2,
  integrityMethod: 3,
  hashFunction: 4,
  liveSignatureAlgorithm: 5,
  chunkAddressing: 6,
  liveDiscardWindow: 7,
  supportedMessages: 8,
  chunkSize: 9,
  end: 255,
} as const;

/** Octets of the bitmap over all 256 message types. */
const LONGEST_BITMAP = 32;

type MutableOptions = { -readonly [Name in keyof ProtocolOptions]: ProtocolOptions[Name] };

/** Octets of one address, and so of the discard window (RFC 7574 §7.9). */
const addressWidth = (addressing: ChunkAddressing): 4 | 8 =>
  addressing === ChunkAddressing.bin32 || addressing === ChunkAddressing.chunk32 ? 4 : 8;

/**
 * Reads an option list up to and with its end option (RFC 7574 §7). Which options must be there depends on who sent the
 * HANDSHAKE and is not checked here.
 * @throws DatagramError "truncated", "unknown-option" or "bad-option".
 */
export const readOptions = (reader: Reader): ProtocolOptions => {
  const options: MutableOptions = {};
  let seen = 0;
  for (;;) {
    const offset = reader.offset;
    const code = reader.uint8("§7.1: option list has no end option and");
    if (code === OptionCode.end) return options;
    const bad = (message: string): DatagramError => new DatagramError("bad-option", offset, message);
    if (seen === 0 && code !== OptionCode.version) throw bad(`§7.2: option ${code} stands first, not the version`);
    if (code <= OptionCode.chunkSize && (seen & (1 << code)) !== 0) throw bad(`§7: option ${code} stands twice`);
    seen |= 1 << code;
    switch (code) {
      case OptionCode.version:
        options.version = reader.uint8("§7.2: version");
        break;
      case OptionCode.minVersion:
        options.minVersion = reader.uint8("§7.3: minimum version");
        break;
      case OptionCode.swarmId: {
        const length = reader.uint16("§7.4: swarm identifier's length");
        if (length === 0) throw bad("§7.4: swarm identifier is empty");
        options.swarmId = reader.octets(length, "§7.4: swarm identifier");
        break;
      }
      case OptionCode.integrityMethod:
        options.integrityMethod = reader.uint8("§7.5: content integrity protection method");
        break;
      case OptionCode.hashFunction:
        options.hashFunction = reader.uint8("§7.6: Merkle tree hash function");
        break;
      case OptionCode.liveSignatureAlgorithm:
        options.liveSignatureAlgorithm = reader.uint8("§7.7: live signature algorithm");
        break;
      case OptionCode.chunkAddressing: {
        const method = reader.uint8("§7.8: chunk addressing method");
        if (!isChunkAddressing(method)) throw bad(`§7.8: chunk addressing method ${method} is unknown`);
        options.chunkAddressing = method;
        break;
      }
      case OptionCode.liveDiscardWindow: {
        if (options.chunkAddressing === undefined)
          throw bad("§7.9: no chunk addressing method before the discard window");
        options.liveDiscardWindow =
          addressWidth(options.chunkAddressing) === 4
            ? BigInt(reader.uint32("§7.9: live discard window"))
            : reader.uint64("§7.9: live discard window");
        break;
      }
      case OptionCode.supportedMessages: {
        const length = reader.uint8("§7.10: supported messages' length");
        if (length > LONGEST_BITMAP) throw bad(`§7.10: ${length} octets for 256 message types`);
        options.supportedMessages = readBitmap(reader.octets(length, "§7.10: supported messages"));
        break;
      }
      case OptionCode.chunkSize:
        options.chunkSize = reader.uint32("§7.11: chunk size");
        if (options.chunkSize === 0) throw bad("§7.11: chunk size is zero");
        break;
      default:
        throw new DatagramError("unknown-option", offset, `§7: option ${code} is unknown`);
    }
  }
};

/**
 * Writes an option list, ascending by code, and its end option (RFC 7574 §7).
 * @throws RangeError for a value out of bounds, options without a version, or a discard window without addressing.
 */
export const writeOptions = (writer: Writer, options: ProtocolOptions): void => {
  const octet = (code: number, value: number | undefined, what: string): void => {
    if (value === undefined) return;
    writer.uint8(code, "option");
    writer.uint8(value, what);
  };
  const { version, swarmId, chunkAddressing, liveDiscardWindow, supportedMessages, chunkSize } = options;
  if (version === undefined && Object.values(options).some((value) => value !== undefined)) {
    throw new RangeError("options without a version");
  }
  octet(OptionCode.version, version, "version");
  octet(OptionCode.minVersion, options.minVersion, "minimum version");
  if (swarmId !== undefined) {
    if (swarmId.byteLength === 0) throw new RangeError("swarm identifier is empty");
    writer.uint8(OptionCode.swarmId, "option");
    writer.uint16(swarmId.byteLength, "swarm identifier's length");
    writer.octets(swarmId, swarmId.byteLength, "swarm identifier");
  }
  octet(OptionCode.integrityMethod, options.integrityMethod, "content integrity protection method");
  octet(OptionCode.hashFunction, options.hashFunction, "Merkle tree hash function");
  octet(OptionCode.liveSignatureAlgorithm, options.liveSignatureAlgorithm, "live signature algorithm");
  octet(OptionCode.chunkAddressing, chunkAddressing, "chunk addressing method");
  if (liveDiscardWindow !== undefined) {
    if (chunkAddressing === undefined) throw new RangeError("live discard window without chunk addressing method");
    writer.uint8(OptionCode.liveDiscardWindow, "option");
    if (addressWidth(chunkAddressing) === 4) writer.uint32(Number(liveDiscardWindow), "live discard window");
    else writer.uint64(liveDiscardWindow, "live discard window");
  }
  if (supportedMessages !== undefined) {
    const bitmap = bitmapOf(supportedMessages);
    writer.uint8(OptionCode.supportedMessages, "option");
    writer.uint8(bitmap.byteLength, "supported messages' length");
    writer.octets(bitmap, bitmap.byteLength, "supported messages");
  }
  if (chunkSize !== undefined) {
    if (chunkSize === 0) throw new RangeError("chunk size is zero");
    writer.uint8(OptionCode.chunkSize, "option");
    writer.uint32(chunkSize, "chunk size");
  }
  writer.uint8(OptionCode.end, "option");
};

const isChunkAddressing = (method: number): method is ChunkAddressing => method <= ChunkAddressing.chunk64;

/** Bit X from the left is message type X (RFC 7574 §7.10). */
const readBitmap = (bitmap: Uint8Array): number[] => {
  const types: number[] = [];
  for (let type = 0; type < 8 * bitmap.byteLength; type++) {
    if ((bitmap[type >> 3]! & (0x80 >> (type & 7))) !== 0) types.push(type);
  }
  return types;
};

/** As short as it can be: without trailing zero octets (RFC 7574 §7.10). */
const bitmapOf = (types: readonly number[]): Uint8Array => {
  const bitmap = new Uint8Array(LONGEST_BITMAP);
  let length = 0;
  for (const type of types) {
    if (!(Number.isInteger(type) && type >= 0 && type <= 255)) throw new RangeError(`${type} is no message type`);
    bitmap[type >> 3]! |= 0x80 >> (type & 7);
    length = Math.max(length, (type >> 3) + 1);
  }
  return bitmap.subarray(0, length);
};
