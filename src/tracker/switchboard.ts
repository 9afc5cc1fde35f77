import type { Limits } from "./limits.ts";
import { Mailboxes } from "./mailbox.ts";
import {
  CLOSE,
  exposesAddress,
  receiveSignal,
  type Signal,
  SignalAllowance,
  type SignalCodec,
  type SignalMessage,
} from "./signal.ts";
import type { SwarmTracker } from "./swarm.ts";

/** A signalling socket as a swarm needs it. */
export interface SignalSocket {
  send(text: string): void;
  close(code: number, reason: string): void;
}

/** What signalling needs from its host. */
export interface SwitchboardHost {
  /** Open signalling sockets of one member, or of all. */
  sockets(peerId?: string): readonly SignalSocket[];
  /** The encoding that a socket was opened with. */
  encoding(socket: SignalSocket): SignalCodec;
  /** Hands a message to the object that the receiver is at, which says whether it got it; undefined when that is this one. */
  pass?(to: string, message: SignalMessage): Promise<boolean> | undefined;
  /** Last sign of life on the member's signalling socket, milliseconds since 1970; 0 when it has none. */
  heard(peerId: string): number;
  /** Milliseconds since 1970. */
  now(): number;
  /** An unguessable name. */
  newToken(): string;
}

/** What signalling must know of the swarm. */
type Roster = Pick<SwarmTracker, "admits" | "opened" | "closed" | "isRelayOnly">;

/** Signalling between the members of one swarm, over sockets and polls, and to members at other objects (docs/PROTOCOL.md). */
export class Switchboard {
  readonly #host: SwitchboardHost;
  readonly #limits: Limits;
  readonly #roster: () => Roster;
  readonly #mailboxes: Mailboxes;
  /** Of members that have signalled: a new socket or session is no new allowance. */
  readonly #allowances = new Map<string, SignalAllowance>();
  #delivered = 0;

  /** @param roster - asked for with each message, because it is made with this */
  constructor(host: SwitchboardHost, limits: Limits, roster: () => Roster) {
    this.#host = host;
    this.#limits = limits;
    this.#roster = roster;
    this.#mailboxes = new Mailboxes({
      limits,
      admits: (peerId, token) => roster().admits(peerId, token),
      opened: (peerId) => {
        this.#closeAll(peerId, CLOSE.replaced, "replaced by a poll");
        return roster().opened(peerId);
      },
      lapsed: (peerId) => {
        if (host.sockets(peerId).length === 0) roster().closed(peerId);
      },
      maySend: (from) => this.#maySend(from),
      send: (from, signal, gone) => this.#send(from, signal, gone),
      now: () => host.now(),
      newSession: () => host.newToken(),
    });
  }

  /** A member's signalling socket is open: its first message. */
  opened(peerId: string, codec: SignalCodec): string {
    this.#mailboxes.delete(peerId);
    return codec.writeMessage({ peers: this.#roster().opened(peerId) });
  }

  /** A member's last signalling socket has closed. */
  closed(peerId: string): void {
    if (!this.#mailboxes.has(peerId)) this.#roster().closed(peerId);
  }

  /** Answers a poll, for members whose network lets no socket through. Never rejects. */
  poll(request: Request): Promise<Response> {
    return this.#mailboxes.answer(request);
  }

  /** A message from a member's socket that is open. */
  receive(socket: SignalSocket, from: string, message: unknown): void {
    if (!this.#maySend(from)) {
      socket.close(CLOSE.tooMany, "too many signals");
      return;
    }
    const codec = this.#host.encoding(socket);
    const signal = receiveSignal(codec, message);
    if ("code" in signal) {
      socket.close(signal.code, signal.reason);
      return;
    }
    this.#send(from, signal, () => socket.send(codec.writeMessage({ gone: signal.to })));
  }

  /** Hands a message to a member that is here; false when it cannot be reached. */
  hand(to: string, message: SignalMessage): boolean {
    const [receiver] = this.#host.sockets(to);
    if (receiver === undefined) return this.#mailboxes.put(to, message);
    receiver.send(this.#host.encoding(receiver).writeMessage(message));
    this.#delivered += 1;
    return true;
  }

  /** A member's registration has ended, or is at another object from now on. */
  ended(peerId: string, moved?: true): void {
    this.#mailboxes.delete(peerId);
    this.#allowances.delete(peerId);
    if (moved) this.#closeAll(peerId, CLOSE.moved, "swarm has grown");
    else this.#closeAll(peerId, CLOSE.ended, "registration ended");
  }

  /** Whether a member can be signalled here. */
  reaches(peerId: string): boolean {
    return this.#host.sockets(peerId).length > 0 || this.#mailboxes.has(peerId);
  }

  /** Last sign of life on the member's signalling socket or poll, milliseconds since 1970; 0 when it has none. */
  heard(peerId: string): number {
    return Math.max(this.#host.heard(peerId), this.#mailboxes.heard(peerId));
  }

  /** Signals handed to sockets since the last call. */
  count(): number {
    const count = this.#delivered;
    this.#delivered = 0;
    return count;
  }

  /** Takes one signal of what a member may send. */
  #maySend(from: string): boolean {
    const now = this.#host.now();
    const allowance = this.#allowances.get(from) ?? new SignalAllowance(now, this.#limits);
    this.#allowances.set(from, allowance);
    return allowance.take(now);
  }

  /** Hands a signal to a member of the swarm, wherever it is; calls `gone`, now or later, when it cannot or may not be. */
  #send(from: string, { to, payload }: Signal, gone: () => void): void {
    // A relay-only member's own addresses go to nobody, not even by its own fault.
    if (this.#roster().isRelayOnly(from) && exposesAddress(payload)) return gone();
    const message = { from, payload };
    if (this.hand(to, message)) return;
    const passed = this.#host.pass?.(to, message);
    if (passed === undefined) return gone();
    // `passed` never rejects.
    void passed.then((reached) => (reached ? undefined : gone()));
  }

  #closeAll(peerId: string, code: number, reason: string): void {
    for (const socket of this.#host.sockets(peerId)) socket.close(code, reason);
  }
}
