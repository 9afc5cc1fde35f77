import { bodyLength, receive } from "./body.ts";
import { pollCodec } from "./encodings.ts";
import { malformed, type RefusalCode, STATUS, TrackerError } from "./errors.ts";
import { refuse } from "./exchange.ts";
import { BODY_TIMEOUT, type Limits } from "./limits.ts";
import type { Signal, SignalCodec, SignalMessage } from "./signal.ts";

/** A mailbox that nobody has asked for one poll and so long is closed, ms: a slow way back. */
const LAPSE_MS = 15_000;
/** Messages that wait in one mailbox; an offer with its candidates is about ten. */
const MAX_MESSAGES = 64;
/** Characters that wait in one mailbox: session descriptions of a whole neighbourhood. */
const MAX_WAITING = 128 * 1024;

/** What the mailboxes of a swarm need from their host. */
export interface MailboxHost {
  readonly limits: Limits;
  /** Whether this member may be signalled with this token. */
  admits(peerId: string, token: string): boolean;
  /** A member can be reached from now on; the members that it may signal. */
  opened(peerId: string): readonly string[];
  /** A member has not asked for so long that it can no longer be reached this way. */
  lapsed(peerId: string): void;
  /** Takes one signal of what a member may send; false when there is none left. */
  maySend(from: string): boolean;
  /** Hands what a member says to another one of the swarm; calls `gone`, now or later, when it cannot be. */
  send(from: string, signal: Signal, gone: () => void): void;
  /** Milliseconds since 1970. */
  now(): number;
  /** An unguessable name. */
  newSession(): string;
}

interface Mailbox {
  readonly session: string;
  /** Messages that the member has not said to have received, oldest first. */
  readonly messages: SignalMessage[];
  /** Messages that it has received. */
  received: number;
  /** Characters of `messages`. */
  size: number;
  /** Last request, milliseconds since 1970. */
  heard: number;
  /** Ends the poll that is held open. */
  wake: () => void;
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
  put(to: string, message: SignalMessage): boolean {
    this.#expire();
    const box = this.#boxes.get(to);
    if (box === undefined || box.messages.length >= MAX_MESSAGES) return false;
    const length = lengthOf(message);
    if (box.size + length > MAX_WAITING || this.#total + length > this.#host.limits.mailboxes) return false;
    box.messages.push(message);
    box.size += length;
    this.#total += length;
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
      const { limits } = this.#host;
      const peerId = new URL(request.url).searchParams.get("peer") ?? "";
      const text = await readText(request, limits.body);
      const codec = pollCodec(request.headers.get("Content-Type"), text);
      const poll = codec.readPoll(text);
      if (!this.#host.admits(peerId, poll.token)) return refuse("forbidden", "Peer not registered");
      const box = this.#open(peerId, poll.session);
      if (box === undefined) return refuse("forbidden", "No such session");
      for (const signal of poll.signals) this.#relay(peerId, signal);
      if (poll.wait === 0) return reply(codec, box.session, []);
      this.#drop(box, poll.received);
      if (box.messages.length === 0) await held(box, Math.min(poll.wait, limits.pollWait) * 1000);
      return reply(codec, box.session, box.messages);
    } catch (error) {
      if (!(error instanceof TrackerError)) {
        console.error("tracker: poll not answered", error);
        return refuse("internal", "Unexpected condition");
      }
      return refuse(error.code in STATUS ? (error.code as RefusalCode) : "malformed", error.message);
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
        messages: [],
        received: 0,
        size: 0,
        heard: now,
        wake: () => undefined,
      };
      this.#boxes.set(peerId, box);
      this.put(peerId, { peers: this.#host.opened(peerId) });
      return box;
    }
    if (box?.session !== session) return undefined;
    box.heard = now;
    this.#boxes.delete(peerId);
    this.#boxes.set(peerId, box);
    return box;
  }

  #relay(from: string, signal: Signal): void {
    if (!this.#host.maySend(from)) throw new TrackerError("unavailable", "Too many signals");
    this.#host.send(from, signal, () => this.put(from, { gone: signal.to }));
  }

  /** Forgets what the member has received, so that an answer that got lost is given again. */
  #drop(box: Mailbox, received: number): void {
    for (; box.received < received && box.messages.length > 0; box.received += 1) {
      const message = box.messages.shift();
      const length = message === undefined ? 0 : lengthOf(message);
      box.size -= length;
      this.#total -= length;
    }
  }

  #expire(): void {
    for (const [peerId, { heard: at }] of this.#boxes) {
      if (at + this.#host.limits.pollWait * 1000 + LAPSE_MS > this.#host.now()) return;
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

/** Characters that a message keeps, about. */
function lengthOf(message: SignalMessage): number {
  if ("from" in message) return message.from.length + message.payload.length;
  return "gone" in message ? message.gone.length : message.peers.join().length;
}

function reply(codec: SignalCodec, session: string, messages: readonly SignalMessage[]): Response {
  return new Response(codec.writeAnswer({ session, messages }), {
    headers: { "Content-Type": codec.contentType, "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*" },
  });
}

/** Bytes of the body of a poll, before anything of it is read. @throws TrackerError "malformed" or "length". */
export function pollLength(request: Request, limit: number): number {
  if (request.method !== "POST") throw malformed("Method is not POST");
  return bodyLength(request.headers.get("Content-Length") ?? undefined, limit);
}

/** @throws TrackerError "malformed", "length" or "timeout". */
async function readText(request: Request, limit: number): Promise<string> {
  const bytes = await receive(request, pollLength(request, limit), BODY_TIMEOUT, false);
  return new TextDecoder().decode(bytes);
}
