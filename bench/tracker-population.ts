import { jsonCodec } from "../src/tracker/json/codec.ts";
import { MAX_MEMBERS } from "../src/tracker/limits.ts";
import type { Codec } from "../src/tracker/messages.ts";
import { xmlCodec } from "../src/tracker/xml/codec.ts";

/** Encodings that are measured. */
export type CodecName = "xml" | "json";

const CODECS: Readonly<Record<CodecName, Codec>> = { xml: xmlCodec, json: jsonCodec };

/** Peers that one list is to hold. */
export const LIST = 5;

/** Registered viewers of one swarm (or two) and what they say: each CONNECTs again for a new list, then reports, and so on. */
export class Population {
  readonly contentType: string;
  readonly #codec: Codec;
  readonly #tokens: string[] = [];
  readonly #size: number;
  #requests = 0;

  constructor(codec: CodecName, size: number) {
    this.#codec = CODECS[codec];
    this.contentType = this.#codec.contentType;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  /** A swarm takes no more than so many: of 100,000 peers, half are in another one. */
  swarmOf(index: number): string {
    return `aa${11 + Math.floor(index / MAX_MEMBERS)}`;
  }

  peerId(index: number): string {
    return index.toString(16).padStart(40, "0");
  }

  token(index: number): string {
    return this.#tokens[index]!;
  }

  /** The first CONNECT of a viewer. */
  join(index: number): string {
    return this.#connect(index, {});
  }

  /** Keeps the token of the answer to a first CONNECT. */
  enrolled(index: number, answer: string): void {
    const token = this.#codec.decodeResponse(answer).registration?.token;
    if (token === undefined) throw new Error("no token");
    this.#tokens[index] = token;
  }

  /** So many requests of viewers all over the swarm: CONNECT and STAT_REPORT in turns. */
  ring(count: number): string[] {
    return Array.from({ length: count }, (_, turn) => {
      // 7919 is prime: neighbours in the ring are far from each other in the swarm.
      const index = (Math.floor(turn / 2) * 7919) % this.size;
      return turn % 2 === 0 ? this.#connect(index, { token: this.token(index) }) : this.#report(index);
    });
  }

  #report(index: number): string {
    return this.#codec.encodeRequest({
      method: "STAT_REPORT",
      transactionId: this.#transaction(),
      peerId: this.peerId(index),
      stats: [
        {
          swarmId: this.swarmOf(index),
          uploadedBytes: 1_234_567,
          downloadedBytes: 7_654_321,
          availBandwidth: 2_000_000,
        },
      ],
      registration: { token: this.token(index) },
    });
  }

  #connect(index: number, registration: { readonly token?: string }): string {
    const transactionId = this.#transaction();
    return this.#codec.encodeRequest({
      method: "CONNECT",
      transactionId,
      peerId: this.peerId(index),
      peerNum: { count: LIST },
      actions: [
        { swarmId: this.swarmOf(index), action: "JOIN", peerMode: "LEECH", transactionId: `${transactionId}.1` },
      ],
      addresses: [],
      registration,
    });
  }

  /** As long as a client's own, and never the same. */
  #transaction(): string {
    return (this.#requests += 1).toString(16).padStart(32, "0");
  }
}
