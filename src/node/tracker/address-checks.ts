import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { isIP, isIPv6 } from "node:net";
import { addressKey } from "../../core/connection/peer-address.ts";
import { DatagramError, decodeDatagram, encodeDatagram, hashSize, readChannel } from "../../core/codec/datagram.ts";
import { ChunkAddressing, type Format, HashCode, IntegrityMethod, type Message } from "../../core/codec/messages.ts";
import type { AddressCheck } from "../../tracker/further.ts";
import { CHECK_TRIES, MAX_CHECKS, MAX_CHECK_GUESSES } from "../../tracker/limits.ts";
import { SourceLimiter } from "../../tracker/sources.ts";
import { octetsOf } from "../udp/octets.ts";

/** How long an answer is waited for, ms, before the HANDSHAKE is repeated or the check given up. */
const ANSWER_MS = 1000;
/** Checks that one network may ask for, and that may go to one network, at once; and per second in the long run. */
const BURST = 20;
const RATE = 0.5;
/** Peers that state the same address at the same time. */
const CLAIMS = 8;
/** Networks whose rate is remembered. */
const NETWORKS = 10_000;

/** The tracker does not know how a swarm names its chunks: it asks in the order in which swarms are likely to. */
const ADDRESSINGS = [
  ChunkAddressing.chunk32,
  ChunkAddressing.bin32,
  ChunkAddressing.chunk64,
  ChunkAddressing.bin64,
  ChunkAddressing.byte64,
];
const FORMAT: Format = { addressing: ChunkAddressing.chunk32, hashSize: 32, signatureSize: 0 };

interface Check {
  readonly swarm: Uint8Array;
  readonly hash: HashCode;
  readonly ip: string;
  readonly port: number;
  readonly answered: (() => void)[];
  /** Source channel of our HANDSHAKE: only whoever receives it there can name it. */
  nonce: number;
  /** Index in ADDRESSINGS. */
  addressing: number;
  tries: number;
  /** Datagrams from that address that did not name it. */
  guesses: number;
  timer?: NodeJS.Timeout;
}

/**
 * Finds out whether a peer of a swarm is at a UDP address, by PPSPP itself: the tracker sends a HANDSHAKE for the swarm as
 * any peer would, and the peer's own HANDSHAKE in answer names the channel that the tracker drew at random (RFC 7574
 * §8.4, §13.1). A request costs more octets than what it makes the tracker send, and whoever gets the HANDSHAKE unasked
 * gets it twice and never again.
 */
export class AddressChecks {
  /** By address, one check at a time. */
  readonly #checks = new Map<string, Check>();
  readonly #sockets = new Map<boolean, Socket>();
  readonly #askers = new SourceLimiter(RATE, BURST, NETWORKS);
  readonly #targets = new SourceLimiter(RATE, BURST, NETWORKS);
  readonly #all: SourceLimiter;

  /** @param rate - most checks per second; 0: there are none */
  constructor(rate: number) {
    this.#all = new SourceLimiter(rate, Math.max(1, rate), 1);
  }

  /** Checks that run. */
  get size(): number {
    return this.#checks.size;
  }

  /** Starts a check if bounds allow, or joins one of the same address. See CheckAddress. */
  check({ swarmId, source, address: { ip, port } }: AddressCheck, answered: () => void): void {
    const hash = hashOf(swarmId);
    if (hash === undefined || isIP(ip) === 0 || this.#all.rate === 0) return;
    const key = keyOf(ip, port);
    const running = this.#checks.get(key);
    if (running !== undefined) {
      if (running.answered.length < CLAIMS && hexOf(running.swarm) === swarmId) running.answered.push(answered);
      return;
    }
    const now = Date.now();
    if (this.#checks.size >= MAX_CHECKS || !this.#askers.take(source, now)) return;
    if (!this.#targets.take(ip, now) || !this.#all.take("", now)) return;
    const swarm = Uint8Array.from(Buffer.from(swarmId, "hex"));
    const check: Check = { swarm, hash, ip, port, answered: [answered], nonce: 0, addressing: 0, tries: 0, guesses: 0 };
    this.#checks.set(key, check);
    this.#ask(key, check);
  }

  /** Gives all checks up and frees the ports. */
  close(): void {
    for (const key of this.#checks.keys()) this.#end(key);
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #ask(key: string, check: Check): void {
    if (check.tries === CHECK_TRIES) {
      this.#end(key);
      return;
    }
    check.tries += 1;
    while (check.nonce === 0) check.nonce = randomBytes(4).readUInt32BE();
    const options = {
      version: 1,
      minVersion: 1,
      swarmId: check.swarm,
      integrityMethod: IntegrityMethod.merkle,
      hashFunction: check.hash,
      chunkAddressing: ADDRESSINGS[check.addressing]!,
    };
    this.#send(check, 0, { type: "HANDSHAKE", channel: check.nonce, options });
    check.timer = setTimeout(() => this.#ask(key, check), ANSWER_MS);
    check.timer.unref();
  }

  #received(datagram: Uint8Array, ip: string, port: number): void {
    const key = keyOf(ip, port);
    const check = this.#checks.get(key);
    if (check === undefined) return;
    try {
      if (readChannel(datagram) !== check.nonce) {
        check.guesses += 1;
        if (check.guesses > MAX_CHECK_GUESSES) this.#end(key);
        return;
      }
      const [answer] = decodeDatagram(datagram, FORMAT).messages;
      if (answer?.type !== "HANDSHAKE") return;
      clearTimeout(check.timer);
      if (answer.channel === 0) {
        // Not in this swarm, or the swarm names its chunks in another way. Each further question is paid for by an answer.
        check.addressing += 1;
        check.tries = 0;
        check.nonce = 0;
        if (check.addressing < ADDRESSINGS.length) this.#ask(key, check);
        else this.#end(key);
        return;
      }
      this.#send(check, answer.channel, { type: "HANDSHAKE", channel: 0, options: {} });
      this.#end(key);
      for (const answered of check.answered) answered();
    } catch (error) {
      if (!(error instanceof DatagramError)) throw error;
    }
  }

  #send({ ip, port }: Check, channel: number, message: Message): void {
    const { head } = encodeDatagram({ channel, messages: [message] }, FORMAT);
    // An address that cannot be reached loses datagrams, as any path may.
    this.#socket(isIPv6(ip)).send(head, port, ip, () => undefined);
  }

  #end(key: string): void {
    clearTimeout(this.#checks.get(key)?.timer);
    this.#checks.delete(key);
  }

  /** The socket of a family, opened when it is first needed: a tracker whose peers state nothing has none. */
  #socket(v6: boolean): Socket {
    const found = this.#sockets.get(v6);
    if (found !== undefined) return found;
    const socket = createSocket(v6 ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
    this.#sockets.set(v6, socket);
    socket.on("message", (datagram, { address, port }) => this.#received(datagram, address, port));
    socket.on("error", () => undefined);
    socket.unref();
    return socket;
  }
}

const keyOf = (ip: string, port: number): string => addressKey({ address: octetsOf(ip), port });

const hexOf = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

/** The hash function of a static swarm by the size of its root; undefined for what is none. */
function hashOf(swarmId: string): HashCode | undefined {
  if (!/^(?:[0-9a-f]{2})+$/u.test(swarmId)) return undefined;
  return Object.values(HashCode).find((code) => hashSize(code) * 2 === swarmId.length);
}
