import fc from "fast-check";
import { expect, test } from "vitest";
import { ChunkAddressing } from "../../src/core/codec/messages.ts";
import { makeContent, seeded, Simulator, type Content, type SimPeer } from "./simulator.ts";

/** A made-up history of a swarm, and how it ends. */
interface History {
  readonly seed: number;
  readonly peers: number;
  readonly chunkSize: number;
  readonly chunks: number;
  readonly loss: number;
  readonly jitter: number;
  readonly duplication: number;
  readonly uplink: number;
  /** Whether the metadata says how many chunks there are. */
  readonly counted: boolean;
  readonly addressing: ChunkAddressing;
  readonly churn: number;
  readonly evictions: number;
}

const histories: fc.Arbitrary<History> = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  peers: fc.integer({ min: 2, max: 9 }),
  chunkSize: fc.constantFrom(300, 1_024, 4_096),
  chunks: fc.integer({ min: 1, max: 120 }),
  loss: fc.constantFrom(0, 0.02, 0.05, 0.1),
  jitter: fc.constantFrom(0, 30, 150),
  duplication: fc.constantFrom(0, 0.05, 0.3),
  uplink: fc.constantFrom(30, 500, Infinity),
  counted: fc.boolean(),
  addressing: fc.constantFrom(...Object.values(ChunkAddressing)),
  churn: fc.integer({ min: 0, max: 6 }),
  evictions: fc.integer({ min: 0, max: 8 }),
});

interface End {
  readonly net: Simulator;
  readonly content: Content;
  readonly all: readonly SimPeer[];
  readonly gone: ReadonlySet<SimPeer>;
  readonly done: boolean;
}

function live(history: History): End {
  const { seed, peers, chunkSize, chunks, loss, jitter, duplication, uplink } = history;
  const content = makeContent(chunks * chunkSize - 17, chunkSize, seeded(seed));
  const { chunkCount, ...uncounted } = { ...content.options.metadata, addressing: history.addressing };
  const options = { metadata: history.counted ? { ...uncounted, chunkCount: chunkCount! } : uncounted };
  const net = new Simulator(seed, { delay: 10, jitter, loss, duplication, uplink });
  const all: SimPeer[] = [];
  const gone = new Set<SimPeer>();
  const links = new Map<SimPeer, Set<SimPeer>>();
  const pick = <T>(from: readonly T[]): T => from[Math.floor(net.random() * from.length)]!;

  const connect = (a: SimPeer, b: SimPeer): void => {
    if (a === b || links.get(a)!.has(b)) return;
    links.get(a)!.add(b);
    links.get(b)!.add(a);
    net.connect(a, b);
  };
  const enter = (): SimPeer => {
    const peer = net.join(`peer${all.length}`, options);
    links.set(peer, new Set());
    all.push(peer);
    return peer;
  };
  const leave = (peer: SimPeer): void => {
    gone.add(peer);
    // Some say goodbye, others just fall silent until their links are found dead.
    if (net.random() < 0.5) peer.step({ type: "close" });
    net.leave(peer);
    for (const other of links.get(peer)!) {
      links.get(other)!.delete(peer);
      if (net.random() < 0.7) other.step({ type: "unlink", link: peer.id });
    }
  };
  const newcomer = (): void => {
    const peer = enter();
    peer.leech(chunks);
    connect(peer, all[0]!);
    for (let i = 0; i < 2; i++) connect(peer, pick(all.filter((other) => !gone.has(other))));
  };

  enter().seed(content);
  for (let i = 1; i < peers; i++) newcomer();
  const events = [
    ...Array.from({ length: history.churn }, (_unused, i) => () => {
      if (i % 2 === 0) newcomer();
      else if (all.length > 1) leave(pick(all.slice(1)));
    }),
    ...Array.from({ length: history.evictions }, () => () => {
      const peer = pick(all);
      const chunk = pick([...peer.store.keys(), -1]);
      // The seed keeps everything, or nobody could complete.
      if (peer === all[0] || chunk === -1 || gone.has(peer)) return;
      const range = { start: chunk, end: Math.min(chunk + 9, chunks - 1) };
      for (let at = range.start; at <= range.end; at++) peer.store.delete(at);
      peer.step({ type: "forget", swarm: peer.swarm.key, chunks: [range] });
      peer.step({ type: "want", swarm: peer.swarm.key, chunks: range, deadline: Infinity });
    }),
  ];
  let latest = 0;
  for (const event of events) {
    const at = net.random() * 3_000;
    latest = Math.max(latest, at);
    net.at(at, event);
  }
  const complete = (peer: SimPeer): boolean => gone.has(peer) || peer.store.size === chunks;
  const done = net.run(() => net.now > latest && all.every(complete), 900_000);
  return { net, content, all, gone, done };
}

test("whatever happens, all who stay get the whole content, and nobody honest is rejected", () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { all, content, gone, done } = live(history);
      expect(done).toBe(true);
      for (const peer of all) {
        expect(peer.outputs.filter(({ type }) => type === "rejected")).toEqual([]);
        if (gone.has(peer)) continue;
        for (const [chunk, data] of peer.store) expect(Buffer.compare(content.chunks[chunk]!, data)).toBe(0);
      }
    }),
    { numRuns: 120, seed: 2026 },
  );
}, 60_000);

test("the same history has the same trace", () => {
  fc.assert(
    fc.property(histories, (history) => {
      expect(live(history).net.trace()).toBe(live(history).net.trace());
    }),
    { numRuns: 8, seed: 7 },
  );
});
