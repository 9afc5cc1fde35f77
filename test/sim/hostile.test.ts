import { describe, expect, test, vi } from "vitest";
import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import { HashCode, type Message } from "../../src/core/codec/messages.ts";
import { MAX_HAVE_RANGES, MAX_PENDING_HASHES, MAX_REQUEST_RANGES } from "../../src/core/connection/settings.ts";
import { hashFunction } from "../../src/core/integrity/hashes.ts";
import { attack, expectAllFromHonest } from "./siege.ts";
import { join, makeContent, seeded, Simulator, type Content, type SimPeer, type Weather } from "./simulator.ts";
import { chunksOf, only, Puppet, Stage } from "./stage.ts";

const WEATHER: Weather = { delay: 10, jitter: 5, loss: 0, duplication: 0, uplink: 500 };
const content = makeContent(200 * 1_024, 1_024, seeded(1));
const CHUNKS = content.chunks.length;

/** A viewer between a good peer and one that `spoil` makes bad; resolves once the viewer has everything. */
function siege(seed: number, spoil: (bad: SimPeer, net: Simulator, viewer: SimPeer) => void, of: Content = content) {
  const net = new Simulator(seed, WEATHER);
  const good = net.join("good", of.options);
  const bad = net.join("bad", of.options);
  const viewer = net.join("viewer", of.options);
  good.seed(of);
  bad.seed(of);
  spoil(bad, net, viewer);
  viewer.leech(of.chunks.length);
  net.connect(viewer, bad);
  net.connect(viewer, good);
  const done = net.run(() => viewer.store.size === of.chunks.length, 120_000);
  expect(done).toBe(true);
  of.chunks.forEach((chunk, i) => expect(Buffer.compare(chunk, viewer.store.get(i)!)).toBe(0));
  return { net, good, bad, viewer };
}

const rejected = (peer: SimPeer): string[] =>
  peer.outputs.flatMap((output) => (output.type === "rejected" ? [output.link] : []));

/** A content of which peers know no more than the root. */
function rootOnly(of: Content): Content {
  const { chunkCount: _, ...metadata } = of.options.metadata;
  return { ...of, options: { ...of.options, metadata } };
}

/** How long something takes, ms of this machine. */
function timed(run: () => void): number {
  const started = performance.now();
  run();
  return performance.now() - started;
}

describe("a peer that sends what is wrong", () => {
  test.each([1, 2, 3])("hashes: it is dropped and the content comes from the other (seed %i)", (seed) => {
    const { viewer } = siege(seed, (bad) => {
      bad.tamper = (head, payload) => {
        const datagram = join(head, payload).slice();
        // The hash of the first INTEGRITY.
        if (payload !== undefined && datagram[4] === 4) datagram[20]! ^= 1;
        return datagram;
      };
    });
    expect(rejected(viewer)).toEqual(["bad"]);
    expect(viewer.swarm.connection("bad")).toBeUndefined();
  });

  test.each([1, 2, 3])(
    "another number of chunks, where nobody knows it: honest peers are not dropped (seed %i)",
    (seed) => {
      const { viewer } = siege(
        seed,
        (bad, net, victim) => {
          bad.tamper = (head, payload) => (payload === undefined ? head : undefined);
          const chunks = { start: 0, end: [0, 1, 511][seed - 1]! };
          attack({ net, bad, victim }, 1, () => [{ type: "INTEGRITY", chunks, hash: content.options.metadata.id }]);
        },
        rootOnly(content),
      );
      expect(rejected(viewer)).toEqual([]);
      expect(viewer.swarm.connection("good")?.state).toBe("established");
    },
  );

  test.each([
    [1, 0, [1, 5], []],
    [2, 1, [4, 6], [1]],
  ])("nodes of the tree as a chunk, as if there were only %i: they are no content", (count, chunk, nodes, uncles) => {
    const four = rootOnly(makeContent(4 * 1_024, 1_024, seeded(2)));
    const stage = new Stage(four);
    const hash = (bin: number): Uint8Array => four.tree.get(bin)!;
    const integrity = (start: number, end: number, bin: number): Message => ({
      type: "INTEGRITY",
      chunks: { start, end },
      hash: hash(bin),
    });
    const liar = new Puppet(stage, "liar").open();
    liar.have(chunk, chunk);
    stage.want(0, 3);
    expect(chunksOf(liar.received(), "REQUEST")).toEqual([chunk]);
    liar.send(integrity(0, count - 1, 3), ...uncles.map((bin) => integrity(0, 0, bin)), {
      ...liar.data(chunk),
      data: Buffer.concat(nodes.map(hash)),
    } as Message);
    expect(stage.told("verified")).toEqual([]);
    expectAllFromHonest(stage);
  });

  test("a padded tree as if there were more chunks: the content comes whole from the other", () => {
    const three = rootOnly(makeContent(3 * 1_024, 1_024, seeded(2)));
    const stage = new Stage(three);
    const { size, ...sha256 } = hashFunction(HashCode.sha256);
    const liar = new Puppet(stage, "liar").open();
    liar.have(0, 0);
    stage.want(0, 99);
    expect(chunksOf(liar.received(), "REQUEST")).toEqual([0]);
    liar.send(
      { type: "INTEGRITY", chunks: { start: 0, end: 3 }, hash: three.options.metadata.id },
      { type: "INTEGRITY", chunks: { start: 2, end: 3 }, hash: sha256.pair(three.tree.get(4)!, new Uint8Array(size)) },
      { type: "INTEGRITY", chunks: { start: 1, end: 1 }, hash: three.tree.get(2)! },
      liar.data(0),
    );
    expect(stage.swarm.verifier.chunkCount).toBeUndefined();
    expectAllFromHonest(stage);
  });

  test("chunks: it is not heard again, whatever it opens", () => {
    const stage = new Stage(content);
    const liar = new Puppet(stage).open();
    liar.have(0, CHUNKS - 1);
    stage.want(0, 0);
    liar.send(...liar.proof(0), { ...liar.data(0), data: new Uint8Array(1_024) } as Message);
    expect(stage.told("rejected")).toMatchObject([{ link: "puppet", reason: "integrity", chunk: 0 }]);
    liar.received();
    liar.channel = 5;
    liar.begin();
    stage.step({ type: "open", link: "puppet", swarm: stage.swarm.key });
    expect(liar.received()).toEqual([]);
  });

  test("chunks that nobody asked for, of all lengths: nothing is hashed", () => {
    const stage = new Stage(content);
    const puppet = new Puppet(stage).open();
    stage.waiting = [];
    for (const chunk of [0, 5, CHUNKS - 1]) puppet.deliver(chunk);
    for (const chunk of [CHUNKS, 2 ** 32 - 1]) {
      puppet.send({ type: "DATA", chunks: { start: chunk, end: chunk }, timestamp: 0n, data: new Uint8Array(1_024) });
    }
    expect(stage.waiting).toEqual([]);
    expect(stage.told("rejected")).toEqual([]);
  });

  test("10,000 garbled datagrams: nothing throws, and the content comes from the others", () => {
    const random = seeded(9);
    const heard: Uint8Array[] = [];
    const good = siege(9, (bad, _net, viewer) => {
      const step = viewer.step.bind(viewer);
      viewer.step = (input) => {
        if (input.type === "datagram") heard.push(input.data);
        step(input);
      };
      bad.tamper = join;
    });
    expect(rejected(good.viewer)).toEqual([]);

    const stage = new Stage(content);
    stage.want(0, CHUNKS - 1);
    let puppet = new Puppet(stage, "garbler").open();
    puppet.have(0, CHUNKS - 1);
    for (let i = 0; i < 10_000; i++) {
      const datagram = heard[Math.floor(random() * heard.length)]!.slice();
      new DataView(datagram.buffer, datagram.byteOffset).setUint32(0, random() < 0.1 ? 0 : puppet.remote);
      for (let flips = 1 + random() * 4; flips > 0; flips--)
        datagram[4 + Math.floor(random() * random() * (datagram.length - 4))] = random() * 256;
      puppet.raw(datagram);
      if (random() < 0.05) stage.pass(random() * 1_000);
      if (stage.swarm.connection("garbler")?.state !== "established") {
        puppet = new Puppet(stage, "garbler", 1 + Math.floor(random() * 1_000)).open();
        puppet.have(0, CHUNKS - 1);
      }
    }
    const honest = new Puppet(stage, "honest").open();
    honest.have(0, CHUNKS - 1);
    stage.step({ type: "unlink", link: "garbler" });
    for (let i = 0; i < 2 * CHUNKS && !stage.swarm.complete; i++) {
      for (const chunk of chunksOf(honest.received(), "REQUEST")) honest.deliver(chunk);
      stage.pass(100);
    }
    expect(stage.swarm.complete).toBe(true);
    content.chunks.forEach((chunk, i) => expect(Buffer.compare(chunk, stage.store.get(i)!)).toBe(0));
    expect(stage.told("rejected").filter(({ link }) => link !== "garbler")).toEqual([]);
  });
});

describe("a peer that floods", () => {
  /** A swarm of 2^20 chunks of which the first 10 are held. */
  const huge = (): Stage => {
    const stage = new Stage(content, {
      metadata: { ...content.options.metadata, id: content.tree.peaks()[0]!.hash, chunkCount: 2 ** 20 },
    });
    stage.swarm.have.add({ start: 0, end: 9 });
    return stage;
  };

  const range = (type: "REQUEST" | "CANCEL" | "HAVE", start: number, end: number): Message => ({
    type,
    chunks: { start, end },
  });

  /** Sends messages in datagrams of 1,000. */
  const flood = (puppet: Puppet, messages: readonly Message[]): void => {
    for (let i = 0; i < messages.length; i += 1_000) puppet.send(...messages.slice(i, i + 1_000));
  };

  test("with 80,000 overlapping REQUESTs: few are kept", () => {
    const stage = huge();
    const puppet = new Puppet(stage).open({ swarmId: stage.swarm.metadata.id });
    const random = seeded(1);
    const messages = Array.from({ length: 80_000 }, () => {
      const start = Math.floor(random() * 2 ** 20);
      return range("REQUEST", start, start + Math.floor(random() * 2 ** 31));
    });
    expect(timed(() => flood(puppet, messages))).toBeLessThan(5_000);
    expect(stage.swarm.connection("puppet")!.upload.entries).toBeLessThanOrEqual(4 * MAX_REQUEST_RANGES);
  });

  test("with REQUESTs when as many are kept as may be: nothing more is looked for", () => {
    const large = makeContent(4_096 * 512, 512, seeded(1));
    const stage = new Stage(large).hold();
    stage.reading = false;
    const puppet = new Puppet(stage).open();
    flood(
      puppet,
      Array.from({ length: 2 * MAX_REQUEST_RANGES }, (_, i) => range("REQUEST", 2 * i, 2 * i)),
    );
    const looks = vi.spyOn(ChunkSet.prototype, "missing");
    try {
      flood(
        puppet,
        Array.from({ length: 10_000 }, () => range("REQUEST", 0, 4_095)),
      );
      expect(looks.mock.calls.length).toBeLessThan(1_000);
    } finally {
      looks.mockRestore();
    }
  });

  test("with REQUESTs for what is on its way: it is not looked through for each of them", () => {
    const large = makeContent(4_096 * 512, 512, seeded(1));
    const stage = new Stage(large, { settings: { maxWindow: 2 ** 21 } }).hold();
    const puppet = new Puppet(stage).open();
    const { upload } = stage.swarm.connection("puppet")!;
    for (let i = 0; i < 16; i++) {
      puppet.ask(0, 4_095);
      stage.now++;
      puppet.send({ type: "ACK", chunks: { start: 0, end: 4_095 }, delay: 1_000n });
    }
    puppet.ask(0, 4_095);
    expect(upload.inFlight.size).toBe(4_096);
    const messages = Array.from({ length: 20_000 }, () => range("REQUEST", 0, 4_095));
    expect(timed(() => flood(puppet, messages))).toBeLessThan(1_500);
  });

  test("with REQUESTs that it tears to shreds by CANCEL", () => {
    const stage = huge();
    stage.reading = false;
    const puppet = new Puppet(stage).open({ swarmId: stage.swarm.metadata.id });
    stage.swarm.have.add({ start: 0, end: 2 ** 20 - 1 });
    const shreds = Array.from({ length: 80_000 }, (_, i) => range("CANCEL", 1_000 + 2 * i, 1_000 + 2 * i));
    expect(timed(() => flood(puppet, [range("REQUEST", 0, 2 ** 20), ...shreds]))).toBeLessThan(5_000);
    expect(stage.swarm.connection("puppet")!.upload.entries).toBeLessThanOrEqual(4 * MAX_REQUEST_RANGES);
  });

  test("with HAVEs in ever more ranges: it is dropped", () => {
    const stage = huge();
    const puppet = new Puppet(stage).open({ swarmId: stage.swarm.metadata.id });
    const { peerHas } = stage.swarm.connection("puppet")!;
    const messages = Array.from({ length: 80_000 }, (_, i) => range("HAVE", 400_000 - 2 * i, 400_000 - 2 * i));
    expect(timed(() => flood(puppet, messages))).toBeLessThan(2_000);
    expect(peerHas.rangeCount).toBeLessThanOrEqual(MAX_HAVE_RANGES + 1);
    expect(stage.told("rejected")).toMatchObject([{ reason: "flood" }]);
  });

  test("with more messages in a datagram than any packet holds: it is dropped", () => {
    const stage = new Stage(content);
    const puppet = new Puppet(stage).open();
    puppet.send(...Array.from({ length: 1_025 }, (): Message => ({ type: "UNCHOKE" })));
    expect(stage.told("rejected")).toMatchObject([{ reason: "flood" }]);
  });

  test("with REQUESTs although it is choked: one CHOKE answers a datagram", () => {
    const stage = new Stage(content).hold();
    stage.step({ type: "serve", swarm: stage.swarm.key, serving: false });
    const puppet = new Puppet(stage).open();
    puppet.send(...Array.from({ length: 1_000 }, (_, i) => range("REQUEST", i % CHUNKS, i % CHUNKS)));
    expect(puppet.received()).toEqual([{ type: "CHOKE" }]);
  });

  test("with hashes: a bounded number is kept, and nothing is computed from them", () => {
    const stage = huge();
    const puppet = new Puppet(stage).open({ swarmId: stage.swarm.metadata.id });
    const { proofs } = stage.swarm.connection("puppet")!;
    const messages = Array.from({ length: 10_000 }, (_, i): Message => ({
      type: "INTEGRITY",
      chunks: { start: i, end: i },
      hash: new Uint8Array(32),
    }));
    flood(puppet, messages);
    expect(proofs.hashes.size).toBeLessThanOrEqual(MAX_PENDING_HASHES);
  });

  test("with single hashes, while chunks of many wait for theirs: those are not looked at each time", () => {
    const large = makeContent(8_192 * 512, 512, seeded(1));
    const stage = new Stage(large, { settings: { minRequestMs: 100_000 } });
    const all = { type: "HAVE", chunks: { start: 0, end: 8_191 } } as const;
    const puppets = Array.from({ length: 16 }, (_, i) => new Puppet(stage, `peer${i}`, 1 + i).accept(all));
    puppets[0]!.send(puppets[0]!.proof(0)[0]!);
    stage.want(0, 8_191);
    for (let round = 0; round < 8; round++) {
      stage.now++;
      for (const puppet of puppets)
        for (const chunk of chunksOf(puppet.received(), "REQUEST")) puppet.send(puppet.data(chunk));
    }
    expect(stage.swarm.unproven).toBeGreaterThan(4_000);
    stage.step({ type: "unlink", link: "peer0" });
    const flooder = new Puppet(stage, "flooder", 99).open();
    const hash = new Uint8Array(32);
    const run = (): void => {
      for (let i = 0; i < 1_000; i++)
        flooder.send({ type: "INTEGRITY", chunks: { start: 2 * i, end: 2 * i + 1 }, hash });
    };
    expect(timed(run)).toBeLessThan(1_000);
  });

  test("with chunks that lack one hash: memory stays bounded, and each is computed once at most", () => {
    const stage = new Stage(content, { settings: { maxOutstanding: 64 * 1_024 } });
    const puppet = new Puppet(stage).open();
    puppet.have(0, CHUNKS - 1);
    stage.want(0, CHUNKS - 1);
    let most = 0;
    for (let i = 0; i < 200; i++) {
      for (const chunk of chunksOf(puppet.received(), "REQUEST")) {
        const hashes = only(puppet.proof(chunk), "INTEGRITY").filter(({ chunks }) => chunks.end - chunks.start < 63);
        puppet.send(...hashes, puppet.data(chunk));
        puppet.send(puppet.data(chunk));
      }
      most = Math.max(most, stage.swarm.unproven);
      stage.pass(100);
    }
    expect(most).toBeLessThanOrEqual(64);
    expect(stage.told("verified").length).toBe(0);
  });

  test("with channels: few are half open, and none stays so", () => {
    const stage = new Stage(content).hold();
    const puppets = Array.from({ length: 20 }, (_, i) => new Puppet(stage, `link${i}`));
    for (const puppet of puppets) {
      for (let channel = 1; channel <= 100; channel++) {
        puppet.channel = channel;
        puppet.begin();
      }
    }
    expect([...stage.swarm.connections].length).toBeLessThanOrEqual(256);
    stage.pass(20_000);
    expect([...stage.swarm.connections]).toEqual([]);
  });

  test("with an ACK of everything: it is believed to have it, and nothing else happens", () => {
    const stage = new Stage(content).hold();
    const puppet = new Puppet(stage).open();
    puppet.send({ type: "ACK", chunks: { start: 0, end: 2 ** 32 - 1 }, delay: 0n });
    expect(stage.swarm.connection("puppet")!.peerHas.size).toBe(0);
    puppet.ask(0);
    puppet.send({ type: "ACK", chunks: { start: 0, end: 2 ** 32 - 1 }, delay: 2n ** 64n - 1n });
    expect(stage.swarm.connection("puppet")!.peerHas.size).toBe(CHUNKS);
    expect(stage.told("rejected")).toEqual([]);
  });
});

test("a range that ends behind the content ends with it", () => {
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage).open();
  puppet.have(0, 2 ** 32 - 1);
  expect(stage.swarm.connection("puppet")!.peerHas.size).toBe(CHUNKS);
  puppet.ask(CHUNKS, 2 ** 32 - 1);
  expect(puppet.received()).toEqual([]);
  puppet.ask(CHUNKS - 1, 2 ** 32 - 1);
  expect(chunksOf(puppet.received(), "DATA")).toEqual([CHUNKS - 1]);
});

describe("a peer that announces everything and delivers nothing", () => {
  test.each([1, 2, 3])("does not keep the content from the others (seed %i)", (seed) => {
    const { net, viewer } = siege(seed, (bad) => {
      bad.tamper = (head, payload) => (payload === undefined ? head : undefined);
    });
    expect(net.now).toBeLessThan(20_000);
    expect(rejected(viewer)).toEqual([]);
  });
});
