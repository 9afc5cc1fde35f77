import { leafBin } from "../core/address/bin.ts";
import type { HashCode } from "../core/codec/messages.ts";
import {
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
import { PlaybackError } from "./errors.ts";
import type { HttpSource } from "./http-source.ts";

/** No smaller group is worth a request: 64 chunks are 2 KiB of SHA-256. */
const LEAST_GROUP_LEVEL = 6;

/**
 * Level of the nodes that are read at the beginning; the leaves below each are one group, read when a chunk of it is to be
 * proven. With about √(2n) chunks to a group both are as short as both can be: 3 KiB for a minute, 33 KiB for two hours.
 */
const groupLevel = (chunkCount: number): number =>
  Math.min(topLevel(chunkCount), Math.max(LEAST_GROUP_LEVEL, Math.round(Math.log2(2 * chunkCount) / 2)));

/** The origin was away, or refused: nothing is asked for so long, ms. What is another presentation's stays so. */
const AGAIN_MS = 5_000;

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
  readonly #level: number;
  readonly #groupSize: number;
  /** Groups that are being read. */
  readonly #reading = new Map<number, Promise<void>>();
  #upper: Promise<void> | undefined;
  readonly #now: () => number;
  #failure: unknown;
  #againAt = -Infinity;

  /** `received` is told every byte that is read. */
  constructor(options: {
    readonly url: string;
    readonly http: HttpSource;
    readonly verifier: Verifier;
    readonly hash: HashCode;
    readonly chunkCount: number;
    /** ms */
    readonly now: () => number;
    readonly signal: AbortSignal;
    readonly received: (bytes: number) => void;
  }) {
    this.#url = options.url;
    this.#http = options.http;
    this.#verifier = options.verifier;
    this.#header = { hash: options.hash, chunkCount: options.chunkCount };
    this.#level = groupLevel(options.chunkCount);
    this.#groupSize = 2 ** this.#level;
    this.#now = options.now;
    this.#signal = options.signal;
    this.#received = options.received;
  }

  /** Puts the hash of a chunk into the swarm's tree, if it is not there. @throws PlaybackError or IntegrityError; a call tries again only some time after a failure */
  async prove(chunk: number): Promise<void> {
    if (this.#verifier.tree?.get(leafBin(chunk)) !== undefined) return;
    if (this.#now() < this.#againAt) throw this.#failure;
    const group = Math.floor(chunk / this.#groupSize);
    const reading = this.#reading.get(group) ?? this.#readGroup(group);
    this.#reading.set(group, reading);
    try {
      await reading;
    } catch (error) {
      const passing = error instanceof PlaybackError && error.code !== "mismatch";
      this.#againAt = passing ? this.#now() + AGAIN_MS : Infinity;
      this.#failure = error;
      throw error;
    } finally {
      this.#reading.delete(group);
    }
  }

  async #readGroup(group: number): Promise<void> {
    const start = group * this.#groupSize;
    const range = leavesRange(this.#header, {
      start,
      end: Math.min(start + this.#groupSize, this.#header.chunkCount) - 1,
    });
    this.#upper ??= this.#readUpper().catch((error: unknown) => {
      this.#upper = undefined;
      throw error;
    });
    const [bytes] = await Promise.all([this.#read(range), this.#upper]);
    const leaves = readHashes(bytes, { offset: 0, length: range.length }, this.#header.hash);
    this.#check(this.#verifier.verifyLeaves(start, leaves));
  }

  /** Header, peaks and all layers down to that of the groups. */
  async #readUpper(): Promise<void> {
    const header = this.#header;
    const bytes = await this.#read(upperRange(header, this.#level));
    const { peaks, hash, chunkCount } = parseMhash(bytes);
    if (hash !== header.hash || chunkCount !== header.chunkCount || !this.#verifier.verifyPeaks(peaks)) {
      throw new RangeError(`${this.#url} does not fit ppsp.json`);
    }
    this.#check(this.#verifier.verifyNodes(this.#level, 0, readHashes(bytes, layerRange(header, this.#level), hash)));
  }

  #check(verdict: "verified" | "missing" | "mismatch"): void {
    if (verdict !== "verified") throw new RangeError(`${this.#url} does not lead to the root`);
  }

  async #read({ offset, length }: ByteRange): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    const size = mhashLength(this.#header);
    const whole = offset === 0 && length === size;
    const request = { url: this.#url, offset, length, whole, size, aside: true, signal: this.#signal };
    for await (const part of this.#http.read(request)) {
      bytes.set(part, filled);
      filled += part.length;
      this.bytes += part.length;
      this.#received(part.length);
    }
    return bytes;
  }
}
