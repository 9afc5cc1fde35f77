import { ChunkSet } from "../address/chunk-set.ts";
import type { ChunkRange } from "../address/range.ts";
import { AnswerTime } from "./answer-time.ts";
import { Ledbat } from "./ledbat.ts";
import { MAX_REQUEST_RANGES, type ChannelSettings, type Millis } from "./settings.ts";
import type { Uplink } from "./uplink.ts";

/** What is told to our line. */
type Line = Pick<Uplink, "sent" | "ended" | "acknowledged">;

interface Sent {
  readonly at: Millis;
  readonly bytes: number;
  /** Counts what is sent to this peer. */
  readonly number: number;
  /** It had been sent before, so nobody knows which of the two an ACK answers. */
  readonly again: boolean;
}

/** An unacknowledged chunk leaves the window after about this long before the path's time is known, ms. */
const FIRST_LOST_MS = 4_000;
/** … and within these bounds afterwards: half of RFC 6298's minimum, since a peer acknowledges at once or 40 ms later; its least maximum. */
const MIN_LOST_MS = 500;
const MAX_LOST_MS = 60_000;
/** First window where the link has a congestion control of its own, as SCTP under a data channel, bytes: what that one may not send waits there. */
const RELIABLE_WINDOW = 131_072;
/** A chunk is lost when one that left this much later is acknowledged, and the usual time for an ACK is over (RFC 9002 §6.1). */
const REORDERING = 3;
const LATE = 9 / 8;

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
  readonly #chunkSize: number;
  readonly #inFlight = new ChunkSet();
  readonly #path: Ledbat;
  /** The link repeats what it lost by itself, only later. */
  readonly #reliable: boolean;
  readonly #uplink: Line;
  #bytes = 0;
  /** Chunks taken from the queue whose bytes the host is fetching. */
  #fetching = 0;
  #number = 0;
  /** Number of the latest chunk that was acknowledged. */
  #latest = 0;

  constructor(settings: ChannelSettings, chunkSize: number, reliable: boolean, uplink: Line) {
    this.#chunkSize = chunkSize;
    this.#uplink = uplink;
    this.#reliable = reliable;
    this.#path = new Ledbat(chunkSize, settings.maxWindow, reliable ? RELIABLE_WINDOW : undefined);
  }

  /** Chunks on their way, not yet acknowledged. */
  get inFlight(): ChunkSet {
    return this.#inFlight;
  }

  /** Ranges and chunks that are remembered for this peer: what it costs. */
  get entries(): number {
    return this.doubtful.rangeCount + this.#wanted.rangeCount + this.#queue.length + this.#sent.size;
  }

  /** Bytes of DATA that may be unacknowledged (RFC 6817). */
  get window(): number {
    return this.#path.window;
  }

  /**
   * Queues a REQUEST behind the earlier ones; chunks that are queued already stay where they are. A chunk in flight counts
   * as lost, with the hashes that went with it, unless it left so recently that the peer cannot have missed it yet: then
   * the REQUEST is a repeat, or has crossed it. Who has never acknowledged anything must be ever more patient.
   */
  request(range: ChunkRange, now: Millis): void {
    if (this.#inFlight.intersects(range)) this.#doubt(range, now);
    // Before anything is looked for, since a flood of REQUESTs costs as much as they find.
    if (this.#queue.length >= MAX_REQUEST_RANGES) return;
    for (const part of this.#inFlight.missing(range)) {
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
    for (const { chunk } of this.#sentIn(range)) this.#drop(chunk);
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
    const sent = { at: now, bytes, number: ++this.#number, again };
    this.#sent.set(chunk, sent);
    this.#uplink.sent(sent);
    this.#inFlight.add({ start: chunk, end: chunk });
    this.#bytes += bytes;
  }

  /** Nothing is on its way any more: the channel is closed. */
  close(): void {
    for (const sent of this.#sent.values()) this.#uplink.ended(sent);
  }

  /**
   * ACK with its one-way delay, microseconds; returns whether it names anything that was sent: what never was is no news
   * (ACK.1 of RFC 7574 §13.6.4).
   */
  acknowledge(range: ChunkRange, delay: bigint, now: Millis): boolean {
    const known = this.doubtful.intersects(range);
    if (known) this.doubtful.delete(range);
    if (!this.#inFlight.intersects(range)) return known;
    const flight = this.#bytes;
    // The latest is the one that is answered now; the others' ACKs were lost, or are in this one.
    let latest: Sent | undefined;
    for (const { chunk, sent } of this.#sentIn(range)) {
      this.#drop(chunk);
      if (latest === undefined || sent.number > latest.number) latest = sent;
    }
    if (latest === undefined) return true;
    this.#latest = Math.max(this.#latest, latest.number);
    if (latest.again) {
      this.#answer.alive();
    } else {
      const elapsed = Math.max(now - latest.at, 0.1);
      this.#answer.sample(elapsed);
      const acked = flight - this.#bytes;
      this.#path.acknowledged(acked, flight, millis(delay), elapsed, now);
      this.#uplink.acknowledged(acked, elapsed, this.#path.queueing, now);
    }
    if (!this.#reliable) this.#repair(now);
    return true;
  }

  /** When the oldest chunk in flight leaves the window unacknowledged; Infinity without one. */
  get timeoutAt(): Millis {
    for (const sent of this.#sent.values()) return sent.at + this.#answer.timeout;
    return Infinity;
  }

  /**
   * Frees the window of chunks that were never acknowledged; the longer none is, the longer the next ones hold it. Where the link repeats
   * what it lost, the ACK is late, as behind a peer's own chunks on a slow line, and the window only halves, as for any loss.
   */
  expire(now: Millis): void {
    const { timeout } = this.#answer;
    for (const [chunk, sent] of this.#sent) {
      if (sent.at + timeout > now) break;
      this.#lose(chunk, sent, now);
      if (!this.#reliable) this.#path.silent();
    }
  }

  /** Sends again at once, before all others, what was overtaken; if that is lost too, the peer must ask again. */
  #repair(now: Millis): void {
    const late = LATE * (this.#answer.mean ?? 0);
    for (const [chunk, sent] of this.#sent) {
      if (sent.number + REORDERING > this.#latest || now - sent.at < late) return;
      this.#lose(chunk, sent, now);
      if (sent.again || this.#queue.length >= MAX_REQUEST_RANGES) continue;
      this.#wanted.add({ start: chunk, end: chunk });
      this.#queue.unshift({ start: chunk, end: chunk });
    }
  }

  /** Gives up what is asked for again. From the oldest on, since a flood of REQUESTs must not look at all that is in flight. */
  #doubt(range: ChunkRange, now: Millis): void {
    const patience = this.#answer.mean ?? this.#answer.timeout;
    for (const [chunk, sent] of this.#sent) {
      if (now - sent.at < patience) return;
      if (chunk >= range.start && chunk <= range.end) this.#lose(chunk, sent, now);
    }
  }

  #lose(chunk: number, { at }: Sent, now: Millis): void {
    this.#drop(chunk);
    this.#answer.lost(at, now);
    this.#path.lost(at, now);
    // Forgetting costs a few repeated hashes at most, and a peer that never acknowledges cannot make us remember more.
    if (this.doubtful.rangeCount >= MAX_REQUEST_RANGES) this.doubtful.clear();
    this.doubtful.add({ start: chunk, end: chunk });
  }

  /** What is in flight of a range, ascending. */
  #sentIn(range: ChunkRange): { chunk: number; sent: Sent }[] {
    const found: { chunk: number; sent: Sent }[] = [];
    for (const { start, end } of this.#inFlight.present(range)) {
      for (let chunk = start; chunk <= end; chunk++) found.push({ chunk, sent: this.#sent.get(chunk)! });
    }
    return found;
  }

  #drop(chunk: number): void {
    const sent = this.#sent.get(chunk);
    if (sent === undefined) return;
    this.#sent.delete(chunk);
    this.#inFlight.delete({ start: chunk, end: chunk });
    this.#bytes -= sent.bytes;
    this.#uplink.ended(sent);
  }
}

/** A delay sample as ms: the difference of two clocks, so it may be negative. */
const millis = (delay: bigint): Millis => Number(BigInt.asIntN(64, delay)) / 1000;

/** The first chunk of a range that is in both sets; costs one look-up for each gap passed over. */
function firstInBoth(a: ChunkSet, b: ChunkSet, { start, end }: ChunkRange): number | undefined {
  for (let at = start; at <= end;) {
    const inA = a.next(at);
    at = b.next(inA);
    if (at === inA && at <= end) return at;
  }
  return undefined;
}
