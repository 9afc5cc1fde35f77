import { ChunkSet } from "../address/chunk-set.ts";
import type { ChunkRange } from "../address/range.ts";
import { AnswerTime } from "./answer-time.ts";
import { MAX_REQUEST_RANGES, type ChannelSettings, type Millis } from "./settings.ts";

interface Sent {
  readonly at: Millis;
  readonly bytes: number;
  /** Bytes acknowledged when this chunk left. */
  readonly acknowledged: number;
  /** Nothing more was waiting when it left, so it says little about the path's rate. */
  readonly idle: boolean;
  /** It had been sent before, so nobody knows which of the two an ACK answers. */
  readonly again: boolean;
}

/** Window before the path's rate is known, bytes. */
const FIRST_WINDOW = 65_536;
/** The window never falls below this, bytes, nor below two chunks: a lost chunk or two must not stop everything. */
const MIN_WINDOW = 16_384;
/** An unacknowledged chunk leaves the window after about this long before the path's time is known, ms. */
const FIRST_LOST_MS = 4_000;
/** … and within these bounds afterwards: RFC 6298's minimum, and its least maximum. */
const MIN_LOST_MS = 1_000;
const MAX_LOST_MS = 60_000;
const RATE_WEIGHT = 1 / 4;

/** What one peer has asked us for, and how much of it may be on its way at a time. */
export class Upload {
  /**
   * Chunks that were sent and not acknowledged in time, or asked for again. The hashes that they were sent without,
   * because others in flight would bring them, may be lost as well: next time they get all of them.
   */
  readonly doubtful = new ChunkSet();
  /** Chunks that are asked for and not yet taken from the queue. */
  readonly #wanted = new ChunkSet();
  /** The order in which they were asked for; what is not wanted any more is passed over. */
  readonly #queue: ChunkRange[] = [];
  readonly #sent = new Map<number, Sent>();
  readonly #answer = new AnswerTime(FIRST_LOST_MS, MIN_LOST_MS, MAX_LOST_MS);
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

  /** Ranges and chunks that are remembered for this peer: what it costs. */
  get entries(): number {
    return this.doubtful.rangeCount + this.#wanted.rangeCount + this.#queue.length + this.#sent.size;
  }

  /**
   * Bytes of DATA that may be unacknowledged: what the path holds plus `queueMs` of queue, so that an urgent chunk is
   * never stuck behind seconds of others, and never more than `maxWindow`.
   */
  get window(): number {
    if (this.#rate === 0) return Math.min(FIRST_WINDOW, this.#settings.maxWindow);
    const bytes = this.#rate * (this.#minRtt + this.#settings.queueMs);
    return Math.min(this.#settings.maxWindow, Math.max(MIN_WINDOW, 2 * this.#chunkSize, bytes));
  }

  /**
   * Queues a REQUEST behind the earlier ones; chunks that are queued already stay where they are. A chunk in flight counts
   * as lost, with the hashes that went with it, unless it left so recently that the peer cannot have missed it yet: then
   * the REQUEST is a repeat, or has crossed it. Who has never acknowledged anything must be ever more patient.
   */
  request(range: ChunkRange, now: Millis): void {
    const asked = new ChunkSet([range]);
    if (this.#inFlight.intersects(range)) {
      const { mean, backOff, timeout } = this.#answer;
      // The longer nothing is acknowledged, the more seldom it is sent again (REQUEST.1 of RFC 7574 §13.6.6).
      const patience = mean === undefined ? timeout : mean * backOff;
      for (const [chunk, sent] of this.#sent) {
        if (chunk < range.start || chunk > range.end) continue;
        if (now - sent.at < patience) asked.delete({ start: chunk, end: chunk });
        else this.#doubt(chunk, sent, now);
      }
    }
    for (const part of asked) {
      for (const gap of this.#wanted.missing(part)) {
        if (this.#queue.length >= MAX_REQUEST_RANGES) return;
        this.#wanted.add(gap);
        this.#queue.push(gap);
      }
    }
  }

  /** HAVE: the peer needs none of these any more (RFC 7574 §3.8), and what is on its way to it holds no window. */
  held(range: ChunkRange): void {
    this.cancel(range);
    if (!this.#inFlight.intersects(range)) return;
    for (const chunk of this.#sent.keys()) if (chunk >= range.start && chunk <= range.end) this.#drop(chunk);
  }

  /** CANCEL: these chunks are not wanted any more. Ignored from a peer that tears its REQUESTs to shreds. */
  cancel(range: ChunkRange): void {
    if (this.#wanted.rangeCount < 2 * MAX_REQUEST_RANGES) this.#wanted.delete(range);
  }

  /** Forgets all requests, as after a CHOKE. */
  clear(): void {
    this.#wanted.clear();
    this.#queue.length = 0;
  }

  /**
   * The next chunk to send if the window has room for it, in order of arrival (RFC 7574 §3.7); chunks that are not in
   * `have` are passed over. It must be followed by `fetched`.
   */
  next(have: ChunkSet): number | undefined {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const chunk = firstInBoth(this.#wanted, have, head);
      this.#wanted.delete({ start: head.start, end: (chunk ?? head.end + 1) - 1 });
      this.#queue.shift();
      if (chunk === undefined) continue;
      const used = this.#bytes + this.#fetching * this.#chunkSize;
      const full = used > 0 && used + this.#chunkSize > this.window;
      const rest = { start: full ? chunk : chunk + 1, end: head.end };
      if (rest.start <= rest.end) this.#queue.unshift(rest);
      if (full) return undefined;
      this.#wanted.delete({ start: chunk, end: chunk });
      this.#fetching++;
      return chunk;
    }
    return undefined;
  }

  /** The chunk that `next` gave was fetched, or could not be. */
  fetched(): void {
    this.#fetching--;
  }

  /** A chunk goes out. */
  sending(chunk: number, bytes: number, now: Millis): void {
    const again = this.doubtful.has(chunk) || this.#sent.has(chunk);
    this.#drop(chunk);
    this.#sent.set(chunk, { at: now, bytes, acknowledged: this.#acknowledged, idle: this.#queue.length === 0, again });
    this.#inFlight.add({ start: chunk, end: chunk });
    this.#bytes += bytes;
  }

  /** ACK: whether it names anything that was sent; what never was is no news (ACK.1 of RFC 7574 §13.6.4). */
  acknowledge(range: ChunkRange, now: Millis): boolean {
    const known = this.doubtful.intersects(range);
    if (known) this.doubtful.delete(range);
    if (!this.#inFlight.intersects(range)) return known;
    // The latest is the one that is answered now; the ACKs of the others were lost.
    let latest: Sent | undefined;
    for (const [chunk, sent] of this.#sent) {
      if (chunk < range.start || chunk > range.end) continue;
      this.#drop(chunk);
      this.#acknowledged += sent.bytes;
      latest = sent;
    }
    if (latest === undefined || latest.again) return true;
    const elapsed = Math.max(now - latest.at, 0.1);
    this.#answer.sample(elapsed);
    this.#minRtt = Math.min(this.#minRtt, elapsed);
    const rate = (this.#acknowledged - latest.acknowledged) / elapsed;
    if (!latest.idle || rate > this.#rate) this.#rate += (rate - this.#rate) * (this.#rate === 0 ? 1 : RATE_WEIGHT);
    return true;
  }

  /** When the oldest chunk in flight leaves the window unacknowledged; Infinity without one. */
  get timeoutAt(): Millis {
    for (const sent of this.#sent.values()) return sent.at + this.#answer.timeout;
    return Infinity;
  }

  /** Frees the window of chunks that were never acknowledged; the longer none is, the longer the next ones hold it. */
  expire(now: Millis): void {
    const { timeout } = this.#answer;
    for (const [chunk, sent] of this.#sent) {
      if (sent.at + timeout > now) break;
      this.#doubt(chunk, sent, now);
    }
  }

  #doubt(chunk: number, { at }: Sent, now: Millis): void {
    this.#drop(chunk);
    this.#answer.lost(at, now);
    // Forgetting costs a few repeated hashes at most, and a peer that never acknowledges cannot make us remember more.
    if (this.doubtful.rangeCount >= MAX_REQUEST_RANGES) this.doubtful.clear();
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

/** The first chunk of a range that is in both sets; costs one look-up for each gap passed over. */
function firstInBoth(a: ChunkSet, b: ChunkSet, { start, end }: ChunkRange): number | undefined {
  for (let at = start; at <= end;) {
    const inA = firstIn(a, { start: at, end });
    if (inA > end) return undefined;
    at = firstIn(b, { start: inA, end });
    if (at === inA) return at;
  }
  return undefined;
}

/** The first chunk of a range that is in the set; behind the range's end if none is. */
function firstIn(set: ChunkSet, range: ChunkRange): number {
  for (const gap of set.missing(range)) return gap.start > range.start ? range.start : gap.end + 1;
  return range.start;
}
