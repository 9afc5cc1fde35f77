import { ChunkSet } from "../address/chunk-set.ts";
import { AnswerTime } from "./answer-time.ts";
import type { ChannelSettings, Millis } from "./settings.ts";

interface Asked {
  readonly at: Millis;
  /** Bytes that had arrived from this peer when the chunk was asked for. */
  readonly received: number;
}

/** The first answer counts as lost after this, ms: long enough for most, and others are asked soon. What comes later is taken too. */
const FIRST_TIMEOUT_MS = 400;
const RATE_WEIGHT = 1 / 8;
/** Chunks asked for before the peer's rate is known, and their bytes: a slow peer would keep more of them from everybody else. */
const FIRST_OUTSTANDING = 8;
const FIRST_BYTES = 65_536;
/** REQUESTs in flight cover this much of the peer's rate beyond the round trip, ms. */
const AHEAD_MS = 300;
/** … and what is asked for is to come within this part of `maxRequestMs`, or a slow line would be asked for it once more. */
const WITHIN = 3 / 4;
/** Most chunks asked of one peer at a time, however small: each costs memory and a place among its REQUESTs. */
const MAX_OUTSTANDING_CHUNKS = 512;
/** What is outstanding is asked for in this many REQUESTs or fewer. */
const ROUNDS = 4;
/** A peer whose chunks could not be proven this often in a row is asked last. */
const MAX_FRUITLESS = 4;

/** What we have asked one peer for, how fast it answers, and what it failed to deliver. */
export class Download {
  /** Chunks that came from this peer and are not proven yet. */
  unproven = 0;
  /** Whether something has changed since it was last decided what to ask for here: room, what there is, what is wanted. */
  changed = true;
  /**
   * Chunks that this peer failed to deliver; asked elsewhere first from now on. With the REQUEST where they may still
   * come, and undefined where what came could not be proven.
   */
  readonly #late = new Map<number, Asked | undefined>();
  /** The same chunks, to be looked through by ranges. */
  readonly #doubts = new ChunkSet();
  readonly #asked = new Map<number, Asked>();
  /** The latest that were asked for and taken back: they may be on their way, and a peer that has sent them sends them no second time. */
  readonly #cancelled = new Map<number, Asked>();
  readonly #answer: AnswerTime;
  readonly #chunkSize: number;
  /** What is asked for is to come within this, ms. */
  readonly #within: Millis;
  readonly #maxOutstanding: number;
  /** Nothing came of what was asked for; until this time others are asked first. */
  #silentUntil: Millis = -Infinity;
  #received = 0;
  #rate = 0;
  /** How often in a row we waited in vain for the proof of what came. */
  #fruitless = 0;
  #failedAt: Millis = -Infinity;
  /** When the peer choked us last: it has forgotten what it was asked for until then. */
  #chokedAt: Millis = -Infinity;

  constructor({ minRequestMs, maxRequestMs, maxOutstanding }: ChannelSettings, chunkSize: number) {
    this.#within = maxRequestMs * WITHIN;
    this.#answer = new AnswerTime(FIRST_TIMEOUT_MS, minRequestMs, maxRequestMs);
    this.#chunkSize = chunkSize;
    this.#maxOutstanding = Math.max(1, Math.min(MAX_OUTSTANDING_CHUNKS, Math.floor(maxOutstanding / chunkSize)));
  }

  /** Chunks asked for and not answered yet. */
  get outstanding(): number {
    return this.#asked.size;
  }

  /** Content bytes per ms that this peer delivers; 0 while unknown. */
  get rate(): number {
    return this.#rate;
  }

  /** Whether a chunk is asked for here. */
  isAsked(chunk: number): boolean {
    return this.#asked.has(chunk);
  }

  /** Whether others are to be asked for this chunk first: this peer failed to deliver it, or anything of use for long. */
  isDoubted(chunk: number): boolean {
    return this.isUseless || this.#late.has(chunk);
  }

  /** The last chunk up to which all are doubted, from this doubted one on. */
  doubtedUntil(chunk: number): number {
    return this.isUseless ? Infinity : (this.#doubts.rangeAt(chunk)?.end ?? chunk);
  }

  /** The last chunk up to which none is doubted, from this one on; the one before it if this one is. */
  trustedUntil(chunk: number): number {
    if (this.isUseless) return chunk - 1;
    return this.#doubts.next(chunk) - 1;
  }

  /** Whether others are to be asked for everything first: what this peer is asked for does not come, or cannot be proven. */
  get isUseless(): boolean {
    return this.#isSilent || this.#answer.hopeless || this.#fruitless >= MAX_FRUITLESS;
  }

  get #isSilent(): boolean {
    return this.#silentUntil > -Infinity;
  }

  #doubt(chunk: number, asked: Asked | undefined): void {
    this.#late.set(chunk, asked);
    this.#doubts.add({ start: chunk, end: chunk });
  }

  /** The chunks from `start` to `end` that are asked for here. */
  asked(start: number, end: number): number[] {
    if (start === end) return this.#asked.has(start) ? [start] : [];
    return [...this.#asked.keys()].filter((chunk) => chunk >= start && chunk <= end);
  }

  /**
   * How many more chunks may be asked for: enough REQUESTs to cover rate × round trip, and one at a time after silence.
   * Chunks that wait for their proof count as well, so that one peer cannot fill our memory with what cannot be proven.
   * None until there is room for a fair number, so that not every chunk costs a decision and a datagram.
   */
  get room(): number {
    const wanted =
      this.#rate === 0
        ? Math.min(FIRST_OUTSTANDING, FIRST_BYTES / this.#chunkSize)
        : Math.min(
            Math.ceil((this.#rate * (Math.min(this.#answer.mean ?? 0, AHEAD_MS) + AHEAD_MS)) / this.#chunkSize) + 2,
            (this.#rate * this.#within) / this.#chunkSize,
          );
    const limit = Math.min(this.#maxOutstanding, Math.max(1, Math.floor(wanted / this.#answer.backOff)));
    const room = limit - this.#asked.size - this.unproven;
    return room >= limit / ROUNDS || (room > 0 && this.#asked.size === 0) ? room : 0;
  }

  /** When the next chunk asked for now would be here, or the one behind `more` others; from a peer that is silent, only after its time is up. */
  expected(now: Millis, more = 0): Millis {
    if (this.#isSilent) return now + this.#answer.timeout;
    const queued = this.#rate === 0 ? 0 : ((this.#asked.size + more) * this.#chunkSize) / this.#rate;
    return now + queued + (this.#answer.mean ?? 0) / 2;
  }

  /** How long an answer may take, ms. Who is asked although it is silent, since nobody else can be, is asked ever more rarely (RFC 6298). */
  get #patience(): Millis {
    const { timeout, backOff } = this.#answer;
    return this.#isSilent ? timeout : timeout / backOff;
  }

  /** A REQUEST for this chunk goes out. */
  ask(chunk: number, now: Millis): void {
    this.#asked.set(chunk, { at: now, received: this.#received });
  }

  /** A chunk arrived; returns whether it was asked for here, also if it is late or the REQUEST was taken back. */
  arrived(chunk: number, bytes: number, now: Millis): boolean {
    const asked = this.#asked.get(chunk);
    let late = this.#cancelled.get(chunk) ?? this.#late.get(chunk);
    if (asked !== undefined && late !== undefined && late.at <= this.#chokedAt) late = undefined;
    if (asked === undefined && (late === undefined || this.unproven >= this.#maxOutstanding)) return false;
    this.changed = true;
    this.#silentUntil = -Infinity;
    this.#asked.delete(chunk);
    this.#cancelled.delete(chunk);
    if (this.#late.delete(chunk)) this.#doubts.delete({ start: chunk, end: chunk });
    this.#received += bytes;
    // What is late shows how long this peer really takes; were its rate left unknown, a slow line would be asked for too much.
    const { at, received } = late ?? asked!;
    const elapsed = Math.max(now - at, 0.1);
    if (asked !== undefined && late !== undefined) this.#answer.sampleAgain(elapsed, now - asked.at);
    else this.#answer.sample(elapsed);
    const rate = (this.#received - received) / elapsed;
    this.#rate += (rate - this.#rate) * (this.#rate === 0 ? 1 : RATE_WEIGHT);
    return true;
  }

  /** A chunk from here was proven. */
  proved(): void {
    this.#fruitless = 0;
  }

  /** One that arrived at `at` could not be proven in time. */
  failed(chunk: number, at: Millis, now: Millis): void {
    this.#doubt(chunk, undefined);
    if (at < this.#failedAt) return;
    this.#failedAt = now;
    this.#fruitless++;
  }

  /** The chunk is no longer asked for here. Returns whether it was. */
  release(chunk: number): boolean {
    const asked = this.#asked.get(chunk);
    if (asked === undefined) return false;
    this.#asked.delete(chunk);
    this.#cancelled.set(chunk, asked);
    if (this.#cancelled.size > MAX_OUTSTANDING_CHUNKS) this.#cancelled.delete(this.#cancelled.keys().next().value!);
    return true;
  }

  /** Gives up everything that is outstanding and returns it. */
  releaseAll(): number[] {
    const chunks = [...this.#asked.keys()];
    this.#asked.clear();
    return chunks;
  }

  /**
   * CHOKE: gives up everything that is outstanding and returns it. It may be on its way and counts as late, so that a peer
   * that chokes and unchokes all the time is asked for each chunk once (UNCHOKE.1 of RFC 7574 §13.6.9).
   */
  choked(now: Millis): number[] {
    this.#chokedAt = now;
    for (const [chunk, asked] of this.#asked) if (!this.#late.has(chunk)) this.#doubt(chunk, asked);
    return this.releaseAll();
  }

  /** When `expire` must be called next: the oldest REQUEST is due, or a silent peer gets another chance. */
  get timeoutAt(): Millis {
    const chance = this.#isSilent ? this.#silentUntil : Infinity;
    for (const { at } of this.#asked.values()) return Math.min(at + this.#patience, chance);
    return chance;
  }

  /** Takes out the chunks whose time is up, and remembers them as late. */
  expire(now: Millis): number[] {
    const patience = this.#patience;
    const expired: number[] = [];
    if (this.#silentUntil <= now) {
      this.#silentUntil = -Infinity;
      this.changed = true;
    }
    for (const [chunk, asked] of this.#asked) {
      if (asked.at + patience > now) break;
      expired.push(chunk);
      this.#asked.delete(chunk);
      if (!this.#late.has(chunk)) this.#doubt(chunk, asked);
      this.#answer.lost(asked.at, now);
      if (asked.received === this.#received) this.#silentUntil = now + this.#answer.timeout;
    }
    return expired;
  }
}
