import { DatagramError } from "./errors.ts";

/** Where 64 bits are put together: a view on each datagram would cost more than its other fields together. */
const eight = new DataView(new ArrayBuffer(8));

/** Reads big-endian fields off a datagram, never beyond its end; `what` names the field in the error, with its section. */
export class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Octets read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Octets that are left. */
  get remaining(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  /** Unsigned, 8 bits. @throws DatagramError "truncated", as all the following do. */
  uint8(what: string): number {
    return this.#bytes[this.#advance(1, what)]!;
  }

  /** Unsigned, 16 bits. */
  uint16(what: string): number {
    const at = this.#advance(2, what);
    return this.#bytes[at]! * 0x100 + this.#bytes[at + 1]!;
  }

  /** Unsigned, 32 bits. */
  uint32(what: string): number {
    const at = this.#advance(4, what);
    const bytes = this.#bytes;
    return bytes[at]! * 0x100_0000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
  }

  /** Unsigned, 64 bits. */
  uint64(what: string): bigint {
    const at = this.#advance(8, what);
    for (let i = 0; i < 8; i++) eight.setUint8(i, this.#bytes[at + i]!);
    return eight.getBigUint64(0);
  }

  /** Octets as a view on the datagram, not a copy. */
  octets(length: number, what: string): Uint8Array {
    const start = this.#advance(length, what);
    return this.#bytes.subarray(start, start + length);
  }

  #advance(length: number, what: string): number {
    if (length > this.remaining) {
      throw new DatagramError("truncated", this.#offset, `${what} needs ${length} octets, ${this.remaining} are left`);
    }
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}
