import { BaseLink, join } from "./base.ts";

/** How a pair in memory mistreats datagrams. */
export interface MemoryOptions {
  /** Names of the two ends, as the other sees them. */
  readonly ids?: readonly [string, string];
  /** @defaultValue 262144 bytes, as over WebRTC */
  readonly maxDatagram?: number;
  /** Share of datagrams that are lost, sent twice, or overtaken, 0 to 1 each. @defaultValue 0 */
  readonly loss?: number;
  readonly duplication?: number;
  readonly reordering?: number;
  /** Makes the mistreatment repeatable. @defaultValue 1 */
  readonly seed?: number;
}

/** Bytes under way in one direction; more is lost. */
const UNDER_WAY_MAX = 2 * 1024 * 1024;

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
const seeded = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

class MemoryLink extends BaseLink {
  readonly maxDatagram: number;
  readonly reliable: boolean;
  readonly #options: MemoryOptions;
  readonly #random: () => number;
  #other: MemoryLink | undefined;
  #underWay: Uint8Array[] = [];
  #bytes = 0;

  constructor(id: string, options: MemoryOptions, random: () => number) {
    super(id);
    this.maxDatagram = options.maxDatagram ?? 256 * 1024;
    this.reliable = options.loss === undefined;
    this.#options = options;
    this.#random = random;
  }

  pair(other: MemoryLink): void {
    this.#other = other;
    other.#other = this;
  }

  send(head: Uint8Array, payload?: Uint8Array): void {
    const { loss = 0, duplication = 0, reordering = 0 } = this.#options;
    const length = head.length + (payload?.length ?? 0);
    if (this.closed || length > this.maxDatagram || this.#bytes + length > UNDER_WAY_MAX) return;
    if (this.#random() < loss) return;
    if (this.#underWay.length === 0) setTimeout(() => this.#arrive(), 0);
    const copies = this.#random() < duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const place =
        this.#random() < reordering ? Math.floor(this.#random() * this.#underWay.length) : this.#underWay.length;
      this.#underWay.splice(place, 0, join(head, payload));
      this.#bytes += length;
    }
  }

  close(): void {
    if (!this.end()) return;
    // After what is under way, as a stream reset follows the data.
    setTimeout(() => this.#other?.end(), 0);
  }

  #arrive(): void {
    const datagrams = this.#underWay;
    this.#underWay = [];
    this.#bytes = 0;
    for (const datagram of datagrams) this.#other?.deliver(datagram);
  }
}

/** Two ends of one link inside a program; datagrams arrive in a later task. */
export const memoryPair = (options: MemoryOptions = {}): [BaseLink, BaseLink] => {
  const random = seeded(options.seed ?? 1);
  const [first, second] = options.ids ?? ["first", "second"];
  const left = new MemoryLink(second, options, random);
  const right = new MemoryLink(first, options, random);
  left.pair(right);
  return [left, right];
};
