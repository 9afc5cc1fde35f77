import { ChunkAddressing } from "../../src/core/codec/messages.ts";
import { describe, expect, test } from "vitest";
import { join, makeContent, seeded, Simulator, type Content, type SimPeer, type Weather } from "./simulator.ts";

const CALM: Weather = { delay: 10, jitter: 0, loss: 0, duplication: 0, uplink: Infinity };
const STORM: Weather = { delay: 10, jitter: 30, loss: 0.05, duplication: 0.03, uplink: 2_000 };

function complete(peer: SimPeer, content: Content): boolean {
  return peer.store.size === content.chunks.length;
}

function expectEqualContent(peer: SimPeer, content: Content): void {
  content.chunks.forEach((chunk, i) => expect(Buffer.compare(chunk, peer.store.get(i) ?? new Uint8Array())).toBe(0));
}

function crowd(
  seed: number,
  peers: number,
  weather: Weather,
): { net: Simulator; content: Content; all: SimPeer[]; done: boolean } {
  const content = makeContent(600_000, 4_096, seeded(seed));
  const net = new Simulator(seed, weather);
  const all = Array.from({ length: peers }, (_, i) => net.join(`peer${i}`, content.options));
  all[0]!.seed(content);
  for (let i = 1; i < peers; i++) {
    all[i]!.leech(content.chunks.length);
    // Everybody links to the one before, and to three others at random.
    for (const j of new Set([i - 1, ...Array.from({ length: 3 }, () => Math.floor(net.random() * i))]))
      net.connect(all[i]!, all[j]!);
  }
  const done = net.run(() => all.every((peer) => complete(peer, content)), 600_000);
  return { net, content, all, done };
}

describe("two peers", () => {
  /** The second has got the content of the first. */
  function handedOver() {
    const content = makeContent(100_000, 1_024, seeded(1));
    const net = new Simulator(1, CALM);
    const a = net.join("a", content.options);
    const b = net.join("b", content.options);
    a.seed(content);
    b.leech(content.chunks.length);
    net.connect(b, a);
    expect(net.run(() => complete(b, content), 60_000)).toBe(true);
    return { content, net, a, b };
  }

  test("the second gets the content of the first, verified, and tells it so", () => {
    const { content, net, a, b } = handedOver();
    expectEqualContent(b, content);
    expect(net.run(() => a.swarm.connection("b")?.peerHas.size === content.chunks.length, 60_000)).toBe(true);
  });

  test("what came and was dropped for want of room is not asked for again, unless it is wanted anew", () => {
    const { content, net, a, b } = handedOver();
    const dropped = { start: 10, end: 19 };
    for (let chunk = dropped.start; chunk <= dropped.end; chunk++) b.store.delete(chunk);
    b.step({ type: "forget", swarm: b.swarm.key, chunks: [dropped] });
    net.connect(b, a);
    expect(net.run(() => b.swarm.have.present(dropped).length > 0, 30_000)).toBe(false);
    b.step({ type: "want", swarm: b.swarm.key, chunks: dropped, deadline: net.now + 60_000 });
    expect(net.run(() => complete(b, content), 30_000)).toBe(true);
  });

  test("what is taken back comes nevertheless where it was on its way, and need not be asked for again", () => {
    const content = makeContent(100_000, 1_024, seeded(1));
    const net = new Simulator(1, { ...CALM, delay: 50 });
    const a = net.join("a", content.options);
    const b = net.join("b", content.options);
    a.seed(content);
    net.connect(b, a);
    const chunks = { start: 7, end: 9 };
    const { key: swarm, have } = b.swarm;
    expect(net.run(() => b.swarm.connection("a")?.peerHas.covers(chunks) === true, 1_000)).toBe(true);
    const start = net.now;
    b.step({ type: "want", swarm, chunks, deadline: start + 10_000 });
    // The answer leaves after 50 ms and is here after 100.
    net.at(start + 60, () => b.step({ type: "unwant", swarm, chunks }));
    net.at(start + 140, () => b.step({ type: "want", swarm, chunks, deadline: start + 10_000 }));
    net.run(() => have.covers(chunks), 10_000);
    expect(net.now - start).toBeLessThan(140 + 2 * 60);
  });

  test("nobody asks to be woken for what is done already, such as an ACK that waited for its time", () => {
    const content = makeContent(100_000, 1_024, seeded(1));
    const net = new Simulator(1, CALM);
    const a = net.join("a", content.options);
    const b = net.join("b", content.options);
    let woken = 0;
    const late: number[] = [];
    for (const { endpoint } of [a, b]) {
      const step = endpoint.step.bind(endpoint);
      endpoint.step = (input, now, more) => {
        if (input.type === "timeout") woken++;
        const outputs = step(input, now, more);
        for (const output of outputs) if (output.type === "wake" && output.at <= now) late.push(output.at);
        return outputs;
      };
    }
    a.seed(content);
    b.leech(content.chunks.length);
    net.connect(b, a, 65_536, true);
    expect(net.run(() => a.swarm.connection("b")?.peerHas.size === content.chunks.length, 60_000)).toBe(true);
    expect(woken).toBeGreaterThan(0);
    expect(late).toEqual([]);
  });

  test("what is held is wanted no more, so that wants do not pile up", () => {
    const content = makeContent(100_000, 1_024, seeded(1));
    const net = new Simulator(1, CALM);
    const a = net.join("a", content.options);
    const b = net.join("b", content.options);
    a.seed(content);
    net.connect(b, a);
    for (let start = 0; start < 90; start += 10) {
      const chunks = { start, end: start + 9 };
      b.step({ type: "want", swarm: b.swarm.key, chunks, deadline: 60_000 + start });
      expect(net.run(() => b.swarm.have.covers(chunks), 60_000)).toBe(true);
      expect(b.swarm.wants).toHaveLength(1);
    }
  });

  test("the number of chunks is found from the peaks where the metadata does not say it", () => {
    const content = makeContent(7_162, 1_024, seeded(2));
    const { chunkCount: _, ...metadata } = content.options.metadata;
    const net = new Simulator(2, CALM);
    const a = net.join("a", content.options);
    const b = net.join("b", { metadata });
    a.seed(content);
    b.leech(1);
    net.connect(b, a);
    expect(net.run(() => b.swarm.verifier.chunkCount !== undefined, 60_000)).toBe(true);
    expect(b.swarm.verifier.chunkCount).toBe(7);
    b.leech(7);
    expect(net.run(() => complete(b, content), 60_000)).toBe(true);
    expectEqualContent(b, content);
  });

  test("digests that end in another order than the chunks came cost no repeated request", () => {
    const content = makeContent(400_000, 4_096, seeded(4));
    const net = new Simulator(4, CALM);
    const a = net.join("a", content.options);
    const b = net.join("b", content.options);
    a.seed(content);
    b.leech(content.chunks.length);
    net.connect(b, a);
    expect(net.run(() => complete(b, content), 60_000)).toBe(true);
    const uploaded = a.outputs.filter((output) => output.type === "uploaded").length;
    expect(uploaded).toBe(content.chunks.length);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
    "over a line with loss, hashes that were lost come again (seed %i)",
    (seed) => {
      const content = makeContent(400_000, 4_096, seeded(seed));
      const net = new Simulator(seed, STORM);
      const a = net.join("a", content.options);
      const b = net.join("b", content.options);
      a.seed(content);
      b.leech(content.chunks.length);
      net.connect(b, a);
      expect(net.run(() => complete(b, content), 60_000)).toBe(true);
      expectEqualContent(b, content);
    },
  );

  test.each(["chunk32", "chunk64", "bin32", "bin64", "byte64"] as const)(
    "chunks may be addressed by %s",
    (addressing) => {
      const { options, ...content } = makeContent(200_000, 4_096, seeded(6));
      const metadata = { ...options.metadata, addressing: ChunkAddressing[addressing] };
      const net = new Simulator(6, STORM);
      const a = net.join("a", { metadata });
      const b = net.join("b", { metadata });
      a.seed({ ...content, options });
      b.leech(content.chunks.length);
      net.connect(b, a);
      expect(net.run(() => b.store.size === content.chunks.length, 60_000)).toBe(true);
      expectEqualContent(b, { ...content, options });
    },
  );

  test("a peer that is gone is found dead after 3 minutes and 3 datagrams", () => {
    const content = makeContent(10_000, 1_024, seeded(3));
    const net = new Simulator(3, CALM);
    const a = net.join("a", content.options);
    const b = net.join("b", content.options);
    a.seed(content);
    net.connect(b, a);
    expect(net.run(() => b.swarm.connection("a")?.state === "established", 10_000)).toBe(true);
    net.leave(a);
    const lastHeard = net.now;
    expect(net.run(() => b.swarm.connection("a") === undefined, 600_000)).toBe(true);
    expect(net.now - lastHeard).toBeGreaterThanOrEqual(180_000);
    expect(net.now - lastHeard).toBeLessThan(250_000);
  });
});

describe("a crowd of 50 in a storm of loss, duplication and reordering", () => {
  test("all complete with equal content", () => {
    const { all, content, done } = crowd(42, 50, STORM);
    expect(done).toBe(true);
    for (const peer of all) {
      expectEqualContent(peer, content);
      expect(peer.outputs.filter((output) => output.type === "rejected")).toEqual([]);
    }
  });

  test("the same seed gives the same trace, another seed another", () => {
    const first = crowd(7, 12, STORM);
    const again = crowd(7, 12, STORM);
    expect(again.net.trace()).toBe(first.net.trace());
    expect(crowd(8, 12, STORM).net.trace()).not.toBe(first.net.trace());
  });
});

describe("a neighbour that sends wrong bytes", () => {
  test("is refused and dropped, and the content comes from the others", () => {
    const content = makeContent(200_000, 4_096, seeded(5));
    const net = new Simulator(5, CALM);
    const good = net.join("good", content.options);
    const liar = net.join("liar", content.options);
    const viewer = net.join("viewer", content.options);
    good.seed(content);
    liar.seed(content);
    liar.tamper = (head, payload) => {
      const datagram = join(head, payload).slice();
      if (payload !== undefined) datagram[datagram.length - 1]! ^= 1;
      return datagram;
    };
    viewer.leech(content.chunks.length);
    net.connect(viewer, liar);
    net.connect(viewer, good);
    expect(net.run(() => complete(viewer, content), 60_000)).toBe(true);
    expectEqualContent(viewer, content);
    const rejected = viewer.outputs.filter((output) => output.type === "rejected");
    expect(rejected.map((output) => output.link)).toEqual(["liar"]);
    expect(viewer.swarm.connection("liar")).toBeUndefined();
  });
});
