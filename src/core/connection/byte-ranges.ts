import type { ChunkRange } from "../address/range.ts";
import { DatagramError } from "../codec/errors.ts";
import { ChunkAddressing, type ChunkSpec, type Message } from "../codec/messages.ts";
import type { SwarmMetadata } from "./metadata.ts";

/** Where the chunks of a content are in it; asked only for bytes and chunks that it has, as far as its end is known. */
export interface ChunkOffsets {
  /** First byte of a chunk; for the chunk behind the last one, the content's length, rounded up where it is not known. */
  offsetOf(chunk: number): number;
  /** The chunk that holds a byte. */
  chunkAt(byte: number): number;
}

/** Chunks that all have the same size, except perhaps the last one. */
export const equalChunks = (chunkSize: number): ChunkOffsets => ({
  offsetOf: (chunk) => chunk * chunkSize,
  chunkAt: (byte) => Math.floor(byte / chunkSize),
});

/** How many chunks the content has; undefined until the peaks are proven. */
interface ContentEnd {
  readonly chunkCount?: number | undefined;
}

/** What a swarm knows of its chunks beyond the metadata; both where their sizes vary. */
interface ChunkTable {
  /** Exact bytes of a chunk. */
  readonly chunkLength?: ((chunk: number) => number) | undefined;
  readonly offsets?: ChunkOffsets | undefined;
}

/**
 * The translation for a swarm whose addressing is 64-bit byte ranges; undefined for every other.
 * @throws RangeError where sizes vary and nobody says how
 */
export function byteRangesOf(
  metadata: SwarmMetadata,
  { chunkLength, offsets }: ChunkTable,
  verifier: ContentEnd,
): ByteRanges | undefined {
  if (metadata.addressing !== ChunkAddressing.byte64) return undefined;
  if (metadata.variableSize && offsets === undefined) throw new RangeError("byte ranges without offsets");
  const table = offsets ?? equalChunks(metadata.chunkSize);
  const { chunkCount } = metadata;
  if (chunkCount === undefined) return new ByteRanges(table, verifier);
  const last = chunkCount - 1;
  return new ByteRanges(table, metadata, chunkLength && table.offsetOf(last) + chunkLength(last));
}

/**
 * 64-bit byte ranges (RFC 7574 §4.1.2, §7.8) at the edge of a swarm that counts in chunks: from the chunk numbers of our
 * messages to first and last byte on the wire, and back. Start and end are both inclusive.
 *
 * A range that covers a chunk only in part means, by message:
 * - HAVE, ACK: nothing for that chunk, since only a whole chunk can be verified.
 * - CANCEL: nothing either; the rest of the chunk is still wanted, and it travels whole.
 * - REQUEST: the whole chunk, for the same reason.
 * - INTEGRITY: no node of the tree, so the message is ignored.
 * - DATA: a malformed datagram, as is DATA whose length is not that of its range.
 *
 * The content's exact length is known from the layout, or from the last chunk once somebody had it. Until then a range up
 * to the last chunk's end is rounded up to full chunks, and as long as not even the number of chunks is known, a received
 * range that ends inside a chunk is taken to end with the content: nothing else in it can.
 */
export class ByteRanges {
  readonly #offsets: ChunkOffsets;
  readonly #content: ContentEnd;
  /** Bytes of the content, once known. */
  #length: number | undefined;

  /** `length`: bytes of the content, if known. */
  constructor(offsets: ChunkOffsets, content: ContentEnd, length?: number) {
    this.#offsets = offsets;
    this.#content = content;
    this.#length = length;
  }

  /** A verified chunk has so many bytes: the last one tells the content's length. */
  learn(chunk: number, bytes: number): void {
    if (chunk + 1 === this.#content.chunkCount) this.#length ??= this.#offsets.offsetOf(chunk) + bytes;
  }

  /** Our messages, as they stand on the wire. */
  toWire(messages: readonly Message[]): readonly Message[] {
    return messages.map((message) => {
      if (!("chunks" in message)) return message;
      const { start, end } = this.#bytesOf(message.chunks);
      if (message.type !== "DATA") return { ...message, chunks: { start, end } };
      this.learn(message.chunks.start, message.data.length);
      return { ...message, chunks: { start, end: start + message.data.length - 1 } };
    });
  }

  /** A peer's messages in chunk numbers, without those that name no chunk. @throws DatagramError "bad-range" for DATA */
  fromWire(messages: readonly Message[]): readonly Message[] {
    const read: Message[] = [];
    for (const message of messages) {
      if (!("chunks" in message)) {
        read.push(message);
        continue;
      }
      const chunks = this.#chunksOf(message);
      if (chunks !== undefined) read.push({ ...message, chunks });
    }
    return read;
  }

  #bytesOf({ start, end }: ChunkRange): ChunkSpec {
    const { chunkCount } = this.#content;
    const last = chunkCount !== undefined && end + 1 >= chunkCount && this.#length !== undefined;
    const behind = last ? this.#length! : this.#offsets.offsetOf(end + 1);
    return { start: this.#offsets.offsetOf(start), end: behind - 1 };
  }

  #chunksOf(message: Extract<Message, { chunks: ChunkSpec }>): ChunkRange | undefined {
    const { start } = message.chunks;
    const { chunkCount } = this.#content;
    // The last byte that the content can have, as far as we know.
    const limit = this.#length ?? (chunkCount === undefined ? Infinity : this.#offsets.offsetOf(chunkCount));
    if (start >= limit) return undefined;
    const end = Math.min(message.chunks.end, limit - 1);
    const first = this.#offsets.chunkAt(start);
    const last = this.#offsets.chunkAt(end);
    const startsChunk = this.#offsets.offsetOf(first) === start;
    const mayEndContent = this.#length === undefined && (chunkCount === undefined || last + 1 === chunkCount);
    const endsChunk = end === limit - 1 || mayEndContent || this.#offsets.offsetOf(last + 1) - 1 === end;
    switch (message.type) {
      case "DATA":
        if (!startsChunk || message.chunks.end - start + 1 !== message.data.length)
          throw new DatagramError("bad-range", 0, "§8.6: DATA names other bytes");
        return { start: first, end: last };
      case "REQUEST":
        return { start: first, end: last };
      case "INTEGRITY":
      case "SIGNED_INTEGRITY": {
        // What is beyond the end by no more than the last chunk's missing bytes is rounded up.
        const within = message.chunks.end < this.#offsets.offsetOf(last + 1);
        return startsChunk && endsChunk && within ? { start: first, end: last } : undefined;
      }
      case "HAVE":
      case "ACK":
      case "CANCEL": {
        const whole = { start: startsChunk ? first : first + 1, end: endsChunk ? last : last - 1 };
        return whole.start <= whole.end ? whole : undefined;
      }
    }
  }
}
