import { describe, expect, test } from "vitest";
import { ChunkSet } from "../../src/core/address/chunk-set.ts";
import type { Connection } from "../../src/core/connection/connection.ts";
import { MAX_HAVE_RANGES } from "../../src/core/connection/settings.ts";
import { deadlineThenRarest, type Picker, type PickerView, type Want } from "../../src/core/swarm/picker.ts";
import { rarestFirst } from "../../src/core/swarm/rarest-first.ts";
import { makeContent, seeded, Simulator } from "./simulator.ts";
import { chunksOf, Puppet, Stage } from "./stage.ts";

const content = makeContent(256 * 1_024, 1_024, seeded(1));
const CHUNKS = content.chunks.length;
const PICKERS = { deadlineThenRarest, rarestFirst };

/** A stage with neighbours that hold these ranges, by link. */
function stageWith(
  picker: Picker,
  holdings: Record<string, readonly [number, number][]>,
): Record<string, Puppet> & { stage: Stage } {
  const stage = new Stage(content, { picker });
  const puppets: Record<string, Puppet> = {};
  for (const [link, ranges] of Object.entries(holdings)) {
    const puppet = new Puppet(stage, link).open();
    for (const [start, end] of ranges) puppet.have(start, end);
    puppets[link] = puppet;
  }
  return { ...puppets, stage } as Record<string, Puppet> & { stage: Stage };
}

/** What each neighbour is asked for, and answers until nothing is asked any more; in the order of asking. */
function order(puppets: readonly Puppet[]): number[] {
  const asked: number[] = [];
  for (let found = true; found;) {
    found = false;
    for (const puppet of puppets) {
      for (const chunk of chunksOf(puppet.received(), "REQUEST")) {
        asked.push(chunk);
        found = true;
        puppet.deliver(chunk);
      }
    }
  }
  return asked;
}

describe.each(Object.entries(PICKERS))("RFC 7574 §9.1: %s", (_, picker) => {
  const view = (stage: Stage, wants: readonly Want[], busy = new ChunkSet()): PickerView => ({
    wants,
    busy,
    connections: stage.swarm.connections,
    chunkSize: 1_024,
  });

  test("picks nothing but what is wanted, not busy, and held by the peer; each once, and no more than there is room for", () => {
    const random = seeded(5);
    const at = (most: number): number => Math.floor(random() * most);
    for (let round = 0; round < 200; round++) {
      const { stage } = stageWith(picker, { a: [[at(64), 64 + at(64)]], b: [[at(256), 255]], c: [] });
      const busy = new ChunkSet(Array.from({ length: at(20) }, () => ({ start: at(128), end: 128 + at(2) })));
      const wants = [0, 1, 2].map((i) => ({ chunks: { start: 80 * i, end: 80 * i + at(80) }, deadline: 5_000 * i }));
      for (const connection of stage.swarm.connections) {
        const room = 1 + at(70);
        const chunks = picker(view(stage, wants, busy), connection, room, 0);
        expect(chunks.length).toBeLessThanOrEqual(room);
        expect(new Set(chunks).size).toBe(chunks.length);
        for (const chunk of chunks) {
          expect(busy.has(chunk)).toBe(false);
          expect(connection.peerHas.has(chunk)).toBe(true);
          expect(wants.some(({ chunks: { start, end } }) => chunk >= start && chunk <= end)).toBe(true);
        }
      }
    }
  });

  /** A neighbour with everything that would deliver nothing before 1,000 ms. */
  const slowOne = (): { stage: Stage; slow: Connection } => {
    const { stage } = stageWith(picker, { a: [[0, CHUNKS - 1]] });
    const connection = stage.swarm.connection("a")!;
    const slow = new Proxy(connection, {
      get: (target, key) =>
        key === "download" ? { expected: () => 1_000, isDoubted: () => false } : Reflect.get(target, key, target),
    }) as Connection;
    return { stage, slow };
  };
  const wants: readonly Want[] = [
    { chunks: { start: 0, end: 9 }, deadline: 999 },
    { chunks: { start: 20, end: 29 }, deadline: 1_000 },
  ];
  const picked = ({ stage, slow }: ReturnType<typeof slowOne>, now: number): number[] =>
    picker(view(stage, wants), slow, 64, now).toSorted((a, b) => a - b);

  test("leaves out what this peer would deliver too late", () => {
    expect(picked(slowOne(), 0)).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
  });

  test("takes what is late already of whoever has it, and is slow", () => {
    expect(picked(slowOne(), 999)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
  });

  test.each([Infinity, 0])("does a bounded amount of work, whatever peers announce (deadline %d)", (deadline) => {
    const many = new ChunkSet();
    for (let i = 0; i < 8_000; i++) many.add({ start: 4 * i, end: 4 * i });
    const busy = new ChunkSet();
    for (let i = 0; i < 8_000; i++) busy.add({ start: 8 * i + 1, end: 8 * i + 2 });
    const { stage } = stageWith(picker, Object.fromEntries(Array.from({ length: 30 }, (_each, i) => [`peer${i}`, []])));
    for (const { peerHas } of stage.swarm.connections) for (const range of many) peerHas.add(range);
    const wants = [{ chunks: { start: 0, end: 2 ** 31 }, deadline }];
    const connection = stage.swarm.connection("peer0")!;
    const started = performance.now();
    for (let i = 0; i < 200; i++) picker(view(stage, wants, busy), connection, 64, 0);
    expect((performance.now() - started) / 200).toBeLessThan(10);
  });

  test.each([Infinity, 0])(
    "does not look at each chunk that a peer claims and does not deliver (deadline %d)",
    (deadline) => {
      const { chunkCount: _unknown, ...metadata } = content.options.metadata;
      const stage = new Stage(content, { picker, metadata });
      const all = { start: 0, end: 2 ** 24 };
      new Puppet(stage, "useless").accept({ type: "HAVE", chunks: all });
      stage.want(all.start, all.end);
      stage.pass(60_000);
      new Puppet(stage, "other").accept({ type: "HAVE", chunks: all });
      const useless = stage.swarm.connection("useless")!;
      const wants = [{ chunks: all, deadline }];
      const started = performance.now();
      expect(picker(view(stage, wants), useless, 1, stage.now)).toEqual([]);
      expect(performance.now() - started).toBeLessThan(50);
    },
  );

  test.each([1, 2, 3])("completes a swarm of ten (seed %i)", (seed) => {
    const net = new Simulator(seed, { delay: 10, jitter: 10, loss: 0.02, duplication: 0.01, uplink: 500 });
    const peers = Array.from({ length: 10 }, (_each, i) => net.join(`peer${i}`, { ...content.options, picker }));
    peers[0]!.seed(content);
    for (const [i, peer] of peers.entries()) {
      if (i > 0) peer.leech(CHUNKS);
      for (let j = 0; j < i; j++) net.connect(peer, peers[j]!);
    }
    expect(net.run(() => peers.every((peer) => peer.store.size === CHUNKS), 300_000)).toBe(true);
  });
});

describe("deadlineThenRarest", () => {
  test("takes what is due first, and of that the rarest", () => {
    const { stage, a, b } = stageWith(deadlineThenRarest, {
      a: [[0, 40]],
      b: [
        [0, 3],
        [20, 25],
      ],
    });
    stage.want(20, 29, 60_000);
    stage.want(0, 9, 50_000);
    const [first = []] = [a!, b!].map((puppet) => chunksOf(puppet.received(), "REQUEST"));
    expect(first.every((chunk) => chunk < 10 || chunk > 19)).toBe(true);
    expect(first.length).toBeGreaterThan(0);
  });

  test("takes what is overdue from its end, whatever the channel: the origin, which begins at the front, sends nothing twice", () => {
    const { stage } = stageWith(deadlineThenRarest, { a: [[0, 50]], b: [[0, 60]] });
    const busy = new ChunkSet([{ start: 45, end: 58 }]);
    const wants = [{ chunks: { start: 0, end: 63 }, deadline: 1_000 }];
    const { connections } = stage.swarm;
    const picked = (link: string, room: number): number[] =>
      deadlineThenRarest({ wants, busy, connections, chunkSize: 1_024 }, stage.swarm.connection(link)!, room, 1_000);
    expect(picked("a", 4)).toEqual([44, 43, 42, 41]);
    expect(picked("b", 4)).toEqual([60, 59, 44, 43]);
  });
});

describe("rarestFirst", () => {
  test("takes the rarest of all that is wanted, whatever its deadline", () => {
    const { stage, a } = stageWith(rarestFirst, { a: [[0, 59]], b: [[0, 49]], c: [[0, 39]] });
    stage.swarm.want({ start: 0, end: 9 }, 60_000);
    stage.want(20, 59, Infinity);
    const asked = chunksOf(a!.received(), "REQUEST");
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(asked.every((chunk) => chunk >= 50)).toBe(true);
  });

  test("fetches what one peer has before what all have", () => {
    const { stage, a, b, c } = stageWith(rarestFirst, { a: [[0, 63]], b: [[0, 55]], c: [[0, 31]] });
    stage.want(0, 63);
    const asked = order([a!, b!, c!]);
    expect(new Set(asked).size).toBe(64);
    const place = (first: number, last: number): number =>
      asked.reduce((sum, chunk, i) => sum + (chunk >= first && chunk <= last ? i : 0), 0) / (last - first + 1);
    expect(place(56, 63)).toBeLessThan(place(32, 55));
  });

  test("begins at another place in each channel", () => {
    const firsts = Array.from({ length: 20 }, (_, i) => {
      const stage = new Stage(content, { picker: rarestFirst });
      for (let skipped = 0; skipped < i; skipped++) new Puppet(stage, `other${skipped}`).open();
      const puppet = new Puppet(stage).open();
      puppet.have(0, CHUNKS - 1);
      stage.want(0, CHUNKS - 1);
      return chunksOf(puppet.received(), "REQUEST")[0];
    });
    expect(new Set(firsts).size).toBeGreaterThan(10);
  });

  test.each([1, 2, 3])("spreads what leaves soon: the swarm outlives its seeder (seed %i)", (seed) => {
    /** How many chunks are left when the seeder goes after having sent the content a little more than once. */
    const left = (picker: Picker): number => {
      const net = new Simulator(seed, { delay: 10, jitter: 5, loss: 0, duplication: 0, uplink: 100 });
      const peers = Array.from({ length: 6 }, (_, i) => net.join(`peer${i}`, { ...content.options, picker }));
      const [seeder, ...leechers] = peers as [(typeof peers)[0], ...typeof peers];
      seeder.seed(content);
      for (const [i, peer] of leechers.entries()) {
        peer.leech(CHUNKS, 10_000_000);
        net.connect(peer, seeder);
        for (const other of leechers.slice(0, i)) net.connect(peer, other);
      }
      const sent = (): number =>
        seeder.outputs.reduce((sum, output) => sum + (output.type === "uploaded" ? output.bytes : 0), 0);
      net.run(() => sent() >= 1.5 * 256 * 1_024, 300_000);
      return new Set(leechers.flatMap((peer) => [...peer.store.keys()])).size;
    };
    // A picker that takes the same chunks everywhere leaves little more than half.
    for (const picker of [rarestFirst, deadlineThenRarest]) expect(left(picker)).toBeGreaterThan(0.65 * CHUNKS);
  });

  test("scatters what is held over no more ranges than others take from an honest peer", () => {
    const chunks = { start: 0, end: 249_999 };
    const busy = new ChunkSet();
    const random = seeded(3);
    const connections = Array.from({ length: 16 }, () => ({
      state: "established",
      choked: false,
      peerHas: new ChunkSet([chunks]),
      channel: Math.floor(random() * 2 ** 32),
      download: { expected: () => 0, isDoubted: () => false },
    })) as unknown as Connection[];
    const view: PickerView = { wants: [{ chunks, deadline: Infinity }], busy, connections, chunkSize: 1_024 };
    let most = 0;
    for (let round = 0; round < 40; round++) {
      for (const connection of connections)
        for (const chunk of rarestFirst(view, connection, 128, 0)) busy.add({ start: chunk, end: chunk });
      most = Math.max(most, busy.rangeCount);
    }
    expect(busy.size).toBeGreaterThan(30_000);
    expect(most).toBeLessThan(MAX_HAVE_RANGES / 2);
  });
});
