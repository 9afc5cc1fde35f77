import { ChunkSet } from "../address/chunk-set.ts";
import type { ChunkRange } from "../address/range.ts";
import { MAX_REQUEST_RANGES, type ChannelSettings, type Millis } from "./settings.ts";

interface Sent {
  readonly at: Millis;
  readonly bytes: number;
  /** Bytes acknowledged when this chunk left. */
  readonly acknowledged: number;
  /** Nothing more was waiting when it left, so it says little about the path's rate. */
  readonly idle: boolean;
}

/** Window before the path's rate is known, bytes. */
const FIRST_WINDOW = 65_536;
/** An unacknowledged chunk leaves the window after this long, ms: the peer asks again if it was lost. */
const LOST_MS = 4_000;
const RATE_WEIGHT = 1 / 4;

/** What one peer has asked us for, and how much of it may be on its way at a time. */
export class Upload {
  /**
   * Chunks that were sent and not acknowledged in time, or asked for again. The hashes that they were sent without,
   * because others in flight would bring them, may be lost as well: next time they get all of them.
   */
  readonly doubtful = new ChunkSet();
  /** Chunks that are asked for and not yet taken from the queue: the same chunks as in `#queue`. */
  readonly #wanted = new ChunkSet();
  #queue: ChunkRange[] = [];
  readonly #sent = new Map<number, Sent>();
  readonly #settings: ChannelSettings;
  readonly #chunkSize: number;
  readonly #inFlight = new ChunkSet();
  #bytes = 0;
  /** Chunks taken from the queue whose bytes the host is fetching. */
  #fetching = 0;
  #acknowledged = 0;
  #rate = 0;
  #minRtt = Infinity;

  constructor(settings: ChannelSettings, chunkSize: number) {
    this.#settings = settings;
    this.#chunkSize = chunkSize;
  }

  /** Chunks on their way, not yet acknowledged. */
  get inFlight(): ChunkSet {
    return this.#inFlight;
  }

  /**
   * Bytes of DATA that may be unacknowledged: what the path holds plus `queueMs` of queue, so that an urgent chunk is
   * never stuck behind seconds of others, and never more than `maxWindow`.
   */
  get window(): number {
    if (this.#rate === 0) return Math.min(FIRST_WINDOW, this.#settings.maxWindow);
    const bytes = this.#rate * (this.#minRtt + this.#settings.queueMs);
    return Math.min(this.#settings.maxWindow, Math.max(2 * this.#chunkSize, bytes));
  }

  /** Queues a REQUEST behind the earlier ones; chunks that are queued already stay where they are. */
  request(range: ChunkRange): void {
    for (const gap of this.#wanted.missing(range)) {
      if (this.#queue.length >= MAX_REQUEST_RANGES) return;
      this.#wanted.add(gap);
      this.#queue.push(gap);
    }
  }

  /** CANCEL, or HAVE from the peer: these chunks are not wanted any more. */
  cancel(range: ChunkRange): void {
    this.#wanted.delete(range);
    this.#queue = this.#queue.flatMap((queued) => subtract(queued, range));
  }

  /** Forgets all requests, as after a CHOKE. */
  clear(): void {
    this.#wanted.clear();
    this.#queue = [];
  }

  /**
   * The next chunk to send if the window has room for it, in order of arrival (RFC 7574 §3.7). It must be followed by
   * `fetched`.
   */
  next(): number | undefined {
    const used = this.#bytes + this.#fetching * this.#chunkSize;
    if (used > 0 && used + this.#chunkSize > this.window) return undefined;
    const head = this.#queue[0];
    if (head === undefined) return undefined;
    if (head.start === head.end) this.#queue.shift();
    else this.#queue[0] = { start: head.start + 1, end: head.end };
    this.#wanted.delete({ start: head.start, end: head.start });
    this.#fetching++;
    return head.start;
  }

  /** The chunk that `next` gave was fetched, or could not be. */
  fetched(): void {
    this.#fetching--;
  }

  /** A chunk goes out. */
  sending(chunk: number, bytes: number, now: Millis): void {
    this.#drop(chunk);
    this.#sent.set(chunk, { at: now, bytes, acknowledged: this.#acknowledged, idle: this.#queue.length === 0 });
    this.#inFlight.add({ start: chunk, end: chunk });
    this.#bytes += bytes;
  }

  /** ACK: returns the bytes that it newly acknowledges, 0 if it names nothing that was sent (ACK.1 of RFC 7574 §13.6.4). */
  acknowledge(range: ChunkRange, now: Millis): number {
    let bytes = 0;
    for (const [chunk, sent] of this.#sent) {
      if (chunk < range.start || chunk > range.end) continue;
      this.#drop(chunk);
      this.doubtful.delete({ start: chunk, end: chunk });
      bytes += sent.bytes;
      this.#acknowledged += sent.bytes;
      const elapsed = Math.max(now - sent.at, 0.1);
      this.#minRtt = Math.min(this.#minRtt, elapsed);
      const rate = (this.#acknowledged - sent.acknowledged) / elapsed;
      if (!sent.idle || rate > this.#rate) this.#rate += (rate - this.#rate) * (this.#rate === 0 ? 1 : RATE_WEIGHT);
    }
    return bytes;
  }

  /** The peer asks again for chunks in flight: they, and the hashes that went with them, count as lost. */
  lost(range: ChunkRange): void {
    for (const chunk of this.#sent.keys()) if (chunk >= range.start && chunk <= range.end) this.#doubt(chunk);
  }

  /** When the oldest chunk in flight leaves the window unacknowledged; Infinity without one. */
  get timeoutAt(): Millis {
    for (const sent of this.#sent.values()) return sent.at + LOST_MS;
    return Infinity;
  }

  /** Frees the window of chunks that were never acknowledged. */
  expire(now: Millis): void {
    for (const [chunk, sent] of this.#sent) {
      if (sent.at + LOST_MS > now) return;
      this.#doubt(chunk);
    }
  }

  #doubt(chunk: number): void {
    this.#drop(chunk);
    this.doubtful.add({ start: chunk, end: chunk });
  }

  #drop(chunk: number): void {
    const sent = this.#sent.get(chunk);
    if (sent === undefined) return;
    this.#sent.delete(chunk);
    this.#inFlight.delete({ start: chunk, end: chunk });
    this.#bytes -= sent.bytes;
  }
}

function subtract(from: ChunkRange, range: ChunkRange): ChunkRange[] {
  if (range.end < from.start || range.start > from.end) return [from];
  const rest: ChunkRange[] = [];
  if (from.start < range.start) rest.push({ start: from.start, end: range.start - 1 });
  if (from.end > range.end) rest.push({ start: range.end + 1, end: from.end });
  return rest;
}
