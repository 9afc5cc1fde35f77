import { createHash } from "node:crypto";
import type { Output } from "../../src/core/connection/outputs.ts";
import type { PeerAddress } from "../../src/core/connection/peer-address.ts";
import { MerkleTree } from "../../src/core/integrity/tree.ts";
import { hashFunction } from "../../src/core/integrity/hashes.ts";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { Endpoint, type Input } from "../../src/core/swarm/endpoint.ts";
import type { Swarm, SwarmOptions } from "../../src/core/swarm/swarm.ts";

/** A seeded generator of numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the network does to datagrams, by chance. */
export interface Weather {
  /** One-way delay, ms: at least this, and up to `jitter` more, so that datagrams overtake each other. */
  readonly delay: number;
  readonly jitter: number;
  /** Probabilities from 0 to 1. */
  readonly loss: number;
  readonly duplication: number;
  /** Bytes per ms that a peer can send; Infinity without limit. */
  readonly uplink: number;
}

/** Content with its tree, shared by the simulated peers. */
export interface Content {
  readonly chunks: readonly Uint8Array[];
  readonly options: SwarmOptions;
  readonly tree: MerkleTree;
}

/** Made-up content of `length` bytes in chunks of `chunkSize`. */
export function makeContent(
  length: number,
  chunkSize: number,
  random: () => number,
  hash: HashCode = HashCode.sha256,
): Content {
  const bytes = Uint8Array.from({ length }, () => random() * 256);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < length; at += chunkSize) chunks.push(bytes.subarray(at, Math.min(at + chunkSize, length)));
  const tree = MerkleTree.fromLeaves(
    hashFunction(hash),
    chunks.map((chunk) => digest(hash, chunk)),
  );
  return {
    chunks,
    tree,
    options: {
      metadata: {
        id: tree.root(),
        chunkSize,
        variableSize: false,
        addressing: ChunkAddressing.chunk32,
        hash,
        chunkCount: chunks.length,
      },
    },
  };
}

const NODE_HASH = ["sha1", "sha224", "sha256", "sha384", "sha512"] as const;

/** Hash of a chunk, as the host of a real peer computes it. */
export function digest(hash: HashCode, data: Uint8Array): Uint8Array {
  return createHash(NODE_HASH[hash]).update(data).digest();
}

/** A simulated peer: an Endpoint and the host that carries out its outputs. */
export class SimPeer {
  readonly endpoint: Endpoint;
  readonly swarm: Swarm;
  readonly store = new Map<number, Uint8Array>();
  readonly outputs: Output[] = [];
  /** May change or drop a datagram before it leaves: for misbehaving peers. */
  tamper: (head: Uint8Array, payload: Uint8Array | undefined) => Uint8Array | undefined = join;
  /** Where others reach it, for PEX; without one its links have no address. */
  address: PeerAddress | undefined;
  /** Bytes per ms that it can send, where that is not the weather's. */
  uplink: number | undefined;
  lineFreeAt = 0;
  wakeAt = Infinity;
  readonly #inputs: Input[] = [];
  #stepping = false;
  readonly id: string;
  readonly net: Simulator;

  constructor(id: string, net: Simulator, options: SwarmOptions) {
    this.id = id;
    this.net = net;
    this.endpoint = new Endpoint({
      random32: () => Math.floor(net.random() * 2 ** 32),
      epochMicros: 1_700_000_000_000_000n,
    });
    this.swarm = this.endpoint.add(options);
  }

  /** Starts with the whole content. */
  seed({ chunks, tree }: Content): void {
    this.swarm.verifier.verifyPeaks(tree.peaks());
    const leaves = chunks.map((_, chunk) => tree.get(chunk * 2));
    this.swarm.verifier.verifyLeaves(
      0,
      leaves.map((leaf) => leaf ?? new Uint8Array()),
    );
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
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift())
      for (const output of this.endpoint.step(next, this.net.now)) this.#carryOut(output);
    this.#stepping = false;
  }

  #carryOut(output: Output): void {
    switch (output.type) {
      case "transmit": {
        const datagram = this.tamper(output.head, output.payload);
        if (datagram !== undefined) this.net.send(this, output.link, datagram);
        return;
      }
      case "wake":
        this.wakeAt = output.at;
        this.net.at(Math.max(output.at, this.net.now), () => {
          if (this.wakeAt === output.at) this.step({ type: "timeout" });
        });
        return;
      case "digest": {
        // As with WebCrypto, digests end later and in any order.
        const { swarm, token, data } = output;
        const hash = digest(this.swarm.metadata.hash, data);
        this.net.at(this.net.now + this.net.random(), () => this.step({ type: "digested", swarm, token, hash }));
        return;
      }
      case "read":
        this.step({ type: "read", swarm: output.swarm, token: output.token, data: this.store.get(output.chunk) });
        return;
      case "verified":
        this.store.set(output.chunk, output.data);
        break;
      default:
        break;
    }
    this.outputs.push(output);
  }
}

/** Peers, the datagrams between them, and a clock that jumps from event to event. */
export class Simulator {
  now = 0;
  readonly random: () => number;
  readonly peers = new Map<string, SimPeer>();
  /** Everything that was delivered, as one hash: the same seed gives the same trace. */
  readonly #trace = createHash("sha256");
  readonly #weather: Weather;
  readonly #events: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  bytes = 0;

  constructor(seed: number, weather: Weather) {
    this.random = seeded(seed);
    this.#weather = weather;
  }

  /** Adds a peer to the network. */
  join(id: string, options: SwarmOptions): SimPeer {
    const peer = new SimPeer(id, this, options);
    this.peers.set(id, peer);
    return peer;
  }

  /** Links two peers; the first opens the channel. */
  connect(a: SimPeer, b: SimPeer, maxDatagram = 65_536): void {
    a.step({ type: "link", link: b.id, maxDatagram, ...(b.address && { address: b.address }) });
    b.step({ type: "link", link: a.id, maxDatagram, ...(a.address && { address: a.address }) });
    a.step({ type: "open", link: b.id, swarm: a.swarm.key });
  }

  /** Runs something at a time. */
  at(time: number, run: () => void): void {
    const event = { at: time, order: this.#order++, run };
    const heap = this.#events;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  /** One datagram on its way, or lost, or twice. */
  send(from: SimPeer, to: string, datagram: Uint8Array): void {
    const { delay, jitter, loss, duplication, uplink } = this.#weather;
    from.lineFreeAt = Math.max(from.lineFreeAt, this.now) + datagram.length / (from.uplink ?? uplink);
    const copies = this.random() < loss ? 0 : this.random() < duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.at(from.lineFreeAt + delay + this.random() * jitter, () => {
        this.#trace.update(`${this.now} ${from.id} ${to} `).update(datagram);
        this.bytes += datagram.length;
        this.peers.get(to)?.step({ type: "datagram", link: from.id, data: datagram });
      });
    }
  }

  /** Runs until `done`, or until `limit` ms have passed in the simulation. Returns whether it was done. */
  run(done: () => boolean, limit: number): boolean {
    while (!done()) {
      const event = this.#pop();
      if (event === undefined || event.at > limit) return false;
      this.now = event.at;
      event.run();
    }
    return true;
  }

  /** Hash of all deliveries so far. */
  trace(): string {
    return this.#trace.copy().digest("hex");
  }

  #pop(): { at: number; run: () => void } | undefined {
    const heap = this.#events;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || top === last) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

const before = (a: { at: number; order: number }, b: { at: number; order: number }): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

/** One datagram from its two parts. */
export function join(head: Uint8Array, payload: Uint8Array | undefined): Uint8Array {
  if (payload === undefined) return head;
  const datagram = new Uint8Array(head.length + payload.length);
  datagram.set(head);
  datagram.set(payload, head.length);
  return datagram;
}
