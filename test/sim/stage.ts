import { peerExchange } from "../../src/core/swarm/pex.ts";
import { decodeDatagram, encodeDatagram } from "../../src/core/codec/datagram.ts";
import {
  VARIABLE_CHUNK_SIZE,
  type Handshake,
  type Message,
  type ProtocolOptions,
} from "../../src/core/codec/messages.ts";
import { swarmFormat } from "../../src/core/connection/metadata.ts";
import type { Output } from "../../src/core/connection/outputs.ts";
import type { PeerAddress } from "../../src/core/connection/peer-address.ts";
import { missingProof } from "../../src/core/connection/proofs.ts";
import { Endpoint, type Input } from "../../src/core/swarm/endpoint.ts";
import type { Swarm, SwarmOptions } from "../../src/core/swarm/swarm.ts";
import { digest, join, seeded, type Content } from "./simulator.ts";

/** What went out in one datagram. */
export interface Sent {
  readonly link: string;
  readonly channel: number;
  readonly messages: readonly Message[];
  readonly bytes: number;
}

/** System time at `now` = 0 of the endpoint on stage. */
export const EPOCH = 1_700_000_000_000_000n;

/** One endpoint under test with a host that acts at once; its neighbours are played by the test. */
export class Stage {
  now = 0;
  readonly content: Content;
  readonly endpoint: Endpoint;
  readonly swarm: Swarm;
  readonly store = new Map<number, Uint8Array>();
  /** Outputs that are news. */
  readonly news: Output[] = [];
  /** Every datagram that went out. */
  readonly sent: Sent[] = [];
  /** Set: digests wait here until `finishDigests`. */
  waiting: Extract<Output, { type: "digest" }>[] | undefined;
  /** Whether `read` is answered. */
  reading = true;
  wakeAt = Infinity;
  readonly #inputs: Input[] = [];
  #stepping = false;

  constructor(content: Content, options: Partial<SwarmOptions> = {}) {
    this.content = content;
    const random = seeded(1);
    this.endpoint = new Endpoint({ random32: () => Math.floor(random() * 2 ** 32), epochMicros: EPOCH });
    this.swarm = this.endpoint.add({ pex: peerExchange, ...content.options, ...options });
  }

  /** Holds these chunks from the start; all of them without an argument. */
  hold(first = 0, last = this.content.chunks.length - 1): this {
    const { tree } = this.content;
    const { verifier, key } = this.swarm;
    verifier.verifyPeaks(tree.peaks());
    for (let chunk = first; chunk <= last; chunk++) {
      const proof = missingProof(tree, chunk, false, () => false);
      const hashes = new Map(proof.map(({ chunks, hash }) => [chunks.start + chunks.end, hash]));
      verifier.verify(chunk, tree.get(2 * chunk)!, hashes);
      this.store.set(chunk, this.content.chunks[chunk]!);
    }
    this.step({ type: "have", swarm: key, chunks: { start: first, end: last } });
    return this;
  }

  want(start: number, end: number, deadline = Infinity): void {
    this.step({ type: "want", swarm: this.swarm.key, chunks: { start, end }, deadline });
  }

  step(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift())
      for (const output of this.endpoint.step(next, this.now)) this.#carryOut(output);
    this.#stepping = false;
  }

  /** Lets time pass, with every wake on the way. */
  pass(ms: number): void {
    const until = this.now + ms;
    while (this.wakeAt <= until) {
      this.now = Math.max(this.now, this.wakeAt);
      this.wakeAt = Infinity;
      this.step({ type: "timeout" });
    }
    this.now = until;
  }

  finishDigests(): void {
    const waiting = this.waiting ?? [];
    this.waiting = undefined;
    for (const output of waiting) this.#carryOut(output);
  }

  /** News of one kind. */
  told<Type extends Output["type"]>(type: Type): Extract<Output, { type: Type }>[] {
    return this.news.filter((output): output is Extract<Output, { type: Type }> => output.type === type);
  }

  #carryOut(output: Output): void {
    switch (output.type) {
      case "transmit": {
        const bytes = join(output.head, output.payload);
        const { channel, messages } = decodeDatagram(bytes, swarmFormat(this.content.options.metadata));
        this.sent.push({ link: output.link, channel, messages, bytes: bytes.length });
        return;
      }
      case "wake":
        this.wakeAt = output.at;
        return;
      case "digest": {
        if (this.waiting !== undefined) {
          this.waiting.push(output);
          return;
        }
        const { swarm, token, data } = output;
        this.step({ type: "digested", swarm, token, hash: digest(this.swarm.metadata.hash, data) });
        return;
      }
      case "read":
        if (!this.reading) return;
        this.step({ type: "read", swarm: output.swarm, token: output.token, data: this.store.get(output.chunk) });
        return;
      case "verified":
        this.store.set(output.chunk, output.data);
        break;
      default:
        break;
    }
    this.news.push(output);
  }
}

/** A neighbour of the endpoint on stage, played by hand. */
export class Puppet {
  readonly stage: Stage;
  readonly link: string;
  /** Our channel ID. */
  channel: number;
  /** The endpoint's. */
  remote = 0;
  #seen = 0;

  constructor(
    stage: Stage,
    link = "puppet",
    channel = 77,
    maxDatagram = 65_536,
    address?: PeerAddress,
    reliable = false,
  ) {
    this.stage = stage;
    this.link = link;
    this.channel = channel;
    this.#seen = stage.sent.length;
    stage.step({ type: "link", link, maxDatagram, reliable, ...(address && { address }) });
  }

  /** The options that fit the swarm, as the initiator's. */
  options(changes: Partial<ProtocolOptions> = {}): ProtocolOptions {
    const { id, hash, addressing, chunkSize, variableSize } = this.stage.content.options.metadata;
    return {
      version: 1,
      minVersion: 1,
      swarmId: id,
      integrityMethod: 1,
      hashFunction: hash,
      chunkAddressing: addressing,
      chunkSize: variableSize ? VARIABLE_CHUNK_SIZE : chunkSize,
      ...changes,
    };
  }

  /** Opens the channel, up to and with the third datagram, and drops what came back. */
  open(changes: Partial<ProtocolOptions> = {}): this {
    this.begin(changes);
    this.send();
    this.received();
    return this;
  }

  /** The first two datagrams of an opening; returns the answer. */
  begin(changes: Partial<ProtocolOptions> = {}, ...more: readonly Message[]): Sent | undefined {
    this.sendTo(0, { type: "HANDSHAKE", channel: this.channel, options: this.options(changes) }, ...more);
    const [answer] = this.datagrams();
    const [handshake] = answer?.messages ?? [];
    if (handshake?.type === "HANDSHAKE") this.remote = handshake.channel;
    return answer;
  }

  /** Lets the endpoint open the channel, and answers with these messages behind the HANDSHAKE. */
  accept(...more: readonly Message[]): this {
    this.stage.step({ type: "open", link: this.link, swarm: this.stage.swarm.key });
    const [first] = this.datagrams();
    this.remote = (first!.messages[0] as Handshake).channel;
    const { minVersion: _, swarmId: __, ...options } = this.options();
    this.send({ type: "HANDSHAKE", channel: this.channel, options }, ...more);
    return this;
  }

  /** One datagram. */
  send(...messages: readonly Message[]): void {
    this.sendTo(this.remote, ...messages);
  }

  sendTo(channel: number, ...messages: readonly Message[]): void {
    const { head, payload } = encodeDatagram({ channel, messages }, swarmFormat(this.stage.content.options.metadata));
    this.raw(join(head, payload));
  }

  raw(data: Uint8Array): void {
    this.stage.step({ type: "datagram", link: this.link, data });
  }

  have(start: number, end: number): void {
    this.send({ type: "HAVE", chunks: { start, end } });
  }

  ask(start: number, end = start): void {
    this.send({ type: "REQUEST", chunks: { start, end } });
  }

  /** The hashes that prove a chunk, peaks first. */
  proof(chunk: number): Message[] {
    return missingProof(this.stage.content.tree, chunk, true, () => false);
  }

  /** DATA with a chunk of the content. */
  data(chunk: number, timestamp = EPOCH): Message {
    return { type: "DATA", chunks: { start: chunk, end: chunk }, timestamp, data: this.stage.content.chunks[chunk]! };
  }

  /** Delivers a chunk with its whole proof. */
  deliver(chunk: number): void {
    this.send(...this.proof(chunk), this.data(chunk));
  }

  /** What the endpoint has sent here since the last look, by datagram. */
  datagrams(): Sent[] {
    const sent = this.stage.sent.slice(this.#seen).filter(({ link }) => link === this.link);
    this.#seen = this.stage.sent.length;
    return sent;
  }

  /** The same, message by message. */
  received(): Message[] {
    return this.datagrams().flatMap(({ messages }) => messages);
  }
}

/** The messages of one type. */
export function only<Type extends Message["type"]>(
  messages: readonly Message[],
  type: Type,
): Extract<Message, { type: Type }>[] {
  return messages.filter((message): message is Extract<Message, { type: Type }> => message.type === type);
}

/** The chunks that messages of one type name, one by one. */
export function chunksOf(messages: readonly Message[], type: "REQUEST" | "CANCEL" | "DATA" | "HAVE"): number[] {
  return only(messages, type).flatMap(({ chunks: { start, end } }) =>
    Array.from({ length: end - start + 1 }, (_, i) => start + i),
  );
}
