import { expect, test } from "vitest";
import { hashFunction } from "../../src/core/integrity/hashes.ts";
import { MerkleTree } from "../../src/core/integrity/tree.ts";
import { HashCode, type Message } from "../../src/core/codec/messages.ts";
import { makeContent, seeded, Simulator } from "../sim/simulator.ts";
import { chunksOf, EPOCH, only, Puppet, Stage } from "../sim/stage.ts";

const content = makeContent(50 * 1_024 - 100, 1_024, seeded(1));
const CHUNKS = content.chunks.length;
/** Peaks of 50 chunks, as ranges. */
const PEAKS = [
  { start: 0, end: 31 },
  { start: 32, end: 47 },
  { start: 48, end: 49 },
];

/** An endpoint that asks a peer which has everything for some chunks. */
const leech = (chunks: readonly number[], stage = new Stage(content)): { stage: Stage; puppet: Puppet } => {
  const puppet = new Puppet(stage).open();
  puppet.have(0, CHUNKS - 1);
  for (const chunk of chunks) stage.want(chunk, chunk);
  expect(chunksOf(puppet.received(), "REQUEST")).toEqual(chunks);
  return { stage, puppet };
};

/** An endpoint that has everything, and a peer that has nothing yet. */
const serve = (maxDatagram = 65_536): { stage: Stage; puppet: Puppet } => {
  const stage = new Stage(content).hold();
  stage.pass(100);
  return { stage, puppet: new Puppet(stage, "puppet", 77, maxDatagram).open() };
};

const ack = (start: number, end = start): Message => ({ type: "ACK", chunks: { start, end }, delay: 0n });
const integrity = (messages: readonly Message[]): { start: number; end: number }[] =>
  only(messages, "INTEGRITY").map(({ chunks }) => chunks);

test("RFC 7574 §3.2 SHOULD: a verified chunk is announced by HAVE", () => {
  const { stage, puppet } = leech([0]);
  const other = new Puppet(stage, "other", 88).open();
  puppet.deliver(0);
  stage.pass(250);
  expect(chunksOf(other.received(), "HAVE")).toEqual([0]);
});

test("RFC 7574 §3.2 MUST: HAVE holds nothing but chunks that are received and verified", () => {
  const { stage, puppet } = leech([0, 5]);
  const other = new Puppet(stage, "other", 88).open();
  stage.waiting = [];
  puppet.deliver(0);
  puppet.send(puppet.data(5));
  stage.pass(250);
  expect(only(other.received(), "HAVE")).toEqual([]);
  stage.finishDigests();
  stage.pass(250);
  expect(chunksOf(other.received(), "HAVE")).toEqual([0]);
});

test("RFC 7574 §3.2 MUST NOT: no HAVE to a peer whose handshake is incomplete", () => {
  const stage = new Stage(content);
  const [opening, answering] = [new Puppet(stage, "opening"), new Puppet(stage, "answering", 88)];
  stage.step({ type: "open", link: "opening", swarm: stage.swarm.key });
  answering.begin();
  opening.received();
  stage.hold();
  stage.pass(900);
  expect([...opening.received(), ...answering.received()]).toEqual([]);
  answering.send();
  expect(chunksOf(answering.received(), "HAVE")).toHaveLength(CHUNKS);
});

test("RFC 7574 §3.2 SHOULD NOT: no HAVE to a peer that has the complete content", () => {
  const { stage, puppet } = leech([0]);
  puppet.deliver(0);
  stage.pass(60_000);
  expect(only(puppet.received(), "HAVE")).toEqual([]);
});

test("RFC 7574 §4.3.1 MUST: HAVE goes to all peers, with the biggest complete interval that includes the new chunks", () => {
  const { stage, puppet } = leech([3, 4, 5, 6]);
  const others = [new Puppet(stage, "b", 88).open(), new Puppet(stage, "c", 99).open()];
  for (const chunk of [3, 4, 6]) puppet.deliver(chunk);
  stage.pass(100);
  for (const other of others) other.received();
  puppet.deliver(5);
  stage.pass(100);
  for (const other of others)
    expect(only(other.received(), "HAVE").map(({ chunks }) => chunks)).toEqual([{ start: 3, end: 6 }]);
});

test("RFC 7574 §3.3 MUST: DATA holds the sender's current system time in microseconds", () => {
  const { stage, puppet } = serve();
  stage.pass(1_234);
  puppet.ask(0);
  const [data] = only(puppet.received(), "DATA");
  expect(data?.timestamp).toBe(EPOCH + BigInt(1_000 * stage.now));
});

test("RFC 7574 §3.4 MUST: chunks received are acknowledged, to their sender", () => {
  const { stage, puppet } = leech([7]);
  const other = new Puppet(stage, "other", 88).open();
  puppet.deliver(7);
  expect(only(puppet.received(), "ACK").map(({ chunks }) => chunks)).toEqual([{ start: 7, end: 7 }]);
  stage.pass(100);
  expect(only(other.received(), "ACK")).toEqual([]);
});

test("RFC 7574 §4.3.2 MUST: ACK goes out after verification, with the biggest complete interval", () => {
  const { stage, puppet } = leech([7, 8, 9]);
  for (const chunk of [7, 9]) puppet.deliver(chunk);
  puppet.received();
  stage.waiting = [];
  puppet.deliver(8);
  expect(only(puppet.received(), "ACK")).toEqual([]);
  stage.finishDigests();
  expect(only(puppet.received(), "ACK").map(({ chunks }) => chunks)).toEqual([{ start: 7, end: 9 }]);
});

test("RFC 7574 §3.4 MUST: ACK holds the one-way delay, computed from the time in DATA", () => {
  const { stage, puppet } = leech([0]);
  stage.pass(500);
  puppet.send(...puppet.proof(0), puppet.data(0, EPOCH + 500_000n - 12_345n));
  expect(only(puppet.received(), "ACK")[0]?.delay).toBe(12_345n);
});

test("RFC 7574 §3.7 SHOULD: REQUESTs of one peer are served in the order of their arrival", () => {
  const { puppet } = serve();
  puppet.send(...[9, 3, 40, 4].map((chunk): Message => ({ type: "REQUEST", chunks: { start: chunk, end: chunk } })));
  puppet.ask(1);
  expect(chunksOf(puppet.received(), "DATA")).toEqual([9, 3, 40, 4, 1]);
});

test("RFC 7574 §3.8 SHOULD: a chunk that is asked of another peer is cancelled where it was asked before", () => {
  const stage = new Stage(content);
  const [slow, other] = [new Puppet(stage, "slow").open(), new Puppet(stage, "other", 88).open()];
  slow.have(0, 0);
  stage.want(0, 0);
  other.have(0, 0);
  slow.received();
  stage.pass(600);
  expect(chunksOf(slow.received(), "CANCEL")).toEqual([0]);
  expect(chunksOf(other.received(), "REQUEST")).toEqual([0]);
});

test("RFC 7574 §3.8 MUST: HAVE from a peer cancels its own REQUEST for those chunks", () => {
  const { puppet } = serve();
  puppet.send({ type: "REQUEST", chunks: { start: 0, end: 5 } }, { type: "HAVE", chunks: { start: 1, end: 4 } });
  expect(chunksOf(puppet.received(), "DATA")).toEqual([0, 5]);
});

test("RFC 7574 §5 MUST: static content is protected by the Merkle hash tree, whichever hash function", () => {
  for (const hash of Object.values(HashCode)) {
    const hashed = makeContent(9_000, 1_024, seeded(2), hash);
    const net = new Simulator(2, { delay: 10, jitter: 0, loss: 0, duplication: 0, uplink: Infinity });
    const [seed, viewer] = [net.join("seed", hashed.options), net.join("viewer", hashed.options)];
    seed.seed(hashed);
    viewer.leech(hashed.chunks.length);
    net.connect(viewer, seed);
    expect(net.run(() => viewer.store.size === hashed.chunks.length, 10_000)).toBe(true);
  }
});

test("RFC 7574 §7.6 MUST: SHA-1 and SHA-256 are supported", () => {
  for (const [code, hex] of [
    [HashCode.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"],
    [HashCode.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  ] as const)
    expect(Buffer.from(hashFunction(code).digest(Buffer.from("abc"))).toString("hex")).toBe(hex);
});

test("RFC 7574 §5.1: missing leaves are zeros, and a parent of two zero hashes is zero, not hashed", () => {
  const hash = hashFunction(HashCode.sha256);
  const zero = new Uint8Array(32);
  expect(hash.pair(zero, zero)).toEqual(zero);
  const leaves = [1, 2, 3, 4, 5].map((octet) => hash.digest(new Uint8Array([octet])));
  const [a, b, c, d, e] = leaves as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const four = hash.pair(hash.pair(a, b), hash.pair(c, d));
  expect(MerkleTree.fromLeaves(hash, leaves).root()).toEqual(hash.pair(four, hash.pair(hash.pair(e, zero), zero)));
});

test("RFC 7574 §5.2 MUST: a chunk is not accepted unless the hashes lead to the root", () => {
  const { stage, puppet } = leech([10, 20, 30]);
  puppet.send(puppet.data(20));
  const proof = puppet.proof(10);
  const [uncle] = proof.splice(PEAKS.length, 1);
  puppet.send(...proof, puppet.data(10));
  expect(stage.told("verified")).toEqual([]);
  puppet.send(uncle!);
  expect(stage.told("verified").map(({ chunk }) => chunk)).toEqual([10]);
  puppet.send(...puppet.proof(30), { ...puppet.data(30), data: new Uint8Array(1_024) } as Message);
  expect(stage.told("rejected")).toMatchObject([{ reason: "integrity", chunk: 30 }]);
});

test("RFC 7574 §5.3 SHOULD: each datagram is processed on its own, and losing one does not disturb the others", () => {
  const { puppet, stage } = serve();
  puppet.ask(0, 3);
  const datagrams = puppet.datagrams().filter(({ messages }) => only(messages, "DATA").length > 0);
  expect(datagrams).toHaveLength(4);
  // Until something was acknowledged, any of them alone can be verified.
  for (const { messages } of datagrams) {
    const receiver = leech([0, 1, 2, 3]);
    receiver.puppet.send(...messages);
    expect(receiver.stage.told("verified").length).toBe(1);
  }
  expect(stage.told("rejected")).toEqual([]);
});

test("RFC 7574 §5.3 SHOULD: the hashes travel in the datagram of their chunk", () => {
  const { puppet } = serve();
  puppet.ask(20);
  const [datagram, ...others] = puppet.datagrams();
  expect(others).toEqual([]);
  expect(integrity(datagram!.messages).length).toBeGreaterThan(3);
  expect(datagram!.messages.at(-1)?.type).toBe("DATA");
});

test("RFC 7574 §5.4 MUST: hashes that do not fit beside their chunk go first, in datagrams of their own", () => {
  const { puppet } = serve(1_100);
  puppet.ask(20);
  const datagrams = puppet.datagrams();
  expect(datagrams.length).toBeGreaterThan(1);
  expect(Math.max(...datagrams.map(({ bytes }) => bytes))).toBeLessThanOrEqual(1_100);
  expect(datagrams.at(-1)?.messages.map(({ type }) => type)).toEqual(["DATA"]);
  const receiver = leech([20]);
  for (const { messages } of datagrams) receiver.puppet.send(...messages);
  expect(receiver.stage.told("verified").map(({ chunk }) => chunk)).toEqual([20]);
});

test("RFC 7574 §5.3 SHOULD: a message that lacks something it needs is dropped", () => {
  const { stage, puppet } = leech([20]);
  puppet.send(puppet.data(20));
  expect(stage.swarm.unproven).toBe(1);
  stage.pass(1_000);
  expect(stage.swarm.unproven).toBe(0);
  expect(stage.told("rejected")).toEqual([]);
});

test("RFC 7574 §5.3 MUST: the sender sends the hashes that the receiver lacks, and no others", () => {
  const { puppet } = serve();
  puppet.ask(0);
  puppet.received();
  puppet.send(ack(0));
  puppet.ask(2);
  expect(integrity(puppet.received())).toEqual([{ start: 3, end: 3 }]);
  puppet.have(40, 40);
  puppet.ask(44);
  expect(integrity(puppet.received())).toEqual([
    { start: 46, end: 47 },
    { start: 45, end: 45 },
  ]);
});

test("RFC 7574 §5.3 MUST: the receiver remembers the hashes that it needs for chunks still missing", () => {
  const { stage, puppet } = leech([10, 11]);
  puppet.send(...puppet.proof(10));
  stage.pass(100);
  puppet.send(puppet.data(10));
  expect(stage.told("verified").map(({ chunk }) => chunk)).toEqual([10]);
  puppet.send(puppet.data(11));
  expect(stage.told("verified").map(({ chunk }) => chunk)).toEqual([10, 11]);
});

test("RFC 7574 §5.4 MUST: a datagram is a list of INTEGRITY, highest first, then DATA; the list has all that is missing", () => {
  const { puppet } = serve();
  puppet.ask(20);
  const messages = puppet.received();
  expect(messages.map(({ type }) => type)).toEqual([...Array.from({ length: 8 }, () => "INTEGRITY"), "DATA"]);
  expect(integrity(messages)).toEqual([
    ...PEAKS,
    { start: 0, end: 15 },
    { start: 24, end: 31 },
    { start: 16, end: 19 },
    { start: 22, end: 23 },
    { start: 21, end: 21 },
  ]);
});

test("RFC 7574 §5.6.2 MUST: peaks go before the first DATA and before the uncles, until a chunk is acknowledged", () => {
  const { puppet } = serve();
  for (const chunk of [0, 20]) {
    puppet.ask(chunk);
    expect(integrity(puppet.received()).slice(0, PEAKS.length)).toEqual(PEAKS);
  }
  puppet.send(ack(0));
  puppet.ask(40);
  const later = integrity(puppet.received());
  for (const peak of PEAKS) expect(later).not.toContainEqual(peak);
});

test("RFC 7574 §5.6.2 MUST: the receiver checks the peaks against the root", () => {
  const { chunkCount: _, ...metadata } = content.options.metadata;
  const { stage, puppet } = leech([0], new Stage(content, { metadata }));
  const wrong = puppet
    .proof(0)
    .map((message, i): Message =>
      i === 1 && message.type === "INTEGRITY" ? { ...message, hash: new Uint8Array(32) } : message,
    );
  puppet.send(...wrong);
  expect(chunksOf(puppet.received(), "REQUEST")).toEqual([]);
  puppet.deliver(0);
  // Only the last chunk shows how many there are.
  expect(stage.swarm.verifier.chunkCount).toBeUndefined();
  expect(chunksOf(puppet.received(), "REQUEST")).toEqual([CHUNKS - 1]);
  puppet.deliver(CHUNKS - 1);
  expect(stage.swarm.verifier.chunkCount).toBe(CHUNKS);
});

test("RFC 7574 §5.6.2 MUST: the exact size comes from the peaks and the last chunk, which any peer may give", () => {
  const { chunkCount: _, ...metadata } = content.options.metadata;
  const { stage, puppet } = leech([0], new Stage(content, { metadata }));
  const last = CHUNKS - 1;
  const other = new Puppet(stage, "other", 88).open();
  other.have(last, last);
  stage.want(last, last, 1_000_000);
  puppet.deliver(0);
  for (const peer of [puppet, other]) if (chunksOf(peer.received(), "REQUEST").includes(last)) peer.deliver(last);
  expect(stage.swarm.verifier.chunkCount).toBe(CHUNKS);
  const size = last * 1_024 + stage.store.get(last)!.length;
  expect(size).toBe(content.chunks.reduce((sum, chunk) => sum + chunk.length, 0));
});

test("RFC 7574 §8.1 MUST: the chunk size is part of the metadata, and a chunk of another size is refused", () => {
  const { stage, puppet } = leech([3]);
  puppet.send(...puppet.proof(3), { ...puppet.data(3), data: content.chunks[3]!.subarray(1) } as Message);
  expect(stage.told("rejected")).toMatchObject([{ reason: "integrity", chunk: 3 }]);
});

test("RFC 7574 §13.6.2: who announces chunks and does not deliver them counts as slow and is not asked again", () => {
  const stage = new Stage(content);
  const idle = new Puppet(stage, "idle").open();
  const good = new Puppet(stage, "good", 88).open();
  idle.have(0, CHUNKS - 1);
  stage.want(0, 9);
  const asked = chunksOf(idle.received(), "REQUEST");
  stage.pass(300);
  good.have(0, CHUNKS - 1);
  stage.pass(150);
  const again: number[] = [];
  for (let i = 0; i < 70; i++) {
    for (const chunk of chunksOf(good.received(), "REQUEST")) good.deliver(chunk);
    again.push(...chunksOf(idle.received(), "REQUEST"));
    stage.pass(300);
  }
  expect(stage.store.size).toBe(10);
  expect(again.filter((chunk) => asked.includes(chunk))).toEqual([]);
});

test("RFC 7574 §13.6.3: bogus chunks are caught, and unrequested ones cost nothing", () => {
  const { stage, puppet } = leech([0]);
  stage.waiting = [];
  const stranger = new Puppet(stage, "stranger", 88).open();
  stranger.deliver(0);
  expect(stage.waiting).toEqual([]);
  stage.finishDigests();
  puppet.send(...puppet.proof(0), { ...puppet.data(0), data: new Uint8Array(1_024) } as Message);
  expect(stage.told("rejected")).toMatchObject([{ link: "puppet", chunk: 0 }]);
  expect(stage.store.size).toBe(0);
});

test("RFC 7574 §13.6.4: an ACK for what was never sent has no effect", () => {
  const { stage, puppet } = serve();
  puppet.send(ack(0, 40));
  expect(stage.swarm.connection("puppet")!.peerHas.size).toBe(0);
  puppet.ask(3);
  expect(integrity(puppet.received()).slice(0, PEAKS.length)).toEqual(PEAKS);
});

test("RFC 7574 §13.6.5: hashes that fail end the dealings with that peer", () => {
  const { stage, puppet } = leech([0]);
  const proof = puppet.proof(0);
  const wrong = proof.map((message, i): Message =>
    i === proof.length - 1 && message.type === "INTEGRITY" ? { ...message, hash: new Uint8Array(32) } : message,
  );
  puppet.send(...wrong, puppet.data(0));
  expect(stage.told("rejected")).toMatchObject([{ reason: "integrity" }]);
  puppet.received();
  puppet.deliver(0);
  puppet.begin();
  expect(puppet.received()).toEqual([]);
  expect(stage.store.size).toBe(0);
});

test("RFC 7574 §13.6.6: the upload that one peer can take is limited", () => {
  const large = makeContent(100 * 16_384, 16_384, seeded(3));
  const stage = new Stage(large).hold();
  const puppet = new Puppet(stage).open();
  puppet.ask(0, 99);
  const bytes = puppet.datagrams().reduce((sum, sent) => sum + sent.bytes, 0);
  expect(bytes).toBeLessThan(80_000);
});

test("RFC 7574 §13.6.7: CANCEL for what was not requested is ignored", () => {
  const { puppet } = serve();
  puppet.send({ type: "CANCEL", chunks: { start: 0, end: 2 ** 32 - 1 } });
  puppet.ask(4);
  puppet.send({ type: "CANCEL", chunks: { start: 4, end: 4 } });
  expect(chunksOf(puppet.received(), "DATA")).toEqual([4]);
});
