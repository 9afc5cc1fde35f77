import { ChunkSet } from "../core/address/chunk-set.ts";
import type { ChunkRange } from "../core/address/range.ts";

/** What a schedule may look at. Bytes per ms, ms, chunks. */
export interface ScheduleView {
  /** Parts of a range that an open, unchoking neighbour has. */
  covered(range: ChunkRange): ChunkSet;
  /** Neighbours with an open channel. */
  readonly neighbours: number;
  /** Whether neighbours may turn up at any moment, so that whoever has time should wait for them. */
  readonly expecting: boolean;
  /** What all neighbours together have delivered of late; 0 while unknown. */
  readonly peerRate: number;
  /** How long so many bytes take from the origin. */
  expectedHttpMs(bytes: number): number;
  /** Time from which on asking the origin makes sense; later than now only after failures. */
  readonly httpDownUntil: number;
  readonly chunkSize: number;
  /** This viewer's lot for a block that begins with `chunk`: see `drawLot`. */
  lot(block: number, chunk: number): number;
}

/** Why the origin is asked: there is no neighbour, time is short, or none of the neighbours has it and the lot fell on us. */
export type Why = "alone" | "late" | "lot";

/** What is to be done now. */
export interface Orders {
  /** Ask the origin for these chunks. */
  readonly start: ChunkRange | undefined;
  /** … and why. */
  readonly why: Why;
  /** What the origin is sending is not needed any more. */
  readonly stop: boolean;
  readonly unwant: readonly ChunkRange[];
  /** Chunks to want of neighbours from now on, until `deadline`. */
  readonly want: readonly { readonly chunks: ChunkRange; readonly deadline: number }[];
  /** When to decide again if nothing happens, ms from now. */
  readonly again: number;
  /** When to decide again if something happens, ms from now: what happens until then is looked at together. */
  readonly pause: number;
}

/** The origin is asked when no more than twice its expected time plus this is left, ms: time for a failure and a second try. */
const MARGIN_MS = 1_000;
/** … and at the very last when its expected time plus this is left, ms, whatever neighbours promise. */
const LAST_MS = 600;
/** A deadline that has passed: asked for before all else, and of whoever has it. */
const URGENT = 0;
/** Longest wait between two decisions while the deadline is not far, ms. */
const LOOK_MS = 200;
/** Neighbours that are fast enough have this long to show it before the origin is asked side by side with them, ms. */
const GRACE_MS = 250;
/** From a REQUEST to its answer where nothing is known, ms. */
const ANSWER_MS = 50;
/** The origin keeps no more than one in so many chunks for itself: neighbours' rates show only once they are asked for much. */
const SHARE = 3;
/** Who has just met somebody may meet others who have more, ms. */
const SETTLE_MS = 400;
/** Who fetches a block is known by more and more of it; without more for so long, ms, it is anybody's again. */
const COMING_MS = 500;
/** Nobody waits longer than this for others to fetch something, ms, however far the deadline is. */
const PATIENCE_MS = 60_000;
/** What one viewer fetches from the origin for all, in one request, bytes: several times what arrives before others have heard of it. */
const BLOCK_BYTES = 262_144;

/** Of a long request no more is asked for than one to two times this beyond what the player has taken, bytes: more than any segment, and little beside a page's memory. */
const STEP_BYTES = 8_388_608;

/** In a hurry, otherwise, and with a far deadline, ms: what happens meanwhile is one decision. */
const SHORT_PAUSE_MS = 20;
const LONG_PAUSE_MS = 100;
const CALM_PAUSE_MS = 400;
/** A deadline is far when this is left beyond the origin's time, ms: what neighbours have comes by itself. */
const CALM_MS = 5_000;

/**
 * Decides, for one request of the player, what comes from neighbours and what from the origin. Pure: what it is told and
 * the time are all that it knows.
 *
 * - Whatever neighbours have is asked of them. When that becomes too slow for the deadline, the origin delivers from the
 *   front and they go on from the other end, until they meet: the sum of both rates.
 * - What no neighbour has, somebody must fetch: each viewer draws a lot for each block, most draw late ones, and whoever's
 *   time comes first fetches it for all, as receivers of multicast do with their feedback (RFC 4654 §2.5.1). The others see it
 *   coming by HAVE. When the deadline is near, each fetches for itself.
 */
export class Schedule {
  readonly #view: ScheduleView;
  readonly #missing: (range: ChunkRange) => ChunkRange[];
  readonly #chunks: ChunkRange;
  /** Since when there is somebody to share with, ms. */
  #since: number | undefined;
  readonly #began: number;
  /** What the origin sends: the chunk that is coming, and the last one. */
  #http: { at: number; readonly end: number } | undefined;
  /** The chunk before which the last response to us ended. */
  #ownFront: number | undefined;
  /** By block, the first chunk of it that nobody has, as far as we know; and since when it is that one if others have those before it, ms. */
  readonly #fronts = new Map<number, { readonly chunk: number; readonly since: number }>();
  #wanted = new ChunkSet();
  #wantedUntil = 0;

  /** `chunks`: those of the request; `missing`: parts of a range that are neither held nor handed out; `now`: ms. */
  constructor(view: ScheduleView, missing: (range: ChunkRange) => ChunkRange[], chunks: ChunkRange, now: number) {
    this.#view = view;
    this.#missing = missing;
    this.#chunks = chunks;
    this.#began = now;
  }

  /** The origin has sent all chunks before this one. */
  fetched(next: number): void {
    if (this.#http !== undefined) this.#http.at = next;
  }

  /** The origin has ended, or was stopped. */
  ended(): void {
    this.#ownFront = this.#http?.at;
    this.#http = undefined;
  }

  /** Another request took back its want for these chunks: if they are wanted here, that must be said again. */
  unwanted(chunks: ChunkRange): void {
    this.#wanted.delete(chunks);
  }

  /** Takes back all wants, for good. */
  close(): readonly ChunkRange[] {
    const wanted = this.#wanted.present(this.#chunks);
    this.#wanted.clear();
    return wanted;
  }

  /** The last chunk that is asked for while `next` is still needed. */
  end(next: number): number {
    const { start, end } = this.#chunks;
    const step = Math.max(1, Math.floor(STEP_BYTES / this.#view.chunkSize));
    return Math.min(end, start + (Math.floor((next - start) / step) + 2) * step - 1);
  }

  /** `next`: the first chunk that is still needed; `deadline`: when the last one must be here, ms; `yields`: the origin is busy with what matters more. */
  decide(next: number, deadline: number, now: number, yields = false): Orders {
    const view = this.#view;
    const gaps = this.#missing({ start: next, end: this.end(next) });
    const [first] = gaps;
    let start: ChunkRange | undefined;
    let why: Why = "late";
    let stop = this.#http !== undefined;
    if (first === undefined) return { start, why, stop, unwant: [], want: [], again: Infinity, pause: LONG_PAUSE_MS };
    if (view.neighbours > 0) this.#since ??= now;
    // Once for all gaps: to ask each neighbour about each of them costs more than everything else here.
    const supply = view.covered({ start: first.start, end: gaps.at(-1)!.end });
    const covered = gaps.flatMap((gap) => supply.present(gap));
    const open = gaps.flatMap((gap) => supply.missing(gap));
    const expected = view.expectedHttpMs(count(gaps) * view.chunkSize);
    const late = this.#isLate(expected, covered, deadline - now);
    const calm = open.length === 0 && this.#http === undefined && now < deadline - expected - CALM_MS;
    let again = calm ? CALM_PAUSE_MS : LOOK_MS;
    if (this.#http !== undefined) {
      stop = this.#isOvertaken(gaps, covered, late);
    } else if (!yields && now >= view.httpDownUntil) {
      if (late) {
        start = this.#isGraced(covered, gaps, now) ? undefined : first;
      } else if (open.length > 0 && view.neighbours === 0) {
        start = view.expecting ? undefined : open[0];
        why = "alone";
      } else if (open.length > 0) {
        const next = this.#drawn(open, deadline, now);
        if (next.at <= now) start = next.block;
        else again = Math.min(again, next.at - now);
        why = "lot";
      }
      if (start !== undefined) this.#http = { at: start.start, end: start.end };
    }
    const until = late ? URGENT : Math.max(deadline, now + MARGIN_MS);
    const { unwant, want } = this.#want(this.#ofPeers(gaps, covered, late), until);
    const pause = late ? SHORT_PAUSE_MS : calm ? CALM_PAUSE_MS : LONG_PAUSE_MS;
    return { start, why, stop, unwant, want, again, pause };
  }

  /** Whether the origin, which needs `expected` ms for all that is missing, must help with what neighbours have. */
  #isLate(expected: number, covered: readonly ChunkRange[], left: number): boolean {
    if (left <= expected + LAST_MS) return true;
    if (this.#view.neighbours === 0) return left <= 2 * expected + MARGIN_MS;
    return left <= expected + MARGIN_MS && count(covered) > 0 && this.#peersMs(covered) > left / 2;
  }

  /** How long neighbours need for these chunks at their rate, ms; Infinity while it is unknown. */
  #peersMs(chunks: readonly ChunkRange[]): number {
    const { peerRate, chunkSize } = this.#view;
    return peerRate === 0 ? Infinity : ANSWER_MS + (count(chunks) * chunkSize) / peerRate;
  }

  /** Neighbours are known to be through before the origin has begun: they get the chance. */
  #isGraced(covered: readonly ChunkRange[], gaps: readonly ChunkRange[], now: number): boolean {
    if (now >= this.#began + GRACE_MS || count(covered) < count(gaps)) return false;
    return this.#peersMs(covered) < this.#view.expectedHttpMs(this.#view.chunkSize);
  }

  /** Whether what the origin still has to send comes, or has come, from neighbours. */
  #isOvertaken(gaps: readonly ChunkRange[], covered: readonly ChunkRange[], late: boolean): boolean {
    const { at, end } = this.#http!;
    if (!gaps.some((gap) => gap.start <= end && gap.end >= at)) return true;
    // Somebody is ahead with the same block.
    const ahead = Math.min(at + 1, end);
    return !late && covered.some((range) => range.start <= ahead && range.end >= ahead);
  }

  /** The block whose time comes first, of what no neighbour has. */
  #drawn(
    open: readonly ChunkRange[],
    deadline: number,
    now: number,
  ): { readonly block: ChunkRange; readonly at: number } {
    const expected = this.#view.expectedHttpMs(count(open) * this.#view.chunkSize);
    const since = this.#since ?? now;
    const lastAt = Math.min(deadline - 2 * expected - MARGIN_MS, since + PATIENCE_MS);
    let best = { block: open[0]!, at: Infinity, lot: Infinity };
    const size = Math.max(1, Math.floor(BLOCK_BYTES / this.#view.chunkSize));
    for (const block of blocks(open, size)) {
      const number = Math.floor(block.start / size);
      const lot = this.#view.lot(number, block.start);
      const from = Math.min(since + SETTLE_MS, lastAt);
      // Where the request begins, or our own response ended, nobody has.
      const begun = block.start % size !== 0 && block.start !== this.#chunks.start && block.start !== this.#ownFront;
      const coming = this.#isComing(number, block.start, begun, now);
      const at = Math.max(now, coming ? lastAt : from + (lastAt - from) * Math.max(0, lot));
      if (at < best.at || (at === best.at && lot < best.lot)) best = { block, at, lot };
    }
    return best;
  }

  /** Notes how far a block is, and tells whether somebody seems to be fetching it from `chunk` on, or the one before it and so perhaps this one next, as who was alone does. */
  #isComing(block: number, chunk: number, begun: boolean, now: number): boolean {
    const seen = this.#fronts.get(block);
    const front = seen?.chunk === chunk ? seen : { chunk, since: begun ? now : -Infinity };
    this.#fronts.set(block, front);
    const { since } = begun ? front : (this.#fronts.get(block - 1) ?? front);
    return now < since + COMING_MS;
  }

  /** What is left to neighbours. */
  #ofPeers(gaps: readonly ChunkRange[], covered: readonly ChunkRange[], late: boolean): ChunkRange[] {
    const http = this.#http;
    if (http === undefined) return late ? [...covered] : [...gaps];
    if (!late) return minus(gaps, { start: http.at, end: http.end });
    return minus(covered, { start: this.#chunks.start, end: this.#meet(http, covered) });
  }

  /** Where the origin, from the front, and neighbours, from the other end, will meet. */
  #meet({ at, end }: { readonly at: number; readonly end: number }, covered: readonly ChunkRange[]): number {
    const { peerRate, chunkSize } = this.#view;
    const ahead = count(covered.map((range) => ({ start: Math.max(range.start, at), end: Math.min(range.end, end) })));
    const most = Math.ceil(ahead / SHARE);
    if (peerRate === 0) return at + most;
    const originMs = this.#view.expectedHttpMs(chunkSize) - this.#view.expectedHttpMs(0);
    const peerMs = chunkSize / peerRate;
    return at + Math.min(most, Math.ceil((ANSWER_MS + ahead * peerMs) / (originMs + peerMs)));
  }

  #want(ranges: readonly ChunkRange[], deadline: number): Pick<Orders, "want" | "unwant"> {
    const before = this.#wanted;
    this.#wanted = new ChunkSet(ranges);
    const unwant = before
      .present(this.#chunks)
      .flatMap((range) => this.#wanted.missing(range))
      .flatMap((range) => this.#missing(range));
    // A deadline that moved a little is the same deadline.
    const moved = Math.abs(deadline - this.#wantedUntil) >= LOOK_MS;
    if (moved) this.#wantedUntil = deadline;
    const fresh = moved ? ranges : ranges.flatMap((range) => before.missing(range));
    return { want: fresh.map((chunks) => ({ chunks, deadline })), unwant };
  }
}

/** Ranges without the chunks of another. */
function minus(ranges: readonly ChunkRange[], other: ChunkRange): ChunkRange[] {
  const set = new ChunkSet([other]);
  return ranges.flatMap((range) => set.missing(range));
}

function count(ranges: readonly ChunkRange[]): number {
  let sum = 0;
  for (const { start, end } of ranges) if (end >= start) sum += end - start + 1;
  return sum;
}

/** Ranges, cut at the borders of blocks of `size` chunks. */
function* blocks(ranges: readonly ChunkRange[], size: number): Generator<ChunkRange> {
  for (const { start, end } of ranges) {
    for (let from = start; from <= end;) {
      const to = Math.min(end, (Math.floor(from / size) + 1) * size - 1);
      yield { start: from, end: to };
      from = to + 1;
    }
  }
}
