/** What is wrong with bytes that claim to be part of a hash tree. */
export type IntegrityErrorCode =
  "truncated" | "not-mhash" | "unsupported-version" | "bad-hash-function" | "bad-chunk-count";

/** Bytes that are no hash tree file. @see parseMhash */
export class IntegrityError extends Error {
  override readonly name = "IntegrityError";
  readonly code: IntegrityErrorCode;
  /** Where in the bytes. */
  readonly offset: number;

  constructor(code: IntegrityErrorCode, message: string, offset: number) {
    super(message);
    this.code = code;
    this.offset = offset;
  }
}
