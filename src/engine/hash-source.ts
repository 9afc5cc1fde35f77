import type { ChunkRange } from "../core/address/range.ts";
import { ChunkSet } from "../core/address/chunk-set.ts";
import type { HashCode } from "../core/codec/messages.ts";
import {
  layerLength,
  layerRange,
  leavesRange,
  mhashLength,
  parseMhash,
  readHashes,
  topLevel,
  upperRange,
  type ByteRange,
  type MhashHeader,
} from "../core/integrity/mhash.ts";
import type { Verifier } from "../core/integrity/verifier.ts";
import type { HttpSource } from "./http-source.ts";

/** Leaves are read in groups of 2^11 chunks: 64 KiB of SHA-256, the proof of 32 MiB of content. */
const GROUP_LEVEL = 11;
/** A hash file up to this size is read whole, bytes. */
const WHOLE_BYTES = 131_072;

/** Hashes of chunks from ppsp.mhash, read as they are needed and proven against the swarm's root. */
export class HashSource {
  /** That were read so far. */
  bytes = 0;
  readonly #url: string;
  readonly #http: HttpSource;
  readonly #verifier: Verifier;
  readonly #header: MhashHeader;
  readonly #signal: AbortSignal;
  readonly #received: (bytes: number) => void;
  /** Chunks whose leaves are proven. */
  readonly #proven = new ChunkSet();
  readonly #reading = new Map<number, Promise<void>>();
  #upper: Promise<void> | undefined;

  /** `received` is told every byte that is read. */
  constructor(options: {
    readonly url: string;
    readonly http: HttpSource;
    readonly verifier: Verifier;
    readonly hash: HashCode;
    readonly chunkCount: number;
    readonly signal: AbortSignal;
    readonly received: (bytes: number) => void;
  }) {
    this.#url = options.url;
    this.#http = options.http;
    this.#verifier = options.verifier;
    this.#header = { hash: options.hash, chunkCount: options.chunkCount };
    this.#signal = options.signal;
    this.#received = options.received;
  }

  /** Puts the hashes of these chunks into the swarm's tree. @throws PlaybackError or IntegrityError; the next call tries again */
  async prove(chunks: ChunkRange): Promise<void> {
    if (this.#proven.covers(chunks)) return;
    this.#upper ??= this.#readUpper();
    try {
      await this.#upper;
    } catch (error) {
      this.#upper = undefined;
      throw error;
    }
    const size = 2 ** GROUP_LEVEL;
    for (let group = Math.floor(chunks.start / size); group <= Math.floor(chunks.end / size); group++) {
      await this.#group({ start: group * size, end: Math.min((group + 1) * size, this.#header.chunkCount) - 1 });
    }
  }

  async #readUpper(): Promise<void> {
    const header = this.#header;
    const whole = mhashLength(header) <= WHOLE_BYTES;
    const lowest = whole ? 0 : Math.min(GROUP_LEVEL, topLevel(header.chunkCount));
    const bytes = await this.#read(upperRange(header, lowest));
    const { peaks, hash, chunkCount } = parseMhash(bytes);
    if (hash !== header.hash || chunkCount !== header.chunkCount || !this.#verifier.verifyPeaks(peaks)) {
      throw new RangeError(`${this.#url} belongs to another presentation`);
    }
    for (let level = topLevel(chunkCount); level >= lowest; level--) {
      if (layerLength(chunkCount, level) === 0) continue;
      this.#check(this.#verifier.verifyNodes(level, 0, readHashes(bytes, layerRange(header, level), hash)));
    }
    if (whole) this.#proven.add({ start: 0, end: chunkCount - 1 });
  }

  async #group(chunks: ChunkRange): Promise<void> {
    if (this.#proven.covers(chunks)) return;
    const reading = this.#reading.get(chunks.start) ?? this.#readGroup(chunks);
    this.#reading.set(chunks.start, reading);
    try {
      await reading;
    } finally {
      this.#reading.delete(chunks.start);
    }
  }

  async #readGroup(chunks: ChunkRange): Promise<void> {
    const range = leavesRange(this.#header, chunks);
    const bytes = await this.#read(range);
    const leaves = readHashes(bytes, { offset: 0, length: range.length }, this.#header.hash);
    this.#check(this.#verifier.verifyLeaves(chunks.start, leaves));
    this.#proven.add(chunks);
  }

  #check(verdict: "verified" | "missing" | "mismatch"): void {
    if (verdict !== "verified") throw new RangeError(`${this.#url} does not lead to the swarm's root hash`);
  }

  async #read({ offset, length }: ByteRange): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    const whole = offset === 0 && length === mhashLength(this.#header);
    for await (const part of this.#http.read({ url: this.#url, offset, length, whole, signal: this.#signal })) {
      bytes.set(part, filled);
      filled += part.length;
      this.bytes += part.length;
      this.#received(part.length);
    }
    return bytes;
  }
}
