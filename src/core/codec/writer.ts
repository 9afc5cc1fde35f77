/** Enough for the largest headers before DATA in the common case, so that the buffer seldom grows. */
const FIRST_CAPACITY = 128;

/** Writes big-endian fields; what is out of its field's bounds is the caller's fault, a RangeError. */
export class Writer {
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

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

  /** All that was written; a view that further writing may change. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room; may replace the buffer, so it comes before any use of it. */
  #advance(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.byteLength));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return start;
  }
}

const checked = (value: number, highest: number, what: string): number => {
  if (!(Number.isInteger(value) && value >= 0 && value <= highest)) {
    throw new RangeError(`${what} is not an integer from 0 to ${highest}: ${value}`);
  }
  return value;
};
