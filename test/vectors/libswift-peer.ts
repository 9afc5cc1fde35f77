import { ChunkAddressing, HashCode, type Format } from "../../src/core/codec/messages.ts";
import type { SwarmMetadata } from "../../src/core/connection/metadata.ts";
import type { Output } from "../../src/core/connection/outputs.ts";
import { hashFunction } from "../../src/core/integrity/hashes.ts";
import { Endpoint, type Input } from "../../src/core/swarm/endpoint.ts";
import type { Picker } from "../../src/core/swarm/picker.ts";
import type { Swarm, SwarmOptions } from "../../src/core/swarm/swarm.ts";
import { join } from "../sim/simulator.ts";
import { capturedSwarm, type CapturedDatagram } from "./captures.ts";

/** What libswift speaks. */
export const FORMAT: Format = { addressing: ChunkAddressing.chunk32, hashSize: 20, signatureSize: 0 };
/** Unix time of the captures, microseconds. */
export const EPOCH = 1_795_288_925_000_000n;
/** Octets in hexadecimal. */
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** Destination channel of a datagram. */
export const channelOf = (bytes: Uint8Array): number => Buffer.from(bytes).readUInt32BE(0);
/** Source channel of a HANDSHAKE at its start. */
export const sourceOf = (bytes: Uint8Array): number => Buffer.from(bytes).readUInt32BE(5);
/** Whether it opens a channel, or answers that. */
export const isHandshake = ({ bytes }: CapturedDatagram): boolean => bytes.length > 10 && bytes[4] === 0;

/** The option codes of a HANDSHAKE at the start of a datagram, in the order in which they stand there. */
export function optionCodes(bytes: Uint8Array): number[] {
  const codes: number[] = [];
  for (let at = 9; bytes[at] !== 255;) {
    const code = bytes[at]!;
    codes.push(code);
    const length =
      code === 2 ? 2 + bytes[at + 1]! * 256 + bytes[at + 2]! : code === 8 ? 1 + bytes[at + 1]! : code === 9 ? 4 : 1;
    at += 1 + length;
  }
  return codes;
}

/** Our endpoint with a host that acts at once, speaking with what libswift sent. */
export class Ours {
  now = 0;
  readonly swarm: Swarm;
  readonly endpoint: Endpoint;
  readonly store = new Map<number, Uint8Array>();
  readonly sent: Uint8Array[] = [];
  readonly news: Output[] = [];
  #wakeAt = Infinity;

  constructor(options: SwarmOptions, channels: readonly number[]) {
    const left = [...channels];
    let spare = 0x1000_0000;
    this.endpoint = new Endpoint({ random32: () => left.shift() ?? spare++, epochMicros: EPOCH });
    this.swarm = this.endpoint.add({ compat: "libswift", ...options });
    this.step({ type: "link", link: "peer", maxDatagram: 65_507 });
  }

  /** Holds the whole content. */
  hold(chunks: readonly Uint8Array[], tree: ReturnType<typeof capturedSwarm>["tree"]): this {
    const { verifier, key } = this.swarm;
    verifier.verifyPeaks(tree.peaks());
    verifier.verifyLeaves(
      0,
      chunks.map((_, i) => tree.get(2 * i)!),
    );
    chunks.forEach((chunk, i) => this.store.set(i, chunk));
    this.step({ type: "have", swarm: key, chunks: { start: 0, end: chunks.length - 1 } });
    return this;
  }

  /** Takes a datagram at its time; returns what goes out in answer. */
  take({ ms, bytes }: CapturedDatagram): Uint8Array[] {
    for (; this.#wakeAt <= ms;) {
      this.now = Math.max(this.now, this.#wakeAt);
      this.#wakeAt = Infinity;
      this.step({ type: "timeout" });
    }
    this.now = ms;
    const before = this.sent.length;
    this.step({ type: "datagram", link: "peer", data: bytes });
    return this.sent.slice(before);
  }

  step(input: Input): void {
    const inputs = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      for (const output of this.endpoint.step(next, this.now)) {
        if (output.type === "transmit") this.sent.push(join(output.head, output.payload));
        else if (output.type === "wake") this.#wakeAt = output.at;
        else if (output.type === "read") inputs.push({ ...output, data: this.store.get(output.chunk) });
        else if (output.type === "digest")
          inputs.push({ ...output, type: "digested", hash: hashFunction(HashCode.sha1).digest(output.data) });
        else {
          if (output.type === "verified") this.store.set(output.chunk, output.data);
          this.news.push(output);
        }
      }
    }
  }
}

/** The metadata of a swarm of its. */
export const metadataOf = (id: Uint8Array, chunkSize: number): SwarmMetadata => ({
  id,
  chunkSize,
  variableSize: false,
  addressing: ChunkAddressing.chunk32,
  hash: HashCode.sha1,
});

/** Asks for all that a peer has at once: the captured DATA come in an order of their own. */
export const everything: Picker = (view, { peerHas }) =>
  view.wants.flatMap(({ chunks }) =>
    [...view.busy.missing(chunks)].flatMap((gap) =>
      [...peerHas.present(gap)].flatMap(({ start, end }) =>
        Array.from({ length: end - start + 1 }, (_, i) => start + i),
      ),
    ),
  );

/** Our leecher, in the place of the one in the capture. */
export function leecher(
  capture: readonly CapturedDatagram[],
  id: Uint8Array,
  chunkSize: number,
  chunkCount?: number,
): Ours {
  const first = capture.find(({ dir }) => dir === "c2s")!;
  const metadata = { ...metadataOf(id, chunkSize), ...(chunkCount !== undefined && { chunkCount }) };
  const ours = new Ours({ metadata, picker: everything }, [sourceOf(first.bytes)]);
  ours.step({ type: "want", swarm: ours.swarm.key, chunks: { start: 0, end: 2 ** 20 }, deadline: Infinity });
  ours.step({ type: "open", link: "peer", swarm: ours.swarm.key });
  return ours;
}

/** Our seeder, in the place of the one in the capture. */
export function seeder(capture: readonly CapturedDatagram[], size: number, chunkSize: number): Ours {
  const { chunks, tree } = capturedSwarm(size, chunkSize);
  const channels = capture
    .filter((line) => line.dir === "s2c" && isHandshake(line))
    .map(({ bytes }) => sourceOf(bytes));
  return new Ours({ metadata: metadataOf(tree.root(), chunkSize) }, channels).hold(chunks, tree);
}
