import { createHash } from "node:crypto";
import type { Output } from "../../src/core/connection/outputs.ts";
import { peerExchange } from "../../src/core/swarm/pex.ts";
import type { PeerAddress } from "../../src/core/connection/peer-address.ts";
import { Endpoint, type Input } from "../../src/core/swarm/endpoint.ts";
import type { Swarm, SwarmOptions } from "../../src/core/swarm/swarm.ts";
import { digest, seeded, type Content, type KnownChunks } from "./content.ts";
import { Events } from "./events.ts";

export { digest, makeContent, seeded, type Content } from "./content.ts";

/** What the network does to datagrams, by chance. */
export interface Weather {
  /** One-way delay, ms: at least this, and up to `jitter` more, so that datagrams overtake each other. */
  readonly delay: number;
  readonly jitter: number;
  /** Probabilities from 0 to 1. */
  readonly loss: number;
  readonly duplication: number;
  /** Bytes per ms that a peer can send, where its own line does not say it; Infinity without limit. */
  readonly uplink: number;
}

/** How one peer is connected: queues without end, as those of data channels, so that too much is late and not lost. */
export interface Line {
  /** Bytes per ms. */
  readonly uplink: number;
  readonly downlink: number;
  /** What this end adds to the one-way delay, ms. */
  readonly delay: number;
}

/** What one peer has cost and moved. */
export interface Work {
  inputs: number;
  /** Datagrams and bytes that it sent, headers of UDP and IP not counted. */
  datagrams: number;
  bytes: number;
  /** Of them, content. */
  content: number;
}

/** A simulated peer: an Endpoint and the host that carries out its outputs. */
export class SimPeer {
  readonly endpoint: Endpoint;
  readonly swarm: Swarm;
  readonly store = new Map<number, Uint8Array>();
  readonly outputs: Output[] = [];
  /** Told what is news, which otherwise is kept in `outputs`. */
  news: (output: Output) => void = (output) => void this.outputs.push(output);
  /** May change or drop a datagram before it leaves: for misbehaving peers. */
  tamper: (head: Uint8Array, payload: Uint8Array | undefined) => Uint8Array | undefined = join;
  /** Where others reach it, for PEX; without one its links have no address. */
  address: PeerAddress | undefined;
  /** Set: digests come from here, at once, and so do the bytes of what is held; the store is not used. */
  known: KnownChunks | undefined;
  readonly work: Work = { inputs: 0, datagrams: 0, bytes: 0, content: 0 };
  readonly line: Line;
  /** Off the network. */
  gone = false;
  uplinkFreeAt = 0;
  downlinkFreeAt = 0;
  #wakeAt = Infinity;
  /** When the pending event that looks at `#wakeAt` comes. */
  #alarmAt = Infinity;
  readonly #inputs: Input[] = [];
  #stepping = false;
  readonly id: string;
  readonly net: Simulator;

  constructor(id: string, net: Simulator, options: SwarmOptions, line: Line) {
    this.id = id;
    this.net = net;
    this.line = line;
    this.endpoint = new Endpoint({
      random32: () => Math.floor(net.random() * 2 ** 32),
      epochMicros: 1_700_000_000_000_000n,
    });
    this.swarm = this.endpoint.add({ pex: peerExchange, ...options });
  }

  /** Starts with the whole content. */
  seed({ chunks, tree }: Content): void {
    this.swarm.verifier.verifyPeaks(tree.peaks());
    const leaves = chunks.map((_, chunk) => tree.get(chunk * 2)!);
    this.swarm.verifier.verifyLeaves(0, leaves);
    chunks.forEach((chunk, i) => this.store.set(i, chunk));
    this.step({ type: "have", swarm: this.swarm.key, chunks: { start: 0, end: chunks.length - 1 } });
  }

  /** Wants the whole content. */
  leech(chunkCount: number, deadline = Infinity): void {
    this.step({ type: "want", swarm: this.swarm.key, chunks: { start: 0, end: chunkCount - 1 }, deadline });
  }

  step(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    do {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.work.inputs++;
        for (const output of this.endpoint.step(next, this.net.now, true)) this.#carryOut(output);
      }
      for (const output of this.endpoint.step({ type: "settle" }, this.net.now)) this.#carryOut(output);
    } while (this.#inputs.length > 0);
    this.#stepping = false;
  }

  #carryOut(output: Output): void {
    switch (output.type) {
      case "transmit": {
        const { link, head, payload } = output;
        this.work.content += payload?.length ?? 0;
        if (this.tamper === join) {
          this.net.send(this, link, head, payload);
          return;
        }
        const datagram = this.tamper(head, payload);
        if (datagram !== undefined) this.net.send(this, link, datagram);
        return;
      }
      case "wake":
        this.#wakeAt = output.at;
        this.#arm();
        return;
      case "digest": {
        const { swarm, token, data } = output;
        if (this.known !== undefined) {
          this.step({ type: "digested", swarm, token, hash: this.known.digest(token, data) });
          return;
        }
        // As with WebCrypto, digests end later and in any order.
        const hash = digest(this.swarm.metadata.hash, data);
        this.net.at(this.net.now + this.net.random(), () => this.step({ type: "digested", swarm, token, hash }));
        return;
      }
      case "read":
        this.step({ type: "read", swarm: output.swarm, token: output.token, data: this.#bytes(output.chunk) });
        return;
      case "verified":
        if (this.known === undefined) this.store.set(output.chunk, output.data);
        break;
      default:
        break;
    }
    this.news(output);
  }

  #bytes(chunk: number): Uint8Array | undefined {
    if (this.known === undefined) return this.store.get(chunk);
    return this.swarm.have.has(chunk) ? this.known.bytes(chunk) : undefined;
  }

  /** One event at a time, since the wake moves with each step and mostly to later. */
  #arm(): void {
    if (this.#alarmAt <= this.#wakeAt) return;
    const at = Math.max(this.#wakeAt, this.net.now);
    this.#alarmAt = at;
    this.net.at(at, () => {
      if (this.#alarmAt !== at) return;
      this.#alarmAt = Infinity;
      if (this.net.now < this.#wakeAt) this.#arm();
      else if (this.#wakeAt !== Infinity) this.step({ type: "timeout" });
    });
  }
}

/** Something to do at a time. */
class Alarm {
  order = 0;
  readonly at: number;
  readonly run: () => void;

  constructor(at: number, run: () => void) {
    this.at = at;
    this.run = run;
  }
}

/** A datagram on its way; plain fields and no closure, since there are millions. */
class Flight {
  order = 0;
  at: number;
  readonly from: SimPeer;
  /** The receiver: undefined if there was none when it left. */
  readonly to: SimPeer | undefined;
  readonly head: Uint8Array;
  readonly payload: Uint8Array | undefined;
  /** Whether its way through the receiver's downlink is paid for. */
  through = false;

  constructor(at: number, from: SimPeer, to: SimPeer | undefined, head: Uint8Array, payload: Uint8Array | undefined) {
    this.at = at;
    this.from = from;
    this.to = to;
    this.head = head;
    this.payload = payload;
  }
}

/** Peers, the datagrams between them, and a clock that jumps from event to event. */
export class Simulator {
  now = 0;
  readonly random: () => number;
  readonly peers = new Map<string, SimPeer>();
  /** Bytes that were delivered. */
  bytes = 0;
  /** Everything that was delivered, as one hash: the same seed gives the same trace. */
  readonly #trace = createHash("sha256");
  readonly #traced: boolean;
  readonly #weather: Weather;
  readonly #events = new Events<Alarm | Flight>();

  /** Hashing what is delivered for `trace` takes time that a large simulation saves. */
  constructor(seed: number, weather: Weather, traced = true) {
    this.random = seeded(seed);
    this.#weather = weather;
    this.#traced = traced;
  }

  /** How many events there have been. */
  get events(): number {
    return this.#events.added;
  }

  /** Adds a peer to the network. */
  join(id: string, options: SwarmOptions, line: Partial<Line> = {}): SimPeer {
    const whole = { uplink: this.#weather.uplink, downlink: Infinity, delay: 0, ...line };
    const peer = new SimPeer(id, this, options, whole);
    this.peers.set(id, peer);
    return peer;
  }

  /** Takes a peer off the network: what is on its way to it arrives nowhere. */
  leave(peer: SimPeer): void {
    peer.gone = true;
    this.peers.delete(peer.id);
  }

  /** Links two peers; the first opens the channel. */
  connect(a: SimPeer, b: SimPeer, maxDatagram = 65_536, reliable = false): void {
    a.step({ type: "link", link: b.id, maxDatagram, reliable, ...(b.address && { address: b.address }) });
    b.step({ type: "link", link: a.id, maxDatagram, reliable, ...(a.address && { address: a.address }) });
    a.step({ type: "open", link: b.id, swarm: a.swarm.key });
  }

  /** Runs something at a time. */
  at(time: number, run: () => void): void {
    this.#events.add(new Alarm(time, run));
  }

  /** One datagram on its way, or lost, or twice. Its parts are put together where it arrives. */
  send(from: SimPeer, to: string, head: Uint8Array, payload?: Uint8Array): void {
    const { delay, jitter, loss, duplication } = this.#weather;
    const length = head.length + (payload?.length ?? 0);
    from.work.datagrams++;
    from.work.bytes += length;
    from.uplinkFreeAt = Math.max(from.uplinkFreeAt, this.now) + length / from.line.uplink;
    const copies = this.random() < loss ? 0 : this.random() < duplication ? 2 : 1;
    const target = this.peers.get(to);
    for (let i = 0; i < copies; i++) {
      const way = delay + from.line.delay + (target?.line.delay ?? 0) + this.random() * jitter;
      const through = target === undefined ? 0 : length / target.line.downlink;
      this.#events.add(new Flight(from.uplinkFreeAt + way + through, from, target, head, payload));
    }
  }

  /** Runs until `done`, or until `limit` ms have passed in the simulation. Returns whether it was done. */
  run(done: () => boolean, limit: number): boolean {
    while (!done()) {
      const event = this.#events.next();
      if (event === undefined || event.at > limit) return false;
      this.now = event.at;
      if (event instanceof Flight) this.#arrive(event);
      else event.run();
    }
    return true;
  }

  /** Hash of all deliveries so far. */
  trace(): string {
    return this.#trace.copy().digest("hex");
  }

  /** A datagram comes out of the receiver's downlink, unless others are in there. */
  #arrive(flight: Flight): void {
    const { from, to: target, head, payload } = flight;
    if (target === undefined || target.gone) return;
    if (!flight.through) {
      flight.through = true;
      const length = head.length + (payload?.length ?? 0);
      const at = Math.max(this.now, target.downlinkFreeAt + length / target.line.downlink);
      target.downlinkFreeAt = at;
      if (at > this.now) {
        flight.at = at;
        this.#events.add(flight);
        return;
      }
    }
    const data = (payload && target.known?.frame(head, payload)) ?? join(head, payload);
    this.bytes += data.length;
    if (this.#traced) this.#trace.update(`${this.now} ${from.id} ${target.id} `).update(data);
    target.step({ type: "datagram", link: from.id, data });
  }
}

/** One datagram from its two parts. */
export function join(head: Uint8Array, payload: Uint8Array | undefined): Uint8Array {
  if (payload === undefined) return head;
  const datagram = new Uint8Array(head.length + payload.length);
  datagram.set(head);
  datagram.set(payload, head.length);
  return datagram;
}
