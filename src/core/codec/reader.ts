import { DatagramError } from "./errors.ts";

/** Reads big-endian fields off a datagram, never beyond its end; `what` names the field in the error, with its section. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
    return this.#view.getUint8(this.#advance(1, what));
  }

  /** Unsigned, 16 bits. */
  uint16(what: string): number {
    return this.#view.getUint16(this.#advance(2, what));
  }

  /** Unsigned, 32 bits. */
  uint32(what: string): number {
    return this.#view.getUint32(this.#advance(4, what));
  }

  /** Unsigned, 64 bits. */
  uint64(what: string): bigint {
    return this.#view.getBigUint64(this.#advance(8, what));
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
