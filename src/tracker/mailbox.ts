import { malformed, TrackerError } from "./errors.ts";
import { refuse } from "./exchange.ts";
import { MAX_BODY } from "./limits.ts";
import { readSignal, SignalAllowance } from "./signal.ts";

/** Longest time that a poll is held open, s: proxies end requests that are silent for 30 s. */
export const MAX_POLL_WAIT = 25;
/** A mailbox that nobody has asked for so long is closed, ms: one poll, and a slow way back. */
const LAPSE_MS = 40_000;
/** Messages that wait in one mailbox; an offer with its candidates is about ten. */
const MAX_MESSAGES = 64;
/** Characters that wait in one mailbox: session descriptions of a whole neighbourhood. */
const MAX_WAITING = 128 * 1024;
/** Characters that wait in all mailboxes of a swarm: an object has 128 MiB. */
const MAX_TOTAL = 16 * 1024 * 1024;
/** Signals in one request. */
const MAX_SIGNALS = 64;

/** What the mailboxes of a swarm need from their host. */
export interface MailboxHost {
  /** Whether this member may be signalled with this token. */
  admits(peerId: string, token: string): boolean;
  /** A member can be reached from now on; the members that it may signal. */
  opened(peerId: string): readonly string[];
  /** A member has not asked for so long that it can no longer be reached this way. */
  lapsed(peerId: string): void;
  /** Hands a message to a member that has a socket; false when it has none. */
  deliver(to: string, text: string): boolean;
  /** Milliseconds since 1970. */
  now(): number;
  /** An unguessable name. */
  newSession(): string;
}

interface Mailbox {
  readonly session: string;
  readonly allowance: SignalAllowance;
  /** Messages that the member has not said to have received, oldest first. */
  readonly messages: string[];
  /** Messages that it has received. */
  received: number;
  /** Characters of `messages`. */
  size: number;
  /** Last request, milliseconds since 1970. */
  heard: number;
  /** Ends the poll that is held open. */
  wake: () => void;
}

/** Body of a poll. */
interface Poll {
  readonly token: string;
  readonly session?: string;
  readonly received: number;
  readonly signals: readonly unknown[];
  /** Milliseconds; 0: only hands over signals. */
  readonly waitMs: number;
}

/** Signalling for members whose network lets no WebSocket through: they ask again and again (docs/PROTOCOL.md). */
export class Mailboxes {
  readonly #host: MailboxHost;
  /** Longest silent first: only the front is ever looked at. */
  readonly #boxes = new Map<string, Mailbox>();
  #total = 0;

  constructor(host: MailboxHost) {
    this.#host = host;
  }

  /** Whether this member can be reached here. */
  has(peerId: string): boolean {
    this.#expire();
    return this.#boxes.has(peerId);
  }

  /** Last sign of life, milliseconds since 1970; 0 for who has no mailbox. */
  heard(peerId: string): number {
    return this.#boxes.get(peerId)?.heard ?? 0;
  }

  /** Keeps a message for a member; false when it has no mailbox, or no room in it. */
  put(to: string, text: string): boolean {
    this.#expire();
    const box = this.#boxes.get(to);
    if (box === undefined || box.messages.length >= MAX_MESSAGES) return false;
    if (box.size + text.length > MAX_WAITING || this.#total + text.length > MAX_TOTAL) return false;
    box.messages.push(text);
    box.size += text.length;
    this.#total += text.length;
    box.wake();
    return true;
  }

  /** The member's registration is over, or it has a socket again. */
  delete(peerId: string): void {
    const box = this.#boxes.get(peerId);
    if (box === undefined) return;
    this.#boxes.delete(peerId);
    this.#total -= box.size;
    box.wake();
  }

  /** Answers one request to `/signal/poll`. Never rejects. */
  async answer(request: Request): Promise<Response> {
    try {
      const peerId = new URL(request.url).searchParams.get("peer") ?? "";
      const poll = readPoll(await readText(request));
      if (!this.#host.admits(peerId, poll.token)) return refuse("forbidden", "Peer not registered");
      const box = this.#open(peerId, poll.session);
      if (box === undefined) return refuse("forbidden", "No such session");
      for (const signal of poll.signals) this.#relay(peerId, box, signal);
      if (poll.waitMs === 0) return reply(box.session, []);
      this.#drop(box, poll.received);
      if (box.messages.length === 0) await held(box, poll.waitMs);
      return reply(box.session, box.messages);
    } catch (error) {
      if (!(error instanceof TrackerError)) {
        console.error("tracker: poll not answered", error);
        return refuse("internal", "Unexpected condition");
      }
      if (error.code === "unavailable") return refuse("unavailable", error.message);
      return refuse("malformed", error.message);
    }
  }

  /** The mailbox of this session, or a new one for who names none. */
  #open(peerId: string, session: string | undefined): Mailbox | undefined {
    this.#expire();
    const now = this.#host.now();
    let box = this.#boxes.get(peerId);
    if (session === undefined) {
      this.delete(peerId);
      box = {
        session: this.#host.newSession(),
        allowance: new SignalAllowance(now),
        messages: [],
        received: 0,
        size: 0,
        heard: now,
        wake: () => undefined,
      };
      this.#boxes.set(peerId, box);
      this.put(peerId, JSON.stringify({ peers: this.#host.opened(peerId) }));
      return box;
    }
    if (box?.session !== session) return undefined;
    box.heard = now;
    this.#boxes.delete(peerId);
    this.#boxes.set(peerId, box);
    return box;
  }

  #relay(from: string, box: Mailbox, signal: unknown): void {
    if (!box.allowance.take(this.#host.now())) throw new TrackerError("unavailable", "Too many signals");
    const relay = readSignal(from, JSON.stringify(signal));
    if (relay.kind === "close") throw malformed(relay.reason);
    if (this.#host.deliver(relay.to, relay.text) || this.put(relay.to, relay.text)) return;
    this.put(from, JSON.stringify({ gone: relay.to }));
  }

  /** Forgets what the member has received, so that an answer that got lost is given again. */
  #drop(box: Mailbox, received: number): void {
    for (; box.received < received && box.messages.length > 0; box.received += 1) {
      const { length } = box.messages.shift() ?? "";
      box.size -= length;
      this.#total -= length;
    }
  }

  #expire(): void {
    for (const [peerId, { heard: at }] of this.#boxes) {
      if (at + LAPSE_MS > this.#host.now()) return;
      this.delete(peerId);
      this.#host.lapsed(peerId);
    }
  }
}

/** Resolves when there is a message, another poll takes this one's place, or the time is over. */
function held(box: Mailbox, waitMs: number): Promise<void> {
  box.wake();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    box.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

function reply(session: string, messages: readonly string[]): Response {
  const body = `{"session":${JSON.stringify(session)},"messages":[${messages.join(",")}]}`;
  return new Response(body, {
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*" },
  });
}

/** @throws TrackerError "malformed". */
async function readText(request: Request): Promise<string> {
  if (request.method !== "POST") throw malformed("Method is not POST");
  const length = Number(request.headers.get("Content-Length") ?? "0");
  if (!(length <= MAX_BODY)) throw malformed("Message body too large");
  const text = await request.text().catch(() => "");
  if (text.length > MAX_BODY) throw malformed("Message body too large");
  return text;
}

/** @throws TrackerError "malformed". */
function readPoll(text: string): Poll {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("Not JSON");
  }
  if (typeof value !== "object" || value === null) throw malformed("Not a poll");
  const { token, session, received = 0, signals = [], wait = 0 } = value as Readonly<Record<string, unknown>>;
  if (typeof token !== "string") throw malformed("Missing token");
  if (session !== undefined && typeof session !== "string") throw malformed("Bad session");
  if (!Number.isSafeInteger(received) || !Array.isArray(signals) || signals.length > MAX_SIGNALS) {
    throw malformed("Not a poll");
  }
  if (typeof wait !== "number" || !(wait >= 0)) throw malformed("Bad wait");
  return {
    token,
    ...(session !== undefined && { session }),
    received: received as number,
    signals: signals as unknown[],
    waitMs: Math.min(wait, MAX_POLL_WAIT) * 1000,
  };
}
