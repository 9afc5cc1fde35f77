import { readChunkSpec, writeChunkSpec } from "./chunk-spec.ts";
import { DatagramError } from "./errors.ts";
import { MessageType } from "./messages.ts";
import type { Datagram, Format, Handshake, HashCode, Message, ProtocolOptions } from "./messages.ts";
import { readOptions, writeOptions } from "./options.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

export { DatagramError, type DatagramErrorCode } from "./errors.ts";

const HASH_SIZES = [20, 28, 32, 48, 64];
const IPV4_SIZE = 4;
const IPV6_SIZE = 16;

/** Octets of a hash: SHA-1 20, SHA-224 28, SHA-256 32, SHA-384 48, SHA-512 64 (RFC 7574 §7.6). */
export const hashSize = (code: HashCode): number => HASH_SIZES[code]!;

/** The destination channel, the first 4 octets (RFC 7574 §8.3). @throws DatagramError "truncated". */
export const readChannel = (bytes: Uint8Array): number => new Reader(bytes).uint32("§8.3: channel");

/**
 * Reads a datagram (RFC 7574 §8.2). Data, hashes and the like are views on `bytes`. A HANDSHAKE's own options set the
 * addressing and hash size of the messages behind it. Beyond that, what a HANDSHAKE must hold depends on who sent it and is
 * the connection's to check, as is the order of messages.
 * @throws DatagramError, and nothing else, for octets that are no datagram in this format.
 */
export const decodeDatagram = (bytes: Uint8Array, format: Format): Datagram => {
  const reader = new Reader(bytes);
  const channel = reader.uint32("§8.3: channel");
  const messages: Message[] = [];
  let current = format;
  while (reader.remaining > 0) {
    const message = readMessage(reader, current);
    messages.push(message);
    if (message.type === "HANDSHAKE") current = announcedFormat(message.options, current);
  }
  return { channel, messages };
};

/**
 * Writes a datagram (RFC 7574 §8.2): `head` and, if it has DATA, `payload`, which is that message's data itself and belongs
 * behind the head. DATA must come last, since its length is that of the rest (§8.6).
 * @throws RangeError for what this format cannot express.
 */
export const encodeDatagram = (datagram: Datagram, format: Format): { head: Uint8Array; payload?: Uint8Array } => {
  const writer = new Writer();
  writer.uint32(datagram.channel, "channel");
  let current = format;
  let payload: Uint8Array | undefined;
  for (const message of datagram.messages) {
    if (payload !== undefined) throw new RangeError(`${message.type} behind DATA`);
    writeMessage(writer, message, current);
    if (message.type === "DATA") payload = message.data;
    if (message.type === "HANDSHAKE") current = announcedFormat(message.options, current);
  }
  const head = writer.written();
  return payload === undefined ? { head } : { head, payload };
};

/** The format that the sender of these options uses; a hash of unknown kind has no known size, written 0. */
const announcedFormat = (options: ProtocolOptions, format: Format): Format => ({
  addressing: options.chunkAddressing ?? format.addressing,
  hashSize: options.hashFunction === undefined ? format.hashSize : (HASH_SIZES[options.hashFunction] ?? 0),
  signatureSize: format.signatureSize,
});

const readMessage = (reader: Reader, format: Format): Message => {
  const offset = reader.offset;
  const code = reader.uint8("§8.2: message type");
  switch (code) {
    case MessageType.HANDSHAKE:
      return readHandshake(reader);
    case MessageType.DATA: {
      const chunks = readChunkSpec(reader, format.addressing);
      const timestamp = reader.uint64("§8.6: timestamp");
      return { type: "DATA", chunks, timestamp, data: reader.octets(reader.remaining, "§8.6: data") };
    }
    case MessageType.ACK: {
      const chunks = readChunkSpec(reader, format.addressing);
      return { type: "ACK", chunks, delay: reader.uint64("§8.7: one-way delay sample") };
    }
    case MessageType.HAVE:
      return { type: "HAVE", chunks: readChunkSpec(reader, format.addressing) };
    case MessageType.INTEGRITY: {
      if (format.hashSize === 0) throw new DatagramError("unknown-message", offset, "§8.8: INTEGRITY of unknown hash");
      const chunks = readChunkSpec(reader, format.addressing);
      return { type: "INTEGRITY", chunks, hash: reader.octets(format.hashSize, "§8.8: hash") };
    }
    case MessageType.PEX_RESv4: {
      const address = reader.octets(IPV4_SIZE, "§8.13: IPv4 address");
      return { type: "PEX_RESv4", address, port: reader.uint16("§8.13: port") };
    }
    case MessageType.PEX_REQ:
      return { type: "PEX_REQ" };
    case MessageType.SIGNED_INTEGRITY: {
      if (format.signatureSize === 0) {
        throw new DatagramError("unknown-message", offset, "§8.9: SIGNED_INTEGRITY of unknown signature");
      }
      const chunks = readChunkSpec(reader, format.addressing);
      const timestamp = reader.uint64("§8.9: timestamp");
      const signature = reader.octets(format.signatureSize, "§8.9: signature");
      return { type: "SIGNED_INTEGRITY", chunks, timestamp, signature };
    }
    case MessageType.REQUEST:
      return { type: "REQUEST", chunks: readChunkSpec(reader, format.addressing) };
    case MessageType.CANCEL:
      return { type: "CANCEL", chunks: readChunkSpec(reader, format.addressing) };
    case MessageType.CHOKE:
      return { type: "CHOKE" };
    case MessageType.UNCHOKE:
      return { type: "UNCHOKE" };
    case MessageType.PEX_RESv6: {
      const address = reader.octets(IPV6_SIZE, "§8.13: IPv6 address");
      return { type: "PEX_RESv6", address, port: reader.uint16("§8.13: port") };
    }
    case MessageType.PEX_REScert: {
      const length = reader.uint16("§8.13: certificate's size");
      return { type: "PEX_REScert", certificate: reader.octets(length, "§8.13: certificate") };
    }
    default:
      throw new DatagramError("unknown-message", offset, `§8.2: message type ${code} is unknown`);
  }
};

const writeMessage = (writer: Writer, message: Message, format: Format): void => {
  writer.uint8(MessageType[message.type], "message type");
  switch (message.type) {
    case "HANDSHAKE": {
      const fault = handshakeFault(message.channel, message.options);
      if (fault !== undefined) throw new RangeError(fault);
      writer.uint32(message.channel, "source channel");
      return writeOptions(writer, message.options);
    }
    case "DATA":
      writeChunkSpec(writer, message.chunks, format.addressing);
      return writer.uint64(message.timestamp, "timestamp");
    case "ACK":
      writeChunkSpec(writer, message.chunks, format.addressing);
      return writer.uint64(message.delay, "one-way delay sample");
    case "HAVE":
    case "REQUEST":
    case "CANCEL":
      return writeChunkSpec(writer, message.chunks, format.addressing);
    case "INTEGRITY":
      if (format.hashSize === 0) throw new RangeError("INTEGRITY of unknown hash");
      writeChunkSpec(writer, message.chunks, format.addressing);
      return writer.octets(message.hash, format.hashSize, "hash");
    case "SIGNED_INTEGRITY":
      if (format.signatureSize === 0) throw new RangeError("SIGNED_INTEGRITY of unknown signature");
      writeChunkSpec(writer, message.chunks, format.addressing);
      writer.uint64(message.timestamp, "timestamp");
      return writer.octets(message.signature, format.signatureSize, "signature");
    case "PEX_RESv4":
      writer.octets(message.address, IPV4_SIZE, "IPv4 address");
      return writer.uint16(message.port, "port");
    case "PEX_RESv6":
      writer.octets(message.address, IPV6_SIZE, "IPv6 address");
      return writer.uint16(message.port, "port");
    case "PEX_REScert":
      writer.uint16(message.certificate.byteLength, "certificate's size");
      return writer.octets(message.certificate, message.certificate.byteLength, "certificate");
    case "PEX_REQ":
    case "CHOKE":
    case "UNCHOKE":
      return;
  }
};

const readHandshake = (reader: Reader): Handshake => {
  const channel = reader.uint32("§8.4: source channel");
  const offset = reader.offset;
  const options = readOptions(reader);
  const fault = handshakeFault(channel, options);
  if (fault !== undefined) throw new DatagramError("bad-option", offset, fault);
  return { type: "HANDSHAKE", channel, options };
};

const handshakeFault = (channel: number, options: ProtocolOptions): string | undefined => {
  const { version, ...others } = options;
  if (channel !== 0) return version === undefined ? "§7.2: a HANDSHAKE that opens a channel has no version" : undefined;
  const closing = Object.values(others).every((value) => value === undefined);
  return closing ? undefined : "§8.4: a HANDSHAKE that closes a channel has more options than the version";
};
