/** Where all writers write, one after the other: an array of its own and its view would cost more than the whole datagram. */
let scratch = new Uint8Array(2_048);
let scratchView = new DataView(scratch.buffer);

/**
 * Writes big-endian fields; what is out of its field's bounds is the caller's fault, a RangeError. One at a time: what a
 * writer wrote is to be taken before the next one is made.
 */
export class Writer {
  #length = 0;

  /** Unsigned, 8 bits. */
  uint8(value: number, what: string): void {
    const start = this.#advance(1);
    scratchView.setUint8(start, checked(value, 0xff, what));
  }

  /** Unsigned, 16 bits. */
  uint16(value: number, what: string): void {
    const start = this.#advance(2);
    scratchView.setUint16(start, checked(value, 0xffff, what));
  }

  /** Unsigned, 32 bits. */
  uint32(value: number, what: string): void {
    const start = this.#advance(4);
    scratchView.setUint32(start, checked(value, 0xffff_ffff, what));
  }

  /** Unsigned, 64 bits. */
  uint64(value: bigint, what: string): void {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`${what} is not in 64 bits: ${value}`);
    const start = this.#advance(8);
    scratchView.setBigUint64(start, value);
  }

  /** Octets as they are, which must be `length` in number. */
  octets(bytes: Uint8Array, length: number, what: string): void {
    if (bytes.byteLength !== length) throw new RangeError(`${what} has ${bytes.byteLength} octets, not ${length}`);
    const start = this.#advance(length);
    scratch.set(bytes, start);
  }

  /** A copy of all that was written. */
  written(): Uint8Array {
    return scratch.slice(0, this.#length);
  }

  /** Makes room; may replace the buffer, so it comes before any use of it. */
  #advance(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > scratch.byteLength) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * scratch.byteLength));
      grown.set(scratch);
      scratch = grown;
      scratchView = new DataView(grown.buffer);
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
