/** Peers that others told us of and that have a link at a time, at most (RFC 7574 §13.2.1). */
export const MAX_INTRODUCED = 16;
/** They are never more than the other links, except that a peer that knows nobody else may have so many. */
export const FEW_INTRODUCED = 4;
/** An address whose channel ended is not contacted again for this long, ms, whoever tells it. */
export const FORGET_MS = 300_000;
/** Addresses that are remembered for that; the oldest go first. */
const MAX_REMEMBERED = 1_024;

/** What differs for addresses that come from elsewhere than PEX. */
export interface IntroductionLimits {
  /** So many may have a link whatever other links there are. @defaultValue FEW_INTRODUCED */
  readonly few?: number;
  /** How long an address whose channel ended is left alone, ms. @defaultValue FORGET_MS */
  readonly forgetMs?: number;
}

/**
 * Which of the addresses that come by PEX are contacted. Others may tell us what they like, so these never outnumber the
 * peers that the user named and that came by themselves, and a named peer never gives way to one of them
 * (RFC 7574 §3.10.1, §13.2.3).
 */
export class Introductions {
  readonly #current = new Set<string>();
  /** Addresses that were contacted in vain or are gone, and until when they are left alone. */
  readonly #ended = new Map<string, number>();
  readonly #few: number;
  readonly #forgetMs: number;

  constructor({ few = FEW_INTRODUCED, forgetMs = FORGET_MS }: IntroductionLimits = {}) {
    this.#few = few;
    this.#forgetMs = forgetMs;
  }

  /** How many have a link now. */
  get size(): number {
    return this.#current.size;
  }

  /** Whether to contact an address that has no link, with `links` links in all; if so it counts from now on. */
  admit(id: string, links: number, now: number): boolean {
    const most = Math.min(MAX_INTRODUCED, Math.max(this.#few, links - this.#current.size));
    if (this.#current.size >= most || (this.#ended.get(id) ?? 0) > now) return false;
    this.#current.add(id);
    return true;
  }

  /** The channel over this link has ended; nothing happens for other links. */
  ended(id: string, now: number): void {
    if (!this.#current.delete(id)) return;
    this.#ended.delete(id);
    this.#ended.set(id, now + this.#forgetMs);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > MAX_REMEMBERED && oldest !== undefined) this.#ended.delete(oldest);
  }
}
