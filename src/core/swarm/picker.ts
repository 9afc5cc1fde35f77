import { ChunkSet } from "../address/chunk-set.ts";
import type { ChunkRange } from "../address/range.ts";
import type { Connection } from "../connection/connection.ts";
import type { Millis } from "../connection/settings.ts";

/** Chunks that somebody waits for, until `deadline` (Infinity: in no hurry; one that has passed: before all else, and of whoever has them). */
export interface Want {
  readonly chunks: ChunkRange;
  readonly deadline: Millis;
}

/** What a picker may look at. */
export interface PickerView {
  /** Earliest deadline first. */
  readonly wants: readonly Want[];
  /** Chunks that are held, asked for, or being hashed. */
  readonly busy: ChunkSet;
  readonly connections: Iterable<Connection>;
  readonly chunkSize: number;
}

/**
 * Chooses which chunks to ask of a peer now, at most `room` (RFC 7574 §9.1): wanted, not busy, and held by the peer, the
 * most urgent first. Pure. Asked for each channel on which something changed and that has room for more REQUESTs, so
 * that its work must be bounded, whatever peers announce.
 */
export type Picker = (view: PickerView, connection: Connection, room: number, now: Millis) => number[];

/** What is wanted and not held, without these chunks. */
export function without(wants: readonly Want[], chunks: ChunkRange, have: ChunkSet): Want[] {
  return wants.flatMap(({ chunks: wanted, deadline }) => {
    const rest = new ChunkSet([wanted]);
    rest.delete(chunks);
    return [...rest].filter((left) => !have.covers(left)).map((left) => ({ chunks: left, deadline }));
  });
}

/** Of what is overdue no more chunks are looked at than this. */
const MOST_LOOKED = 512;
/** Chunks that are compared for rarity at a time: enough for variety, and it bounds the work of one decision. */
const SAMPLE = 8;

/**
 * Deadline first, then rarest: the wants in the order of their deadlines, and within one the chunks that the fewest
 * peers have. A chunk that this peer would deliver too late is left to others, and so is one that another peer has too while
 * this one has failed to deliver it once, or has not delivered anything for long (HAVE.1, UNCHOKE.2 of RFC 7574 §13.6).
 * Each channel begins at another place of a want, so that neighbours with the same wants do not all take the same from one peer,
 * but different chunks, and give them to each other. What is overdue is asked for from the end: the origin sends it from the front,
 * and would send all that it has to pass over once more.
 */
export const deadlineThenRarest: Picker = (view, connection, room, now) => {
  const picked: number[] = [];
  let others: Connection[] | undefined;
  for (const want of view.wants) {
    if (picked.length >= room) break;
    if (!connection.peerHas.intersects(want.chunks)) continue;
    if (isTooLate(want, connection.download.expected(now), now)) continue;
    others ??= [...view.connections].filter((other) => other !== connection && other.state === "established");
    const candidates =
      want.deadline <= now
        ? last(view, connection, others, want, room - picked.length)
        : sample(view, connection, others, want, Math.max(SAMPLE, room));
    if (candidates.length > room - picked.length) {
      const rarity = new Map<number, number>();
      for (const chunk of candidates) rarity.set(chunk, holders(others, chunk));
      candidates.sort((a, b) => (rarity.get(a) ?? 0) - (rarity.get(b) ?? 0));
    }
    for (const chunk of candidates) {
      if (picked.length >= room || isTooLate(want, connection.download.expected(now, picked.length), now)) break;
      picked.push(chunk);
    }
  }
  return picked;
};

/** The last chunks of a want that a peer has, at most so many, that are not busy and not left to others; the last one first. */
function last(
  { busy }: PickerView,
  connection: Connection,
  others: readonly Connection[],
  { chunks }: Want,
  most: number,
): number[] {
  const found: number[] = [];
  let looked = 0;
  for (const held of connection.peerHas.present(chunks).reverse()) {
    for (const { start, end } of busy.missing(held).reverse()) {
      for (let chunk = end; chunk >= start; chunk--) {
        if (found.length >= most || looked++ >= MOST_LOOKED) return found;
        if (!isLeftToOthers(others, connection, chunk)) found.push(chunk);
      }
    }
  }
  return found;
}

/** At most so many chunks that a peer has, that are not busy and not left to others; beginning at another place in each channel. */
function sample(
  { busy }: PickerView,
  connection: Connection,
  others: readonly Connection[],
  { chunks: { start, end } }: Want,
  most: number,
): number[] {
  const { peerHas, channel } = connection;
  const first = start + (channel % (end - start + 1));
  const found: number[] = [];
  // By ranges of what the peer has and of what is busy: no step is wasted on a single chunk.
  const take = (from: number, to: number): void => {
    for (let chunk = peerHas.next(from); chunk <= to && found.length < most; chunk = peerHas.next(chunk)) {
      const free = busy.nextMissing(chunk);
      if (free > chunk) {
        chunk = free;
        continue;
      }
      const trusted = passOver(others, connection, chunk, Math.min(to, peerHas.nextMissing(chunk) - 1));
      if (trusted > chunk) {
        chunk = trusted;
        continue;
      }
      found.push(chunk);
      chunk++;
    }
  };
  take(first, end);
  take(start, first - 1);
  return found;
}

/** What a peer has of these chunks and is not busy; beginning at another place in each channel. */
export function* offered(
  { busy }: PickerView,
  { peerHas, channel }: Connection,
  { start, end }: ChunkRange,
): Generator<ChunkRange> {
  const first = start + (channel % (end - start + 1));
  for (const part of [
    { start: first, end },
    { start, end: first - 1 },
  ]) {
    // Step by step, since what a liar has announced is in many ranges.
    for (let at = peerHas.next(part.start); at <= part.end; at = peerHas.next(at)) {
      const until = Math.min(part.end, peerHas.nextMissing(at) - 1, busy.next(at) - 1);
      if (until >= at) yield { start: at, end: until };
      at = Math.max(until + 1, busy.nextMissing(at));
    }
  }
}

/** The first chunk from `start` to `end` that is not left to others; behind `end` if all are. By ranges: a liar may announce 2^32 chunks. */
function passOver(others: readonly Connection[], connection: Connection, start: number, end: number): number {
  let chunk = start;
  while (chunk <= end && connection.download.isDoubted(chunk)) {
    const doubted = connection.download.doubtedUntil(chunk);
    let left = chunk - 1;
    for (const { choked, peerHas, download } of others) {
      const held = choked ? undefined : peerHas.rangeAt(chunk);
      if (held !== undefined) left = Math.max(left, Math.min(held.end, download.trustedUntil(chunk)));
    }
    if (left < chunk) break;
    chunk = Math.min(left, doubted) + 1;
  }
  return chunk;
}

/** Whether this peer failed to deliver a chunk, or anything for long, and another can be asked for it. */
export function isLeftToOthers(others: readonly Connection[], connection: Connection, chunk: number): boolean {
  if (!connection.download.isDoubted(chunk)) return false;
  return others.some(({ choked, peerHas, download }) => !choked && peerHas.has(chunk) && !download.isDoubted(chunk));
}

/** Whether a peer may be asked for a chunk, wanted or not: it has it, and it is neither busy nor left to others. */
export function mayAsk({ busy, connections }: PickerView, connection: Connection, chunk: number): boolean {
  if (!connection.peerHas.has(chunk) || busy.has(chunk)) return false;
  return !isLeftToOthers(
    [...connections].filter((other) => other !== connection),
    connection,
    chunk,
  );
}

/** Whether chunks that would be here at `soonest` are too late for a want; whose deadline has passed already takes them whenever they come. */
export const isTooLate = ({ deadline }: Want, soonest: Millis, now: Millis): boolean =>
  now < deadline && soonest > deadline;

/** How many of these peers have a chunk. */
export function holders(others: readonly Connection[], chunk: number): number {
  let count = 0;
  for (const { peerHas } of others) if (peerHas.has(chunk)) count++;
  return count;
}
