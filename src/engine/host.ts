import { Endpoint, type Input } from "../core/swarm/endpoint.ts";
import type { Swarm, SwarmOptions } from "../core/swarm/swarm.ts";
import type { Output } from "../core/connection/outputs.ts";
import type { ChunkStore, Clock, Digest, Link, Random32 } from "./ports.ts";

/** Outputs of the core that are news and not orders. */
export type News = Extract<
  Output,
  { type: "verified" | "opened" | "closed" | "peer" | "peerhas" | "rejected" | "uploaded" }
>;

/** What a host works with. */
export interface HostOptions {
  readonly swarm: SwarmOptions;
  readonly store: Pick<ChunkStore, "get" | "put">;
  readonly clock: Clock;
  readonly digest: Digest;
  readonly random32: Random32;
  /** Told what happened, after the store holds a verified chunk. */
  readonly news: (news: News) => void;
}

/** Bytes of a datagram around its chunk that are kept with it rather than copied away: proofs of honest peers are shorter. */
const LARGEST_FRAME = 4_096;
/** A link without a channel for this long is of no use, ms; a peer that reopens its channel does so at once. */
const IDLE_LINK_MS = 5_000;

/** The one loop that turns the core's outputs into effects: links, store, digests, one timer. */
export class Host {
  readonly swarm: Swarm;
  readonly #endpoint: Endpoint;
  readonly #links = new Map<string, Link>();
  readonly #options: HostOptions;
  #closed = false;
  #wakeAt = Infinity;
  /** When the timer ends; it may be earlier than `#wakeAt`, which costs less than a new timer for each change. */
  #timerAt = Infinity;
  #stopTimer: () => void = () => undefined;
  /** Links that are looked at again after a while; each entry stops that. */
  readonly #idle = new Map<string, () => void>();
  /** What is to be done after the input that is being carried out. */
  readonly #inputs: Input[] = [];
  #stepping = false;
  /** A burst of datagrams is coming in; its end is due. */
  #bursting = false;

  constructor(options: HostOptions) {
    const { clock, random32 } = options;
    this.#options = options;
    const epochMicros = clock.unixMicros() - BigInt(Math.round(clock.now() * 1000));
    this.#endpoint = new Endpoint({ random32, epochMicros });
    this.swarm = this.#endpoint.add(options.swarm);
  }

  /** Takes a link; the initiator opens the channel. A second link to the same neighbour replaces the first. */
  add(link: Link, initiator: boolean): void {
    if (this.#closed) {
      link.close();
      return;
    }
    this.drop(link.id);
    this.#links.set(link.id, link);
    const { id, maxDatagram, reliable, address } = link;
    this.step({ type: "link", link: id, maxDatagram, reliable, ...(address && { address }) });
    link.onClose = () => {
      if (this.#links.get(id) === link) this.drop(id);
    };
    link.onDatagram = (data) => {
      if (this.#links.get(id) === link) this.#receive({ type: "datagram", link: id, data });
    };
    if (initiator) this.step({ type: "open", link: id, swarm: this.swarm.key });
    this.#closeIfIdle(link);
  }

  /** How many links there are. */
  get size(): number {
    return this.#links.size;
  }

  /** Ends a link. */
  drop(id: string): void {
    const link = this.#links.get(id);
    if (link === undefined) return;
    this.#links.delete(id);
    this.#idle.get(id)?.();
    this.#idle.delete(id);
    this.step({ type: "unlink", link: id });
    link.close();
  }

  /** Gives the core an input and carries out what it says; from within that, the input waits for its turn. */
  step(input: Input): void {
    if (this.#closed) return;
    this.#inputs.push(input);
    this.#run(true);
  }

  /** Says goodbye to everybody and stops. */
  close(): void {
    if (this.#closed) return;
    // At once, also from within a listener to our news.
    this.#step({ type: "close" }, false);
    this.stop();
  }

  /** Stops without a word. */
  stop(): void {
    this.#closed = true;
    this.#inputs.length = 0;
    this.#stopTimer();
    for (const stopIdle of this.#idle.values()) stopIdle();
    for (const link of this.#links.values()) {
      link.onClose = undefined;
      link.onDatagram = undefined;
      link.close();
    }
    this.#links.clear();
  }

  /** Datagrams that come together are answered together. */
  #receive(input: Input): void {
    this.#inputs.push(input);
    this.#run(false);
    if (this.#bursting) return;
    this.#bursting = true;
    this.#options.clock.soon(() => {
      this.#bursting = false;
      if (!this.#closed) this.#run(true);
    });
  }

  #run(settle: boolean): void {
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      do {
        for (let input = this.#inputs.shift(); input !== undefined; input = this.#inputs.shift())
          this.#step(input, true);
        if (settle) this.#step({ type: "settle" }, false);
      } while (this.#inputs.length > 0);
    } finally {
      this.#stepping = false;
    }
  }

  /** Does nothing any more as soon as the host has stopped, which may be in the middle. */
  #step(input: Input, more: boolean): void {
    if (this.#closed) return;
    for (const output of this.#endpoint.step(input, this.#options.clock.now(), more)) {
      if (this.#closed) return;
      this.#carryOut(output);
    }
  }

  /** A listener that throws is heard of, but nothing else waits for it. */
  #tell(news: News): void {
    try {
      this.#options.news(news);
    } catch (error) {
      this.#options.clock.soon(() => {
        throw error;
      });
    }
  }

  #carryOut(output: Output): void {
    const { store } = this.#options;
    switch (output.type) {
      case "transmit":
        this.#links.get(output.link)?.send(output.head, output.payload);
        return;
      case "wake":
        this.#wakeAt = output.at;
        this.#arm();
        return;
      case "digest":
        this.#digest(output);
        return;
      case "read":
        this.#inputs.push({ type: "read", swarm: output.swarm, token: output.token, data: store.get(output.chunk) });
        return;
      case "verified":
        store.put(output.chunk, compact(output.data));
        if (!this.#closed) this.#tell(output);
        return;
      case "closed": {
        const link = this.#links.get(output.link);
        if (link !== undefined) this.#closeIfIdle(link);
        this.#tell(output);
        return;
      }
      case "opened":
      case "peer":
      case "peerhas":
      case "rejected":
      case "uploaded":
        this.#tell(output);
        return;
    }
  }

  #digest({ swarm, token, data }: Extract<Output, { type: "digest" }>): void {
    const hash = this.#options.digest(this.swarm.metadata.hash, data);
    if (hash instanceof Uint8Array) this.#inputs.push({ type: "digested", swarm, token, hash });
    else void hash.then((value) => this.step({ type: "digested", swarm, token, hash: value }));
  }

  #arm(): void {
    if (this.#timerAt <= this.#wakeAt) return;
    const { clock } = this.#options;
    this.#stopTimer();
    this.#timerAt = this.#wakeAt;
    this.#stopTimer = clock.after(Math.max(0, this.#wakeAt - clock.now()), () => {
      this.#timerAt = Infinity;
      if (clock.now() < this.#wakeAt) this.#arm();
      else this.step({ type: "timeout" });
    });
  }

  #closeIfIdle({ id }: Link): void {
    this.#idle.get(id)?.();
    const stop = this.#options.clock.after(IDLE_LINK_MS, () => {
      this.#idle.delete(id);
      if (this.swarm.connection(id) === undefined) this.drop(id);
    });
    this.#idle.set(id, stop);
  }
}

/** The chunk itself where it is most of its datagram; else a copy, so that a peer cannot make us keep what we did not ask for. */
function compact(data: Uint8Array): Uint8Array {
  return data.buffer.byteLength - data.length > LARGEST_FRAME ? data.slice() : data;
}
