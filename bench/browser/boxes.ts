/** As much of MP4 (ISO/IEC 14496-12) as it takes to move segments of a fragmented film in time and to fill them up. */

interface Box {
  readonly type: string;
  /** The box with its header, a view. */
  readonly bytes: Buffer;
}

const PARENTS = new Set(["moov", "trak", "mdia", "moof", "traf"]);
const HEADER = 8;

function* boxes(bytes: Buffer): Generator<Box> {
  for (let at = 0; at + HEADER <= bytes.length;) {
    const size = bytes.readUInt32BE(at);
    if (size < HEADER || at + size > bytes.length) throw new RangeError(`an MP4 box of ${size} bytes at ${at}`);
    yield { type: bytes.toString("latin1", at + 4, at + HEADER), bytes: bytes.subarray(at, at + size) };
    at += size;
  }
}

/** All boxes, those inside others too. */
function* everyBox(bytes: Buffer): Generator<Box> {
  for (const box of boxes(bytes)) {
    yield box;
    if (PARENTS.has(box.type)) yield* everyBox(box.bytes.subarray(HEADER));
  }
}

/** Ticks a second of each track, by its number, from an init segment. */
export function timescales(init: Buffer): Map<number, number> {
  const found = new Map<number, number>();
  let track = 0;
  for (const { type, bytes } of everyBox(init)) {
    const wide = bytes[HEADER] === 1;
    if (type === "tkhd") track = bytes.readUInt32BE(wide ? 28 : 20);
    if (type === "mdhd") found.set(track, bytes.readUInt32BE(wide ? 28 : 20));
  }
  return found;
}

/** A copy of a media segment that plays `seconds` later, without its index (`styp`, `sidx`), which would be wrong then. */
export function moved(segment: Buffer, seconds: number, scales: ReadonlyMap<number, number>): Buffer {
  const copy = Buffer.concat(
    [...boxes(segment)].filter(({ type }) => type !== "styp" && type !== "sidx").map(({ bytes }) => bytes),
  );
  let track = 0;
  for (const { type, bytes } of everyBox(copy)) {
    if (type === "tfhd") track = bytes.readUInt32BE(12);
    if (type !== "tfdt") continue;
    if (bytes[HEADER] !== 1) throw new RangeError("a tfdt of 32 bits");
    bytes.writeBigUInt64BE(bytes.readBigUInt64BE(12) + BigInt(seconds * (scales.get(track) ?? 0)), 12);
  }
  return copy;
}

/** The segment with a `free` box behind it that makes it `length` bytes long; what fills it does not compress. */
export function filled(segment: Buffer, length: number): Buffer {
  const size = length - segment.length;
  if (size < HEADER) throw new RangeError(`a segment of ${segment.length} bytes does not fit into ${length}`);
  const box = Buffer.alloc(size);
  let noise = segment.length;
  for (let at = HEADER; at + 4 <= size; at += 4) {
    noise = (Math.imul(noise, 1_664_525) + 1_013_904_223) >>> 0;
    box.writeUInt32LE(noise, at);
  }
  box.writeUInt32BE(size, 0);
  box.write("free", 4, "latin1");
  return Buffer.concat([segment, box]);
}
