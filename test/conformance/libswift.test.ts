import { describe, expect, test } from "vitest";
import { rangeBin, binLevel } from "../../src/core/address/bin.ts";
import type { ChunkRange } from "../../src/core/address/range.ts";
import { decodeDatagram } from "../../src/core/codec/datagram.ts";
import { HashCode, type Message } from "../../src/core/codec/messages.ts";
import { hashFunction } from "../../src/core/integrity/hashes.ts";
import type { MerkleTree } from "../../src/core/integrity/tree.ts";
import { Verifier } from "../../src/core/integrity/verifier.ts";
import { chunksOf, only, Puppet, Stage } from "../sim/stage.ts";
import { makeContent, seeded } from "../sim/simulator.ts";
import { bytesOf, capturedSwarm, isHere, readCapture } from "../vectors/captures.ts";
import {
  channelOf,
  EPOCH,
  everything,
  FORMAT,
  hex,
  isHandshake,
  leecher,
  metadataOf,
  optionCodes,
  Ours,
  seeder,
  sourceOf,
} from "../vectors/libswift-peer.ts";

const RAW = { size: 10_257, chunkSize: 1024 };

type Swarms = readonly [capture: string, size: number, chunkSize: number];

/** Captures in which a leecher gets verifiable content. */
const TRANSFERS: readonly Swarms[] = [
  ["1byte", 1, 1024],
  ["1chunk", 1024, 1024],
  ["7chunks", 7000, 1024],
  ["8chunks", 7185, 1024],
  ["100k17", 102_417, 1024],
  ["3m", 3_145_728, 1024],
  ["cs8192-100k17", 102_417, 8192],
  ["cs512-7000", 7000, 512],
  ["loss-40k", 40_000, 1024],
  ["pex2-400k", 409_600, 1024],
];
/** Of these the capture does not hold everything: it was cut off or stopped. */
const PARTIAL = ["3m", "pex2-400k"];

/** A leecher as libswift is: it knows the hashes that it was sent, and nothing else. */
class Reader {
  readonly hashes = new Map<number, Uint8Array>();
  readonly verified = new Set<number>();
  readonly verifier: Verifier;
  /** Chunks that it got in the capture before we sent them. */
  readonly excused = new Set<number>();
  acknowledged = false;
  readonly #tree: MerkleTree;
  /** What came ahead of its chunk because both together fit no IP packet, as libswift sends it as well. */
  #ahead: Message[] = [];

  constructor(tree: MerkleTree) {
    this.verifier = new Verifier({ root: tree.root(), hash: hashFunction(HashCode.sha1) });
    this.#tree = tree;
  }

  /** It says that it holds these chunks, so it has proven them with all hashes on their way to the root. */
  holds({ start, end }: ChunkRange): void {
    this.acknowledged = true;
    this.verifier.verifyPeaks(this.#tree.peaks());
    for (let chunk = start; chunk <= end; chunk++) {
      if (!this.verified.has(chunk)) this.excused.add(chunk);
      for (const bin of this.#tree.uncles(chunk)) this.hashes.set(bin, this.#tree.get(bin)!);
      this.verifier.verify(chunk, this.#tree.get(2 * chunk)!, this.hashes);
    }
  }

  /** Takes a datagram as libswift would, which must understand all of it. */
  take(bytes: Uint8Array, micros: bigint): void {
    const { messages } = decodeDatagram(bytes, FORMAT);
    if (only(messages, "DATA").length === 0) this.#ahead.push(...only(messages, "INTEGRITY"));
    messages.forEach((message, i) => {
      const last = i === messages.length - 1;
      const known = ["HANDSHAKE", "DATA", "HAVE", "INTEGRITY", "PEX_REQ", "PEX_RESv4", "PEX_RESv6"];
      expect(known).toContain(message.type);
      if (message.type === "HANDSHAKE") expect(i).toBe(0);
      if (message.type !== "DATA") return;
      expect(last, "DATA is the last message").toBe(true);
      expect(message.timestamp, "Unix time in microseconds").toBe(micros);
      this.#data(message.chunks.start, [...this.#ahead.splice(0), ...messages]);
    });
  }

  #data(chunk: number, messages: readonly Message[]): void {
    const data = messages.at(-1) as Extract<Message, { type: "DATA" }>;
    expect(data.chunks.end).toBe(chunk);
    const nodes = only(messages, "INTEGRITY").map(({ chunks, hash }) => ({ bin: rangeBin(chunks)!, hash }));
    for (const { bin, hash } of nodes) this.hashes.set(bin, hash);
    const descends = (levels: readonly number[]): boolean =>
      levels.every((level, i) => i === 0 || level < levels[i - 1]!);
    if (!this.acknowledged) {
      const peaks = nodes.slice(0, this.#peaks(nodes));
      expect(descends(peaks.map(({ bin }) => binLevel(bin))), "peaks in descending size").toBe(true);
      nodes.splice(0, peaks.length);
    }
    expect(descends(nodes.map(({ bin }) => binLevel(bin))), "uncles in descending layer order").toBe(true);
    const leaf = hashFunction(HashCode.sha1).digest(data.data);
    expect(this.verifier.verify(chunk, leaf, this.hashes), `chunk ${chunk}`).toBe("verified");
    this.verified.add(chunk);
  }

  /** How many of these are the peaks: they must be there until an ACK or HAVE. */
  #peaks(nodes: readonly { bin: number; hash: Uint8Array }[]): number {
    const count = nodes.findIndex((_, i) => this.verifier.verifyPeaks(nodes.slice(0, i + 1))) + 1;
    expect(count, "peaks before DATA").toBeGreaterThan(0);
    return count;
  }
}

const ABSENT = "../shared/wire is absent, and this capture is not among the fixtures in test/vectors/libswift";

describe("RFC 7574 against libswift's datagrams: our leecher in the place of its own", () => {
  test.for(TRANSFERS)("verifies what libswift's seeder sent in %s", ([name, size, chunkSize], { skip }) => {
    skip(!isHere(name), ABSENT);
    const capture = readCapture(name).filter(({ client }) => client === 0);
    const { chunks, tree } = capturedSwarm(size, chunkSize);
    // Without the last chunk only who knows how many there are can prove any.
    const ours = leecher(capture, tree.root(), chunkSize, PARTIAL.includes(name) ? chunks.length : undefined);
    expect(hex(ours.sent[0]!), "datagram 1 is libswift's own").toBe(hex(capture[0]!.bytes));
    const delivered = new Set<number>();
    for (const line of capture) {
      if (line.dir !== "s2c" || channelOf(line.bytes) !== sourceOf(capture[0]!.bytes)) continue;
      ours.take(line);
      for (const { chunks } of only(decodeDatagram(line.bytes, FORMAT).messages, "DATA")) delivered.add(chunks.start);
    }
    expect(ours.news.filter(({ type }) => type === "rejected" || type === "closed")).toEqual([]);
    expect([...ours.store.keys()].sort((a, b) => a - b)).toEqual([...delivered].sort((a, b) => a - b));
    for (const [chunk, bytes] of ours.store) expect(hex(bytes)).toBe(hex(chunks[chunk]!));
    if (!PARTIAL.includes(name)) expect(delivered.size).toBe(chunks.length);
    for (const bytes of ours.sent) {
      for (const { chunks: asked } of only(decodeDatagram(bytes, FORMAT).messages, "REQUEST"))
        expect(asked.end, "never a REQUEST past the end").toBeLessThan(chunks.length);
    }
  });

  test.for(["noopenssl-7chunks", "mixed-cipm-7chunks"])(
    "takes nothing unverified where libswift protects nothing: %s",
    (name, { skip }) => {
      skip(!isHere(name), ABSENT);
      const capture = readCapture(name);
      const { chunks, tree } = capturedSwarm(7000, 1024);
      const ours = leecher(capture, tree.root(), 1024);
      for (const line of capture) if (line.dir === "s2c") ours.take(line);
      for (const [chunk, bytes] of ours.store) expect(hex(bytes)).toBe(hex(chunks[chunk]!));
      // Method 0 is refused; a seeder with method 1 sends peaks but no uncles, so only a peak can be proven.
      expect([...ours.store.keys()]).toEqual(name.startsWith("mixed") ? [6] : []);
    },
  );
});

describe("RFC 7574 against libswift's datagrams: our seeder in the place of its own", () => {
  test.for(TRANSFERS)("answers what libswift's leecher sent in %s", ([name, size, chunkSize], { skip }) => {
    skip(!isHere(name), ABSENT);
    const capture = readCapture(name).filter(({ client }) => client === 0);
    const ours = seeder(capture, size, chunkSize);
    const count = Math.ceil(size / chunkSize);
    const reader = new Reader(capturedSwarm(size, chunkSize).tree);
    const asked = new Set<number>();
    const answers: Uint8Array[] = [];
    const [first] = capture;
    for (const line of capture) {
      if (line.dir !== "c2s") continue;
      // Other channels than the first carry nothing here.
      const ofFirst = channelOf(line.bytes) === sourceOf(capture[1]!.bytes);
      if (ofFirst && !isHandshake(line)) {
        const { messages } = decodeDatagram(line.bytes, FORMAT);
        for (const message of messages)
          if (message.type === "ACK" || message.type === "HAVE") reader.holds(message.chunks);
        for (const { chunks } of only(messages, "REQUEST"))
          for (let chunk = chunks.start; chunk <= chunks.end && chunk < count; chunk++) asked.add(chunk);
      }
      for (const bytes of ours.take(line)) {
        if (channelOf(bytes) !== sourceOf(first!.bytes)) continue;
        reader.take(bytes, EPOCH + BigInt(Math.round(line.ms * 1000)));
        answers.push(bytes);
      }
    }
    expect(ours.news.filter(({ type }) => type === "rejected")).toEqual([]);
    // What libswift's seeder was faster with is not wanted of us any more. Where the capture ends early, the last REQUESTs
    // are waiting for ACKs that are not in it.
    const open = [...asked].filter((chunk) => !reader.verified.has(chunk) && !reader.excused.has(chunk));
    if (!PARTIAL.includes(name)) expect(open, "every REQUEST is answered").toEqual([]);
    expect(reader.verified.size).toBeGreaterThan(PARTIAL.includes(name) ? 30 : count * 0.8);

    const theirs = capture.filter(({ dir, bytes }) => dir === "s2c" && channelOf(bytes) === sourceOf(first!.bytes));
    const handshake = (bytes: Uint8Array): string => hex(bytes.subarray(0, bytes.indexOf(255, 9) + 1));
    expect(optionCodes(answers[0]!)).toEqual([0, 1, 3, 4, 6]);
    expect(handshake(answers[0]!), "our HANDSHAKE is libswift's own").toBe(handshake(theirs[0]!.bytes));
    const haves = (bytes: Uint8Array) =>
      only(decodeDatagram(bytes, FORMAT).messages, "HAVE").map(({ chunks }) => chunks);
    expect(haves(answers[0]!)).toEqual([{ start: 0, end: haves(theirs[0]!.bytes).at(-1)!.end }]);
    if (name.startsWith("loss")) return;
    // The first DATA answers the same REQUEST, so everything around it is the same.
    const data = (datagrams: readonly Uint8Array[]): string | undefined => {
      const found = datagrams.find((bytes) => only(decodeDatagram(bytes, FORMAT).messages, "DATA").length > 0);
      if (found === undefined) return undefined;
      const { length } = only(decodeDatagram(found, FORMAT).messages, "DATA")[0]!.data;
      return hex(Buffer.from(found).fill(0, found.length - length - 8, found.length - length));
    };
    expect(data(answers), "hashes and DATA are libswift's own but for the time").toBe(
      data(theirs.map(({ bytes }) => bytes)),
    );
  });

  test.for([
    ["raw-version2-min1", ["HANDSHAKE 1", "INTEGRITY", "DATA 1"], "a peer with a later version that can do ours"],
    [
      "raw-supported-messages",
      ["HANDSHAKE 1", "INTEGRITY", "DATA 1"],
      "option 8; a REQUEST before the handshake is done",
    ],
    ["raw-chunksize-option", ["HANDSHAKE 1"], "option 9"],
    ["raw-no-ack", ["HANDSHAKE 1", "INTEGRITY", "DATA 0-7"], "a peer that never acknowledges"],
    ["raw-close", ["HANDSHAKE 1"], "a close without options"],
    ["raw-close-with-version", ["HANDSHAKE 1", "close"], "a close with the version, and a REQUEST after it"],
    ["raw-sha256", ["close"], "another hash function"],
    ["raw-chunk64", ["close"], "another chunk addressing method"],
    ["raw-bin32", ["close"], "bins"],
    ["raw-cipm-none", ["close"], "no content integrity protection"],
    ["raw-no-options-but-swarm", [], "no version, which is malformed"],
    ["raw-legacy", [], "the protocol before PPSPP, which is malformed"],
    ["raw-unknown-message", ["HANDSHAKE 1"], "an unknown message: no more dealings"],
    ["raw-unknown-channel", [], "a channel that nobody opened"],
  ] as const)("%s: answers sensibly to hand-made datagrams", ([name, expected], { skip }) => {
    skip(!isHere(name), ABSENT);
    const capture = readCapture(name);
    const ours = seeder(capture, RAW.size, RAW.chunkSize);
    const seen = new Set<string>();
    const chunks: number[] = [];
    for (const line of capture) {
      if (line.dir !== "c2s") continue;
      for (const bytes of ours.take(line)) {
        for (const message of decodeDatagram(bytes, FORMAT).messages) {
          if (message.type === "HANDSHAKE")
            seen.add(message.channel === 0 ? "close" : `HANDSHAKE ${message.options.version}`);
          else if (message.type === "DATA") chunks.push(message.chunks.start);
          else if (message.type === "INTEGRITY") seen.add(message.type);
        }
      }
    }
    if (chunks.length > 0) seen.add(`DATA ${[...new Set([chunks[0], chunks.at(-1)])].join("-")}`);
    expect([...seen]).toEqual(expected);
  });

  test.each([7, undefined])(
    "gets no REQUEST past the end, though a peer announces more (chunks known: %s)",
    (chunkCount) => {
      const content = makeContent(7000, 1024, seeded(3));
      const { chunkCount: _, ...metadata } = content.options.metadata;
      const known = chunkCount === undefined ? metadata : { ...metadata, chunkCount };
      const stage = new Stage(content, { metadata: known, compat: "libswift", picker: everything });
      const puppet = new Puppet(stage).accept({ type: "HAVE", chunks: { start: 0, end: 0 } });
      stage.want(0, 99);
      expect(chunksOf(puppet.received(), "REQUEST")).toEqual([0]);
      if (chunkCount === undefined) puppet.deliver(0);
      puppet.have(0, 99);
      const rest = [1, 2, 3, 4, 5, 6];
      if (chunkCount === undefined) {
        // The last one, which tells how many there are, before all others.
        expect(chunksOf(puppet.received(), "REQUEST")).toEqual([rest.pop()]);
        puppet.deliver(6);
      }
      expect(chunksOf(puppet.received(), "REQUEST")).toEqual(rest);
    },
  );

  test("never answers a refusal, which libswift sends to channel 0", () => {
    const ours = new Ours({ metadata: metadataOf(capturedSwarm(7000, 1024).tree.root(), 1024) }, []);
    for (const refusal of ["000000000000000000ff", "00000000000000000000 01ff"])
      expect(ours.take({ ms: 1, dir: "c2s", client: 0, bytes: bytesOf(refusal.replaceAll(" ", "")) })).toEqual([]);
    expect(ours.news).toEqual([]);
  });
});

test("a session of our own has the shape of libswift's: the same four datagrams first", () => {
  const capture = readCapture("7chunks");
  const { chunks, tree } = capturedSwarm(7000, 1024);
  const ids = capture.filter(isHandshake).map(({ bytes }) => sourceOf(bytes));
  const metadata = metadataOf(tree.root(), 1024);
  const get = new Ours({ metadata }, [ids[0]!]);
  const seed = new Ours({ metadata }, [ids[1]!]).hold(chunks, tree);
  get.step({ type: "want", swarm: get.swarm.key, chunks: { start: 0, end: 2 ** 20 }, deadline: Infinity });
  get.step({ type: "open", link: "peer", swarm: get.swarm.key });
  const ours: Uint8Array[] = [];
  for (let i = 0; get.store.size < chunks.length && i < 20; i++) {
    for (const [from, to] of [
      [get, seed],
      [seed, get],
    ] as const) {
      for (const bytes of from.sent.splice(0)) {
        ours.push(bytes);
        to.take({ ms: i, dir: "c2s", client: 0, bytes });
      }
    }
  }
  expect(get.store.size).toBe(7);
  const shape = (bytes: Uint8Array): string[] => {
    const { channel, messages } = decodeDatagram(bytes, FORMAT);
    const types = messages.map((message) =>
      message.type === "HANDSHAKE" ? `HANDSHAKE ${optionCodes(bytes).join(" ")}` : message.type,
    );
    return [`to ${channel}`, ...types.filter((type, i) => type !== types[i - 1] && type !== "PEX_REQ")];
  };
  const theirs = capture.slice(0, 4).map(({ bytes }) => shape(bytes));
  expect(theirs).toEqual([
    [`to 0`, "HANDSHAKE 0 1 2 3 4 6"],
    [`to ${ids[0]}`, "HANDSHAKE 0 1 3 4 6", "HAVE"],
    [`to ${ids[1]}`, "REQUEST"],
    [`to ${ids[0]}`, "INTEGRITY", "DATA"],
  ]);
  // What we add: on a channel that is open now, our seeder says HAVE again.
  expect(
    ours
      .map(shape)
      .filter(([, ...types]) => types.join() !== "HAVE")
      .slice(0, 4),
  ).toEqual(theirs);
});
