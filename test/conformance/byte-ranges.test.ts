import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChunkAddressing, HashCode, type Message } from "../../src/core/codec/messages.ts";
import { Layout } from "../../src/core/content/layout.ts";
import { hashFunction } from "../../src/core/integrity/hashes.ts";
import { MerkleTree } from "../../src/core/integrity/tree.ts";
import { sample } from "../property/presentation.ts";
import { digest, makeContent, seeded, Simulator, type Content, type Weather } from "../sim/simulator.ts";
import { only, Puppet, Stage } from "../sim/stage.ts";

const STORM: Weather = { delay: 10, jitter: 30, loss: 0.05, duplication: 0.03, uplink: 2_000 };

/** 7 chunks of 1,024 bytes, the last of 856, named by their bytes. */
function sevenChunks(): Content {
  const { options, ...content } = makeContent(7_000, 1_024, seeded(9));
  return { ...content, options: { metadata: { ...options.metadata, addressing: ChunkAddressing.byte64 } } };
}

/** A seeder that knows how long its content is. */
const seeder = (content: Content): Stage =>
  new Stage(content, { chunkLength: (chunk) => content.chunks[chunk]!.length }).hold();

/** The bytes that messages of one type name. */
const bytes = (messages: readonly Message[], type: "DATA" | "HAVE" | "ACK" | "REQUEST" | "INTEGRITY" | "CANCEL") =>
  only(messages, type).map(({ chunks }) => [chunks.start, chunks.end]);

test("RFC 7574 §4.1.2: a range of bytes is the first and the last byte, the last of the content being its length - 1", () => {
  const puppet = new Puppet(seeder(sevenChunks()));
  const answer = puppet.begin();
  expect(bytes(answer!.messages, "HAVE")).toEqual([[0, 6_999]]);
  puppet.send();
  puppet.received();
  puppet.ask(6 * 1_024, 6_999);
  const sent = puppet.received();
  expect(bytes(sent, "INTEGRITY")).toEqual([
    [0, 4_095],
    [4_096, 6_143],
    [6_144, 6_999],
  ]);
  expect(bytes(sent, "DATA")).toEqual([[6_144, 6_999]]);
});

test("RFC 7574 §5.6: the number of chunks comes from the bytes of the peaks, and the length from the last chunk", () => {
  const content = sevenChunks();
  const { chunkCount: _, ...metadata } = content.options.metadata;
  const stage = new Stage(content, { metadata });
  stage.want(6, 6);
  const puppet = new Puppet(stage).accept({ type: "HAVE", chunks: { start: 0, end: 6_999 } });
  expect(bytes(puppet.received(), "REQUEST").length).toBeGreaterThan(0);
  const peaks: Message[] = content.tree.peaks().map(({ hash }, i) => ({
    type: "INTEGRITY",
    chunks: [
      { start: 0, end: 4_095 },
      { start: 4_096, end: 6_143 },
      { start: 6_144, end: 6_999 },
    ][i]!,
    hash,
  }));
  const data = content.chunks[6]!;
  puppet.send(...peaks, { type: "DATA", chunks: { start: 6_144, end: 6_999 }, timestamp: 0n, data });
  expect(stage.swarm.verifier.chunkCount).toBe(7);
  expect([...stage.store.keys()]).toEqual([6]);
  expect(bytes(puppet.received(), "ACK")).toEqual([[6_144, 6_999]]);
});

test("a REQUEST for some bytes of a chunk is answered with the chunk, and a CANCEL of some leaves it wanted", () => {
  const stage = seeder(sevenChunks());
  const puppet = new Puppet(stage).open();
  puppet.send(
    { type: "REQUEST", chunks: { start: 1_500, end: 1_500 } },
    { type: "CANCEL", chunks: { start: 1_024, end: 2_046 } },
    { type: "REQUEST", chunks: { start: 4_096, end: 5_000 } },
    { type: "CANCEL", chunks: { start: 4_000, end: 5_119 } },
  );
  expect(bytes(puppet.received(), "DATA")).toEqual([[1_024, 2_047]]);
});

test("a HAVE that covers a chunk in part is no HAVE for it", () => {
  const content = sevenChunks();
  const stage = new Stage(content);
  stage.want(0, 6);
  const puppet = new Puppet(stage).accept();
  puppet.received();
  puppet.have(1, 3_071);
  expect(bytes(puppet.received(), "REQUEST")).toEqual([[1_024, 3_071]]);
});

describe("hostile byte ranges", () => {
  test("huge ones and ones beyond the end do no harm", () => {
    const stage = seeder(sevenChunks());
    const puppet = new Puppet(stage).open();
    const far = Number.MAX_SAFE_INTEGER;
    for (const type of ["HAVE", "CANCEL"] as const)
      for (const chunks of [
        { start: far, end: far },
        { start: 7_000, end: far },
        { start: 6_999, end: far },
      ])
        puppet.send({ type, chunks });
    puppet.send({ type: "ACK", chunks: { start: 0, end: far }, delay: 0n });
    puppet.ask(7_000, far);
    expect(puppet.received()).toEqual([]);
    puppet.ask(6_999, far);
    expect(bytes(puppet.received(), "DATA")).toEqual([[6_144, 6_999]]);
    expect(stage.told("rejected")).toEqual([]);
  });

  test.each([
    ["above 2^53", "0020000000000000 0020000000000001"],
    ["inverted", "0000000000000400 00000000000003ff"],
  ])("one that is %s is malformed, and ends the dealings", (_, range) => {
    const stage = seeder(sevenChunks());
    const puppet = new Puppet(stage).open();
    const channel = Buffer.alloc(4);
    channel.writeUInt32BE(puppet.remote);
    puppet.raw(Buffer.concat([channel, Buffer.from(`08${range.replace(" ", "")}`, "hex")]));
    expect(stage.told("rejected")).toMatchObject([{ reason: "malformed" }]);
  });

  test("DATA whose range is not as long as its bytes is malformed", () => {
    const content = sevenChunks();
    const stage = new Stage(content);
    stage.want(0, 6);
    const puppet = new Puppet(stage).accept({ type: "HAVE", chunks: { start: 0, end: 6_999 } });
    puppet.send({ type: "DATA", chunks: { start: 0, end: 2_047 }, timestamp: 0n, data: content.chunks[0]! });
    expect(stage.told("rejected")).toMatchObject([{ reason: "malformed" }]);
    expect(stage.store.size).toBe(0);
  });

  test("any messages with any ranges: nothing is thrown, little is kept, and a good peer is served afterwards", () => {
    const byte = fc.oneof(
      fc.nat(9_000),
      fc.maxSafeInteger().map(Math.abs),
      fc.constantFrom(0, 1_023, 1_024, 6_999, 7_167),
    );
    const hash = new Uint8Array(32);
    const message = fc.tuple(fc.nat(5), byte, byte, fc.nat(2_000)).map(([type, a, b, length]): Message => {
      const chunks = { start: Math.min(a, b), end: Math.max(a, b) };
      const others: Message[] = [
        { type: "HAVE", chunks },
        { type: "ACK", chunks, delay: 1n },
        { type: "REQUEST", chunks },
        { type: "CANCEL", chunks },
        { type: "INTEGRITY", chunks, hash },
      ];
      return others[type] ?? { type: "DATA", chunks, timestamp: 0n, data: new Uint8Array(length) };
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), fc.boolean(), (messages, seeds) => {
        const content = sevenChunks();
        const stage = seeds ? seeder(content) : new Stage(content);
        stage.want(0, 6);
        const puppet = new Puppet(stage).open();
        for (const one of messages) puppet.send(one);
        stage.pass(60_000);
        expect(stage.swarm.connection("puppet")?.upload.entries ?? 0).toBeLessThan(50);
        const good = new Puppet(stage, "good", 78).open();
        if (seeds) {
          good.ask(0, 1_023);
          expect(bytes(good.received(), "DATA")).toEqual([[0, 1_023]]);
        } else {
          good.have(0, 6_999);
          expect(bytes(good.received(), "REQUEST").length).toBeGreaterThan(0);
        }
      }),
    );
  });

  test("a stranger's DATA is not even looked at: anybody could have sent it in another's name", () => {
    const stage = seeder(sevenChunks());
    const puppet = new Puppet(stage);
    puppet.begin({}, { type: "DATA", chunks: { start: 5, end: 9 }, timestamp: 0n, data: Uint8Array.of(1) });
    expect(stage.told("rejected")).toEqual([]);
  });
});

test("a presentation of files, whose chunks vary in size, moves by byte ranges through loss and disorder", () => {
  const random = seeded(11);
  const presentation = sample([1, 700, 4_096, 100_000, 33, 50_000, 8_192], 4_096);
  const layout = new Layout(presentation);
  const chunks = Array.from({ length: layout.chunkCount }, (_, chunk) =>
    Uint8Array.from({ length: layout.chunkSize(chunk) }, () => random() * 256),
  );
  const leaves = chunks.map((chunk) => digest(HashCode.sha256, chunk));
  const tree = MerkleTree.fromLeaves(hashFunction(HashCode.sha256), leaves);
  const metadata = {
    id: tree.root(),
    chunkSize: 4_096,
    variableSize: true,
    addressing: ChunkAddressing.byte64,
    hash: HashCode.sha256,
    chunkCount: chunks.length,
  };
  const options = { metadata, chunkLength: (chunk: number) => layout.chunkSize(chunk), offsets: layout };
  const net = new Simulator(11, STORM);
  const [a, b, c] = ["a", "b", "c"].map((id) => net.join(id, options));
  a!.seed({ chunks, options, tree });
  for (const peer of [b!, c!]) peer.leech(chunks.length);
  net.connect(b!, a!);
  net.connect(c!, b!);
  expect(net.run(() => c!.store.size === chunks.length && b!.store.size === chunks.length, 60_000)).toBe(true);
  for (const peer of [b!, c!]) {
    expect(peer.outputs.filter(({ type }) => type === "rejected")).toEqual([]);
    chunks.forEach((chunk, i) => expect(Buffer.compare(chunk, peer.store.get(i)!)).toBe(0));
  }
  const unknown = { metadata: { ...metadata, id: new Uint8Array(32) } };
  expect(() => net.join("d", unknown)).toThrow(RangeError);
});
