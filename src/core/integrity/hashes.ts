import { sha1 } from "@noble/hashes/legacy.js";
import { sha224, sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import { HashCode } from "../codec/messages.ts";

/** A hash function of the Merkle tree (RFC 7574 §7.6). */
export interface HashFunction {
  readonly code: HashCode;
  /** Bytes of a hash. */
  readonly size: number;
  /** Hash of a chunk. Slow (10 to 25 MB/s): chunks are better hashed by the host's own digest, see `Digest`. */
  digest(data: Uint8Array): Uint8Array;
  /** Hash of an inner node from its children's; zero if both are, because they stand for no chunk (RFC 7574 §5.1). */
  pair(left: Uint8Array, right: Uint8Array): Uint8Array;
}

/** Whether every byte is zero: the hash of a node over no chunk (RFC 7574 §5.1). */
function isZero(hash: Uint8Array): boolean {
  // A loop, since this runs for every node: the first octet settles it nearly always.
  for (const octet of hash) if (octet !== 0) return false;
  return true;
}

/** The hash function of a code and of a hash of `size` bytes that somebody computes: core's own below, or a faster one of the host. */
export function merkle(code: HashCode, size: number, digest: (data: Uint8Array) => Uint8Array): HashFunction {
  const both = new Uint8Array(2 * size);
  return {
    code,
    size,
    digest,
    pair(left, right) {
      if (isZero(left) && isZero(right)) return new Uint8Array(size);
      both.set(left, 0);
      both.set(right, size);
      return digest(both);
    },
  };
}

const FUNCTIONS: Readonly<Record<HashCode, HashFunction>> = {
  [HashCode.sha1]: merkle(HashCode.sha1, 20, sha1),
  [HashCode.sha224]: merkle(HashCode.sha224, 28, sha224),
  [HashCode.sha256]: merkle(HashCode.sha256, 32, sha256),
  [HashCode.sha384]: merkle(HashCode.sha384, 48, sha384),
  [HashCode.sha512]: merkle(HashCode.sha512, 64, sha512),
};

/** The hash function of a code (RFC 7574 §7.6). */
export const hashFunction = (code: HashCode): HashFunction => FUNCTIONS[code];

/** Whether two hashes are the same. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
