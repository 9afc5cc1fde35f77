import { binAt, peakBins } from "../address/bin.ts";
import { rangeLength, type ChunkRange } from "../address/range.ts";
import { HashCode } from "../codec/messages.ts";
import { IntegrityError } from "./error.ts";
import { hashFunction } from "./hashes.ts";
import { isChunkCount, type MerkleTree, type TreeNode } from "./tree.ts";

/**
 * Codec of ppsp.mhash, a static content's hash tree as a file (docs/PROTOCOL.md):
 *
 * | bytes | what |
 * |---|---|
 * | 7 | "PPSPMHT" |
 * | 1 | version, 1 |
 * | 1 | hash function (RFC 7574 §7.6) |
 * | 3 | zero |
 * | 4 | chunk count n, big-endian |
 * | popcount(n) hashes | the peaks, left to right |
 * | floor(n / 2^L) hashes | for each layer L from floor(log2 n) down to 0: its filled nodes, left to right |
 *
 * Upper layers are thus one read at the beginning, and the leaves of a file are one range near the end. Nothing in here
 * is trusted: what is read goes through a Verifier.
 */
export interface MhashHeader {
  readonly hash: HashCode;
  readonly chunkCount: number;
}

/** Bytes `offset` to `offset + length - 1` of ppsp.mhash. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Bytes before the peaks. */
export const MHASH_HEADER_LENGTH = 16;

const MAGIC = Uint8Array.of(0x50, 0x50, 0x53, 0x50, 0x4d, 0x48, 0x54);
const VERSION = 1;
/** Bytes that mhashParts gives at a time, at most. */
const PART_BYTES = 65_536;

/** Number of the highest layer that has a filled node. */
export const topLevel = (chunkCount: number): number => 31 - Math.clz32(chunkCount);

/** How many hashes layer `level` has. */
export const layerLength = (chunkCount: number, level: number): number => Math.floor(chunkCount / 2 ** level);

/** Where the peaks are. */
export function peaksRange({ hash, chunkCount }: MhashHeader): ByteRange {
  return { offset: MHASH_HEADER_LENGTH, length: peakBins(chunkCount).length * hashFunction(hash).size };
}

/** Where the hashes of a whole layer are. @throws RangeError if there is no such layer */
export function layerRange(header: MhashHeader, level: number): ByteRange {
  const { hash, chunkCount } = header;
  const top = topLevel(chunkCount);
  if (!Number.isInteger(level) || level < 0 || level > top) throw new RangeError(`no layer ${level}`);
  const peaks = peaksRange(header);
  let offset = peaks.offset + peaks.length;
  for (let above = top; above > level; above--) offset += layerLength(chunkCount, above) * hashFunction(hash).size;
  return { offset, length: layerLength(chunkCount, level) * hashFunction(hash).size };
}

/** Where the hashes of nodes `nodes.start` to `nodes.end` of a layer are. @throws RangeError if there are none such */
export function nodesRange(header: MhashHeader, level: number, nodes: ChunkRange): ByteRange {
  const layer = layerRange(header, level);
  const { size } = hashFunction(header.hash);
  const within = nodes.start >= 0 && nodes.start <= nodes.end && (nodes.end + 1) * size <= layer.length;
  if (!within) throw new RangeError(`no nodes ${nodes.start} to ${nodes.end} in layer ${level}`);
  return { offset: layer.offset + nodes.start * size, length: rangeLength(nodes) * size };
}

/** Where the hashes of these chunks are. @throws RangeError if there are no such chunks */
export const leavesRange = (header: MhashHeader, chunks: ChunkRange): ByteRange => nodesRange(header, 0, chunks);

/** Where the file's beginning, with header, peaks and all layers from the top down to `level`, is. */
export function upperRange(header: MhashHeader, level: number): ByteRange {
  const layer = layerRange(header, level);
  return { offset: 0, length: layer.offset + layer.length };
}

/** Bytes of the whole file. */
export const mhashLength = (header: MhashHeader): number => upperRange(header, 0).length;

/** Reads the header from the file's beginning. @throws IntegrityError */
export function parseMhashHeader(bytes: Uint8Array): MhashHeader {
  if (bytes.length < MHASH_HEADER_LENGTH)
    throw new IntegrityError("truncated", "shorter than its header", bytes.length);
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw new IntegrityError("not-mhash", "not a ppsp.mhash", 0);
  if (bytes[7] !== VERSION) throw new IntegrityError("unsupported-version", `version ${bytes[7]} instead of 1`, 7);
  const hash = Object.values(HashCode).find((code) => code === bytes[8]);
  if (hash === undefined) throw new IntegrityError("bad-hash-function", `no hash function ${bytes[8]}`, 8);
  const chunkCount = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(12);
  if (!isChunkCount(chunkCount)) throw new IntegrityError("bad-chunk-count", `${chunkCount} chunks`, 12);
  return { hash, chunkCount };
}

/** Reads header and peaks, for `Verifier.verifyPeaks`, from the file's beginning; they are views. @throws IntegrityError */
export function parseMhash(bytes: Uint8Array): MhashHeader & { readonly peaks: TreeNode[] } {
  const header = parseMhashHeader(bytes);
  const hashes = readHashes(bytes, peaksRange(header), header.hash);
  return { ...header, peaks: peakBins(header.chunkCount).map((bin, i) => ({ bin, hash: hashes[i]! })) };
}

/** The hashes in `range` of the file's beginning `bytes`, as views. @throws IntegrityError if `bytes` ends too early */
export function readHashes(bytes: Uint8Array, range: ByteRange, hash: HashCode): Uint8Array[] {
  const end = range.offset + range.length;
  if (bytes.length < end)
    throw new IntegrityError("truncated", `${bytes.length} bytes instead of ${end}`, bytes.length);
  const { size } = hashFunction(hash);
  return Array.from({ length: range.length / size }, (_, i) =>
    bytes.subarray(range.offset + i * size, range.offset + (i + 1) * size),
  );
}

/** The file for a complete tree, in consecutive parts of at most 64 KiB. @throws RangeError if a node is missing */
export function* mhashParts(tree: MerkleTree): Generator<Uint8Array, void, undefined> {
  const { chunkCount } = tree;
  const { size, code } = tree.hash;
  const header = new Uint8Array(MHASH_HEADER_LENGTH);
  header.set(MAGIC);
  header[7] = VERSION;
  header[8] = code;
  new DataView(header.buffer).setUint32(12, chunkCount);
  yield header;
  for (const { hash } of tree.peaks()) yield hash;
  const perPart = Math.floor(PART_BYTES / size);
  for (let level = topLevel(chunkCount); level >= 0; level--) {
    const length = layerLength(chunkCount, level);
    for (let first = 0; first < length; first += perPart) {
      const part = new Uint8Array(Math.min(perPart, length - first) * size);
      for (let i = 0; i < part.length / size; i++) {
        const hash = tree.get(binAt(level, first + i));
        if (hash === undefined) throw new RangeError(`node ${first + i} of layer ${level} is not known`);
        part.set(hash, i * size);
      }
      yield part;
    }
  }
}
