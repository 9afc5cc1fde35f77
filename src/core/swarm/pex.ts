import type { Message, PexResV4, PexResV6 } from "../codec/messages.ts";
import type { Connection } from "../connection/connection.ts";
import type { Output } from "../connection/outputs.ts";
import { addressKey, mayTell, normalised, type PeerAddress } from "../connection/peer-address.ts";
import type { Millis } from "../connection/settings.ts";

/** Only who was heard within this time is named, ms (RFC 7574 §3.10.1 MUST). */
export const ALIVE_MS = 60_000;
/** Addresses in the answer to one PEX_REQ: 57 octets of IPv4, 153 of IPv6, less than a HANDSHAKE with HAVEs. */
export const MAX_ANSWERS = 8;
/** One peer's PEX_REQs are answered once in this time, ms. */
export const ANSWER_MS = 10_000;
/** A PEX_REQ of ours may be answered for this long, ms: the longest round trips, with a loss. */
export const ANSWER_WAIT_MS = 5_000;
/** A peer is asked again after this time, ms: half of what its answers look back on, so that nobody who stays is missed. */
export const ASK_MS = 30_000;
/** … and after at most this time, as long as its answers bring nothing: the wait doubles each time. */
export const MAX_ASK_MS = 480_000;
/** With so many peers nobody is asked for more. */
export const ENOUGH_PEERS = 32;

/** What PEX needs of its swarm. */
export interface ExchangeHost {
  readonly key: string;
  readonly out: Output[];
  /** Chunks that are wanted; whether all are held. Peers are looked for only where some are not. */
  readonly wants: readonly unknown[];
  readonly complete: boolean;
  /** Messages are queued for this channel. */
  touch(connection: Connection): void;
}

interface Acquaintance {
  readonly peer: PeerAddress;
  /** Its next PEX_REQ is answered from then on. */
  answerAt: Millis;
  /** It is asked then. */
  askAt: Millis;
  interval: Millis;
  /** Answers that are awaited, and until when. */
  awaited: number;
  awaitedUntil: Millis;
}

/**
 * Peer address exchange of one swarm with PEX_REQ, PEX_RESv4 and PEX_RESv6 (RFC 7574 §3.10, §8.13, §13.2), over links
 * that have an address. What comes out is told to the host, which decides whom to contact.
 */
export class PeerExchange {
  readonly #host: ExchangeHost;
  /** Channels that are open, in the order of their opening. */
  readonly #acquaintances = new Map<Connection, Acquaintance>();
  /** No acquaintance is to be asked before. */
  #askAt: Millis = Infinity;
  /** Where the next answer begins, so that each names others. */
  #turn = 0;

  constructor(host: ExchangeHost) {
    this.#host = host;
  }

  /** A channel is open: its peer has shown that it is where it says (RFC 7574 §13.1.1). */
  opened(connection: Connection, now: Millis): void {
    if (connection.address === undefined) return;
    this.#acquaintances.set(connection, {
      peer: normalised(connection.address),
      answerAt: now,
      askAt: now,
      interval: ASK_MS,
      awaited: 0,
      awaitedUntil: now,
    });
    this.#askAt = now;
    this.ask(now);
  }

  closed(connection: Connection): void {
    this.#acquaintances.delete(connection);
  }

  /** When `ask` must be called next. */
  get wakeAt(): Millis {
    // Looked at after each input; who has nobody to ask is through at once.
    const idle = this.#askAt === Infinity || this.#host.wants.length === 0 || this.#host.complete;
    return idle ? Infinity : this.#askAt;
  }

  /** Sends PEX_REQ to whom it is time to ask, as long as chunks are wanted. */
  ask(now: Millis): void {
    if (now < this.wakeAt) return;
    this.#askAt = Infinity;
    const enough = this.#acquaintances.size >= ENOUGH_PEERS;
    for (const [connection, known] of this.#acquaintances) {
      if (now >= known.askAt) {
        known.askAt = now + known.interval;
        if (!enough && connection.say({ type: "PEX_REQ" })) {
          known.interval = Math.min(2 * known.interval, MAX_ASK_MS);
          known.awaited = MAX_ANSWERS;
          known.awaitedUntil = now + ANSWER_WAIT_MS;
          this.#host.touch(connection);
        }
      }
      this.#askAt = Math.min(this.#askAt, known.askAt);
    }
  }

  /** A message came in; what is not PEX, or over a link without an address, has no effect. */
  take(from: Connection, message: Message, now: Millis): void {
    const known = this.#acquaintances.get(from);
    if (known === undefined) return;
    if (message.type === "PEX_REQ") this.#answer(from, known, now);
    if (message.type === "PEX_RESv4" || message.type === "PEX_RESv6") this.#learn(from, known, message, now);
  }

  #answer(to: Connection, asker: Acquaintance, now: Millis): void {
    if (now < asker.answerAt) return;
    asker.answerAt = now + ANSWER_MS;
    const own = addressKey(asker.peer);
    const peers: PeerAddress[] = [];
    for (const [{ heardAt }, { peer }] of this.#acquaintances) {
      if (heardAt + ALIVE_MS < now || addressKey(peer) === own) continue;
      if (mayTell(peer.address, asker.peer.address)) peers.push(peer);
    }
    const first = peers.length > MAX_ANSWERS ? this.#turn % peers.length : 0;
    this.#turn = first + MAX_ANSWERS;
    for (const { address, port } of [...peers.slice(first), ...peers.slice(0, first)].slice(0, MAX_ANSWERS))
      to.say({ type: address.length === 4 ? "PEX_RESv4" : "PEX_RESv6", address, port });
    this.#host.touch(to);
  }

  /** Counts only in answer to us; an address that we would not have told this peer is not believed from it either. */
  #learn(from: Connection, teller: Acquaintance, message: PexResV4 | PexResV6, now: Millis): void {
    if (teller.awaited === 0 || now > teller.awaitedUntil) return;
    teller.awaited--;
    const { address, port } = normalised(message);
    if (port === 0 || !mayTell(address, teller.peer.address) || this.#knows(message)) return;
    teller.interval = ASK_MS;
    teller.askAt = now + ASK_MS;
    this.#askAt = Math.min(this.#askAt, teller.askAt);
    // A copy, since the host may keep it longer than the datagram.
    this.#host.out.push({ type: "peer", swarm: this.#host.key, link: from.link, address: address.slice(), port });
  }

  #knows(address: PeerAddress): boolean {
    const key = addressKey(address);
    for (const { peer } of this.#acquaintances.values()) if (addressKey(peer) === key) return true;
    return false;
  }
}

/** PEX for a swarm whose links have addresses. */
export const peerExchange = (host: ExchangeHost): PeerExchange => new PeerExchange(host);
