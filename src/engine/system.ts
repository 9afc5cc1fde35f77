import { HashCode } from "../core/codec/messages.ts";
import { hashFunction } from "../core/integrity/hashes.ts";
import type { Clock, Digest, Random32 } from "./ports.ts";

/** The host's monotonic clock and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, wake) => {
    const timer = setTimeout(wake, delayMs);
    return () => clearTimeout(timer);
  },
  soon: (work) => queueMicrotask(work),
  unixMicros: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)),
};

const WEB_NAMES: Partial<Record<HashCode, string>> = {
  [HashCode.sha1]: "SHA-1",
  [HashCode.sha256]: "SHA-256",
  [HashCode.sha384]: "SHA-384",
  [HashCode.sha512]: "SHA-512",
};

/** Digest by WebCrypto, or by JavaScript for SHA-224, which WebCrypto lacks, and outside secure contexts. */
export const webDigest: Digest = async (hash, data) => {
  const name = WEB_NAMES[hash];
  const subtle = (globalThis.crypto as Partial<Crypto> | undefined)?.subtle;
  if (name === undefined || subtle === undefined) return hashFunction(hash).digest(data);
  return new Uint8Array(await subtle.digest(name, data as Uint8Array<ArrayBuffer>));
};

/** Unpredictable 32-bit numbers from the host. */
export const systemRandom32: Random32 = () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
