/**
 * What is wrong with a datagram: it ends too early, holds a message or option of unknown type (and so of unknown length),
 * an option that is not allowed there, or a chunk specification that names no possible chunks.
 */
export type DatagramErrorCode = "truncated" | "unknown-message" | "unknown-option" | "bad-option" | "bad-range";

/** A datagram that RFC 7574 does not allow; it is to be discarded, and its sender with it (§3). */
export class DatagramError extends Error {
  override readonly name = "DatagramError";
  readonly code: DatagramErrorCode;
  /** Octets from the start of the datagram to the fault. */
  readonly offset: number;

  /** `message` begins with the section of RFC 7574, such as "§7.1: …". */
  constructor(code: DatagramErrorCode, offset: number, message: string) {
    super(`RFC 7574 ${message} (at octet ${offset})`);
    this.code = code;
    this.offset = offset;
  }
}
