import { Endpoint, type Input } from "../core/swarm/endpoint.ts";
import type { Swarm, SwarmOptions } from "../core/swarm/swarm.ts";
import type { Output } from "../core/connection/outputs.ts";
import type { ChunkStore, Clock, Digest, Link, Random32 } from "./ports.ts";

/** Outputs of the core that are news and not orders. */
export type News = Extract<Output, { type: "verified" | "opened" | "closed" | "peerhas" | "rejected" | "uploaded" }>;

/** What a host works with. */
export interface HostOptions {
  readonly swarm: SwarmOptions;
  readonly store: ChunkStore;
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
  #stopTimer: () => void = () => undefined;
  #closed = false;
  /** What is to be done after the input that is being carried out. */
  readonly #inputs: Input[] = [];
  #stepping = false;

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
    const { id, maxDatagram, address } = link;
    this.step({ type: "link", link: id, maxDatagram, ...(address && { address }) });
    link.onClose = () => {
      if (this.#links.get(link.id) === link) this.drop(link.id);
    };
    link.onDatagram = (data) => {
      if (this.#links.get(link.id) === link) this.step({ type: "datagram", link: link.id, data });
    };
    if (initiator) this.step({ type: "open", link: link.id, swarm: this.swarm.key });
    this.#closeIfIdle(link);
  }

  /** Ends a link. */
  drop(id: string): void {
    const link = this.#links.get(id);
    if (link === undefined) return;
    this.#links.delete(id);
    this.step({ type: "unlink", link: id });
    link.close();
  }

  /** Gives the core an input and carries out what it says; from within that, the input waits for its turn. */
  step(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        for (const output of this.#endpoint.step(next, this.#options.clock.now())) this.#carryOut(output);
      }
    } finally {
      // Also where a listener to our news throws: the next input must not wait for ever.
      this.#stepping = false;
    }
  }

  /** Says goodbye to everybody and stops. */
  close(): void {
    if (this.#closed) return;
    this.step({ type: "close" });
    this.#closed = true;
    this.#stopTimer();
    for (const link of this.#links.values()) {
      link.onClose = undefined;
      link.onDatagram = undefined;
      link.close();
    }
    this.#links.clear();
  }

  #carryOut(output: Output): void {
    const { store, clock, news } = this.#options;
    switch (output.type) {
      case "transmit":
        this.#links.get(output.link)?.send(output.head, output.payload);
        return;
      case "wake":
        this.#stopTimer();
        this.#stopTimer = clock.after(Math.max(0, output.at - clock.now()), () => this.step({ type: "timeout" }));
        return;
      case "digest":
        void this.#digest(output);
        return;
      case "read":
        this.step({ type: "read", swarm: output.swarm, token: output.token, data: store.get(output.chunk) });
        return;
      case "verified":
        store.put(output.chunk, compact(output.data));
        news(output);
        return;
      case "closed": {
        const link = this.#links.get(output.link);
        if (link !== undefined) this.#closeIfIdle(link);
        news(output);
        return;
      }
      case "opened":
      case "peerhas":
      case "rejected":
      case "uploaded":
        news(output);
        return;
      case "peer":
        // Neighbours come from the tracker here: a page cannot contact an address.
        return;
    }
  }

  async #digest({ swarm, token, data }: Extract<Output, { type: "digest" }>): Promise<void> {
    const hash = await this.#options.digest(this.swarm.metadata.hash, data);
    if (!this.#closed) this.step({ type: "digested", swarm, token, hash });
  }

  #closeIfIdle(link: Link): void {
    this.#options.clock.after(IDLE_LINK_MS, () => {
      const idle = this.#links.get(link.id) === link && this.swarm.connection(link.id) === undefined;
      if (idle) this.drop(link.id);
    });
  }
}

/** The chunk itself where it is most of its datagram; else a copy, so that a peer cannot make us keep what we did not ask for. */
function compact(data: Uint8Array): Uint8Array {
  return data.buffer.byteLength - data.length > LARGEST_FRAME ? data.slice() : data;
}
