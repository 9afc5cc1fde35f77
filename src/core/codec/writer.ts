/** Octets that are taken from the system at a time: what is written is a slice of it, and lives as long as anyone needs it. */
const SLAB = 16_384;
/** Room that a writer begins with: enough for the headers before DATA in the common case. */
const FIRST_CAPACITY = 128;

let slab = new Uint8Array(SLAB);
let slabView = new DataView(slab.buffer);
let used = 0;

/** Writes big-endian fields; what is out of its field's bounds is the caller's fault, a RangeError. */
export class Writer {
  #bytes = slab;
  #view = slabView;
  /** Where this writer's octets begin in `#bytes`, and where they end. */
  #start = used;
  #end = used;

  constructor() {
    if (used + FIRST_CAPACITY > SLAB) this.#move(FIRST_CAPACITY);
  }

  /** Unsigned, 8 bits. */
  uint8(value: number, what: string): void {
    const start = this.#advance(1);
    this.#view.setUint8(start, checked(value, 0xff, what));
  }

  /** Unsigned, 16 bits. */
  uint16(value: number, what: string): void {
    const start = this.#advance(2);
    this.#view.setUint16(start, checked(value, 0xffff, what));
  }

  /** Unsigned, 32 bits. */
  uint32(value: number, what: string): void {
    const start = this.#advance(4);
    this.#view.setUint32(start, checked(value, 0xffff_ffff, what));
  }

  /** Unsigned, 64 bits. */
  uint64(value: bigint, what: string): void {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`${what} is not in 64 bits: ${value}`);
    const start = this.#advance(8);
    this.#view.setBigUint64(start, value);
  }

  /** Octets as they are, which must be `length` in number. */
  octets(bytes: Uint8Array, length: number, what: string): void {
    if (bytes.byteLength !== length) throw new RangeError(`${what} has ${bytes.byteLength} octets, not ${length}`);
    const start = this.#advance(length);
    this.#bytes.set(bytes, start);
  }

  /** All that was written, and the end of writing. */
  written(): Uint8Array {
    if (this.#bytes === slab) used = this.#end;
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Makes room; may replace the buffer, so it comes before any use of it. */
  #advance(length: number): number {
    if (this.#end + length > this.#bytes.byteLength) this.#move(2 * (this.#end - this.#start + length));
    const start = this.#end;
    this.#end += length;
    return start;
  }

  /** Goes on in a new slab, which is this writer's alone where it is a long one. */
  #move(capacity: number): void {
    const written = this.#bytes.subarray(this.#start, this.#end);
    this.#bytes = new Uint8Array(Math.max(capacity, SLAB));
    this.#view = new DataView(this.#bytes.buffer);
    this.#bytes.set(written);
    this.#start = 0;
    this.#end = written.length;
    if (capacity > SLAB) return;
    slab = this.#bytes;
    slabView = this.#view;
    used = 0;
  }
}

const checked = (value: number, highest: number, what: string): number => {
  if (!(Number.isInteger(value) && value >= 0 && value <= highest)) {
    throw new RangeError(`${what} is not an integer from 0 to ${highest}: ${value}`);
  }
  return value;
};
