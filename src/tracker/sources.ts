/** A bucket of one source: how much it may still ask, and when that was known. */
interface Bucket {
  left: number;
  at: number;
}

/** How often each source may ask: a bucket for each, in a table that never grows beyond its bound. */
export class SourceLimiter {
  readonly #buckets = new Map<string, Bucket>();
  readonly #limit: number;
  rate: number;
  burst: number;

  /**
   * @param rate - per second in the long run; 0: no limit
   * @param burst - at once
   * @param limit - sources that are remembered
   */
  constructor(rate: number, burst: number, limit: number) {
    this.rate = rate;
    this.burst = burst;
    this.#limit = limit;
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Whether this source may ask once more. @param now - milliseconds */
  take(source: string, now: number): boolean {
    if (this.rate === 0) return true;
    const key = networkOf(source);
    const bucket = this.#buckets.get(key) ?? { left: this.burst, at: now };
    // Back to the end: the front is who was silent longest.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#limit) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    bucket.left = Math.min(this.burst, bucket.left + (Math.max(0, now - bucket.at) / 1000) * this.rate);
    bucket.at = now;
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }
}

/** What one subscriber has: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(source: string): string {
  if (!source.includes(":")) return source;
  if (/^::ffff:\d+\.\d+\.\d+\.\d+$/iu.test(source)) return source.slice(7);
  const [head = "", tail] = source.toLowerCase().split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  const groups = [...before, ...zeros, ...after].slice(0, 4);
  return groups.map((group) => group.replace(/^0+(?=.)/u, "")).join(":");
}
