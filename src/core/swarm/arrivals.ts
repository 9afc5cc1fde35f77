import type { Connection } from "../connection/connection.ts";
import type { Millis } from "../connection/settings.ts";
import type { Verifier } from "../integrity/verifier.ts";

/** A chunk that came in and is not proven yet. */
export interface Arrival {
  readonly from: Connection;
  readonly chunk: number;
  readonly data: Uint8Array;
  /** One-way delay sample, microseconds. */
  readonly delay: bigint;
  readonly at: Millis;
  /** It was asked for there when it came, and so of nobody else. */
  readonly expected: boolean;
  /** Its hash, as soon as the host has computed it. */
  leaf?: Uint8Array;
}

/** What becomes of arrivals. */
export interface ArrivalsHost {
  readonly verifier: Verifier;
  proven(arrival: Arrival, now: Millis): void;
  /** It leads to another root. */
  refused(arrival: Arrival): void;
  /** Its proof was not complete in time, or its sender is gone. */
  abandoned(arrival: Arrival): void;
}

/**
 * Chunks between their arrival and their proof, at most one of each: first the host hashes them, then they wait for the
 * hashes that lead to the root (RFC 7574 §5.3), which may be late or come from another peer.
 */
export class Arrivals {
  readonly #host: ArrivalsHost;
  readonly #patience: Millis;
  readonly #byChunk = new Map<number, Arrival>();

  /** `patience`: how long a hashed chunk waits for its proof, ms. */
  constructor(host: ArrivalsHost, patience: Millis) {
    this.#host = host;
    this.#patience = patience;
  }

  get size(): number {
    return this.#byChunk.size;
  }

  has(chunk: number): boolean {
    return this.#byChunk.has(chunk);
  }

  /** Takes a chunk that is not here yet; the host is hashing it. */
  add(arrival: Arrival): void {
    arrival.from.download.unproven++;
    this.#byChunk.set(arrival.chunk, arrival);
  }

  /** The host has hashed a chunk. */
  hashed(chunk: number, leaf: Uint8Array, now: Millis): void {
    const arrival = this.#byChunk.get(chunk);
    if (arrival === undefined || arrival.leaf !== undefined) return;
    arrival.leaf = leaf;
    if (this.#decide(arrival, now)) this.retry(now);
    else if (arrival.from.state === "closed" && this.#byChunk.has(chunk)) this.#abandon(arrival);
  }

  /**
   * More hashes came in or were proven: what is waiting may be decided now, and what is proven may prove more. Where
   * hashes came from `only` one peer, nothing of others is looked at until something is proven.
   */
  retry(now: Millis, only?: Connection): void {
    for (let again = true, from = only; again; from = undefined) {
      again = false;
      for (const arrival of this.#byChunk.values())
        if ((from === undefined || arrival.from === from) && this.#decide(arrival, now)) again = true;
    }
  }

  /** No more hashes come from this peer. */
  closed(from: Connection): void {
    for (const arrival of this.#byChunk.values())
      if (arrival.from === from && arrival.leaf !== undefined) this.#abandon(arrival);
  }

  /** When `expire` must be called next. */
  get timeoutAt(): Millis {
    // In the order of their arrival.
    for (const arrival of this.#byChunk.values()) if (arrival.leaf !== undefined) return arrival.at + this.#patience;
    return Infinity;
  }

  /** Gives up what has waited for too long. */
  expire(now: Millis): void {
    for (const arrival of this.#byChunk.values()) {
      const { from, chunk, at, leaf } = arrival;
      if (leaf === undefined || at + this.#patience > now) continue;
      from.download.failed(chunk, at, now);
      this.#abandon(arrival);
    }
  }

  /** Returns whether the chunk is proven now. */
  #decide(arrival: Arrival, now: Millis): boolean {
    const { from, chunk, leaf, data } = arrival;
    if (leaf === undefined) return false;
    const verdict = from.proofs.prove(this.#host.verifier, chunk, leaf, data.length);
    if (verdict === "missing") return false;
    this.#remove(arrival);
    const proven = verdict === "verified";
    if (proven) this.#host.proven(arrival, now);
    else this.#host.refused(arrival);
    return proven;
  }

  #abandon(arrival: Arrival): void {
    this.#remove(arrival);
    this.#host.abandoned(arrival);
  }

  #remove({ from, chunk }: Arrival): void {
    from.download.unproven--;
    from.download.changed = true;
    this.#byChunk.delete(chunk);
  }
}
