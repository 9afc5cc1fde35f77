import { describe, expect, test } from "vitest";
import {
  IDLE_MS,
  openSlots,
  RANK_MS,
  reciprocal,
  TRIAL_MS,
  TURN_MS,
  type Choker,
  type ChokerPeer,
} from "../../src/core/swarm/choker.ts";
import type { Message } from "../../src/core/codec/messages.ts";
import { makeContent, seeded, Simulator, type SimPeer, type Weather } from "./simulator.ts";
import { chunksOf, only, Puppet, Stage } from "./stage.ts";

const WEATHER: Weather = { delay: 10, jitter: 5, loss: 0, duplication: 0, uplink: 500 };
const content = makeContent(100 * 1_024, 1_024, seeded(1));
const CHUNKS = content.chunks.length;
const CHOKERS = { openSlots, reciprocal };

/** A peer as a choker sees it, that has waited since the beginning. */
const peer = (changes: Partial<ChokerPeer> = {}): ChokerPeer => ({
  choked: true,
  since: 0,
  needy: true,
  activeAt: changes.since ?? 0,
  uploaded: 0,
  uploadRate: 0,
  downloaded: 0,
  downloadRate: 0,
  ...changes,
});

const places = (choker: Choker, peers: readonly ChokerPeer[], now: number, complete = false): number[] => {
  const { served } = choker({ peers, complete }, now);
  return peers.flatMap((one, i) => (served.has(one) ? [i] : []));
};

/** What went out to a link, in words: "CHOKE", "UNCHOKE". */
const words = (puppet: Puppet): string[] =>
  puppet.received().flatMap(({ type }) => (type === "CHOKE" || type === "UNCHOKE" ? [type] : []));

describe.each(Object.entries(CHOKERS))("RFC 7574 §9.2: %s", (name, choker) => {
  test("serves everybody while there are slots for all, so that a small swarm never chokes", () => {
    const peers = Array.from({ length: 5 }, (_, i) => peer({ needy: i % 2 === 0, choked: i > 2 }));
    expect(choker(5)({ peers, complete: false }, 100)).toEqual({ served: new Set(peers), againAt: Infinity });
    const stage = new Stage(content, { choker: choker() }).hold();
    const puppets = Array.from({ length: 8 }, (_, i) => new Puppet(stage, `peer${i}`).open());
    for (const puppet of puppets) puppet.ask(3);
    expect(puppets.map((puppet) => chunksOf(puppet.received(), "DATA"))).toEqual(puppets.map(() => [3]));
  });

  test("serves no more than there are slots for, whatever happens, and those who need nothing last", () => {
    const random = seeded(3);
    for (let round = 0; round < 300; round++) {
      const peers = Array.from({ length: 1 + Math.floor(random() * 30) }, () =>
        peer({
          choked: random() < 0.5,
          since: random() * 50_000,
          needy: random() < 0.7,
          uploadRate: random() < 0.5 ? 0 : random(),
          downloadRate: random() < 0.5 ? 0 : random(),
        }),
      );
      const { served, againAt } = choker(4)({ peers, complete: random() < 0.5 }, 60_000);
      expect(served.size).toBe(Math.min(4, peers.length));
      expect(againAt).toBeGreaterThan(60_000);
      const needy = peers.filter((one) => one.needy);
      if (needy.length >= 4) expect([...served].every((one) => one.needy)).toBe(true);
    }
  });

  test.each([1, 2])("a flood of 100 leechers on one seeder with 4 slots: all complete (seed %i)", (seed) => {
    const net = new Simulator(seed, WEATHER);
    const seeder = net.join("seeder", { ...content.options, choker: choker(4) });
    seeder.seed(content);
    const leechers = Array.from({ length: 100 }, (_, i) => {
      const leecher = net.join(`leecher${i}`, content.options);
      leecher.leech(CHUNKS);
      net.connect(leecher, seeder);
      return leecher;
    });
    let most = 0;
    const done = net.run(() => {
      const served = [...seeder.swarm.connections].filter((one) => one.state === "established" && !one.choking);
      most = Math.max(most, served.length);
      return leechers.every(({ store }) => store.size === CHUNKS);
    }, 1_200_000);
    expect(done).toBe(true);
    expect(most).toBe(4);
    // Nobody is dropped meanwhile, as one that is merely choked answers nothing.
    expect(seeder.outputs.filter(({ type }) => type === "rejected" || type === "closed")).toEqual([]);
    expect(net.now).toBeLessThan(name === "openSlots" ? 200_000 : 1_200_000);
  });

  test("a swarm of 30 where all choke most of the others completes, with loss", () => {
    const net = new Simulator(5, { ...WEATHER, loss: 0.03, uplink: 200 });
    const peers = Array.from({ length: 30 }, (_, i) => net.join(`peer${i}`, { ...content.options, choker: choker(3) }));
    peers[0]!.seed(content);
    for (const [i, one] of peers.entries()) {
      if (i > 0) one.leech(CHUNKS);
      for (const other of peers.slice(0, i)) if (net.random() < 0.4 || other === peers[0]) net.connect(one, other);
    }
    expect(net.run(() => peers.every(({ store }) => store.size === CHUNKS), 1_200_000)).toBe(true);
  });
});

describe("openSlots", () => {
  test("gives a slot to whom came first, and keeps it there for a turn", () => {
    const [a, b, c] = [peer({ since: 3 }), peer({ since: 1 }), peer({ since: 2 })];
    expect(places(openSlots(2), [a, b, c], 10)).toEqual([1, 2]);
    const served = (now: number) => [
      peer({ choked: false, since: 10, activeAt: now }),
      peer({ choked: false, since: 20, activeAt: now }),
      peer({ since: 5 }),
      peer({ since: 6 }),
    ];
    expect(places(openSlots(2), served(9 + TURN_MS), 9 + TURN_MS)).toEqual([0, 1]);
    expect(places(openSlots(2), served(10 + TURN_MS), 10 + TURN_MS)).toEqual([1, 2]);
    expect(places(openSlots(2), served(20 + TURN_MS), 20 + TURN_MS)).toEqual([2, 3]);
  });

  test("leaves the slot where it is when nobody waits for it", () => {
    const old = peer({ choked: false, since: 0, activeAt: 1_000_000 });
    expect(places(openSlots(1), [old, peer({ needy: false })], 1_000_000)).toEqual([0]);
  });

  test("frees a slot that nothing goes through", () => {
    const idle = peer({ choked: false, since: 10, activeAt: 10 });
    expect(places(openSlots(1), [idle, peer({ since: 5 })], 9 + IDLE_MS)).toEqual([0]);
    expect(places(openSlots(1), [idle, peer({ since: 5 })], 10 + IDLE_MS)).toEqual([1]);
  });

  test("peers that hold a slot and ask for nothing do not keep it from one that does", () => {
    const stage = new Stage(content, { choker: openSlots(4) }).hold();
    for (let i = 0; i < 4; i++) new Puppet(stage, `idler${i}`).open();
    const waiting = new Puppet(stage, "waiting");
    waiting.begin();
    waiting.send({ type: "REQUEST", chunks: { start: 0, end: 0 } });
    expect(words(waiting)).toContain("CHOKE");
    stage.pass(2 * IDLE_MS);
    expect(words(waiting)).toEqual(["UNCHOKE"]);
    waiting.ask(0);
    expect(chunksOf(waiting.received(), "DATA")).toEqual([0]);
  });

  test("a slot that was left goes to the next at once", () => {
    const stage = new Stage(content, { choker: openSlots(1) }).hold();
    const first = new Puppet(stage, "first").open();
    const second = new Puppet(stage, "second");
    second.begin();
    second.send();
    expect(words(second)).toEqual(["CHOKE"]);
    first.send({ type: "HANDSHAKE", channel: 0, options: {} });
    expect(words(second)).toEqual(["UNCHOKE"]);
  });

  test("RFC 7574 §3.9 SHOULD: one that gets its slot back starts anew, what it asked for before is forgotten", () => {
    const stage = new Stage(content, { choker: openSlots(1) }).hold();
    stage.reading = false;
    const first = new Puppet(stage, "first").open();
    first.ask(0, 4);
    const second = new Puppet(stage, "second").open();
    stage.pass(IDLE_MS + 1_000);
    expect(words(first)).toEqual(["CHOKE"]);
    expect(words(second)).toEqual(["UNCHOKE"]);
    second.send({ type: "HANDSHAKE", channel: 0, options: {} });
    expect(words(first)).toEqual(["UNCHOKE"]);
    stage.reading = true;
    first.ask(20);
    expect(chunksOf(first.received(), "DATA")).toEqual([20]);
  });

  test("UNCHOKE is repeated until the peer asks, since it may be lost, also while other things go to it", () => {
    const stage = new Stage(content, { choker: openSlots(1), settings: { keepAliveMs: 3_000 } }).hold();
    const first = new Puppet(stage, "first").open();
    const second = new Puppet(stage, "second").open();
    first.send({ type: "HANDSHAKE", channel: 0, options: {} });
    expect(words(second)).toEqual(["UNCHOKE"]);
    /** With an answer to something each second. */
    const busy = (): Message[] => {
      for (let i = 0; i < 10; i++) {
        stage.swarm.connection("second")!.announce({ start: i, end: i });
        stage.swarm.touch(stage.swarm.connection("second")!);
        stage.step({ type: "settle" });
        stage.pass(1_000);
      }
      return second.received();
    };
    expect(only(busy(), "UNCHOKE")).toHaveLength(3);
    second.ask(0);
    expect(only(busy(), "UNCHOKE")).toEqual([]);
  });

  test("a peer that serves nobody chokes all, and unchokes those who have a slot when it serves again", () => {
    const stage = new Stage(content, { choker: openSlots(2) }).hold();
    const puppets = [0, 1, 2].map((i) => new Puppet(stage, `peer${i}`).open());
    stage.step({ type: "serve", swarm: stage.swarm.key, serving: false });
    expect(puppets.map(words)).toEqual([["CHOKE"], ["CHOKE"], []]);
    expect(words(new Puppet(stage, "late").open())).toEqual([]);
    stage.step({ type: "serve", swarm: stage.swarm.key, serving: true });
    expect(puppets.flatMap(words)).toEqual(["UNCHOKE", "UNCHOKE"]);
  });
});

describe("reciprocal", () => {
  test("serves those who give most, and one other on trial", () => {
    const peers = [0, 3, 1, 2, 0, 0].map((downloadRate, i) => peer({ downloadRate, since: 10 - i }));
    expect(places(reciprocal(3), peers, 20)).toEqual([1, 3, 5]);
  });

  test("when it needs nothing, serves those who take most", () => {
    const peers = [0, 3, 1, 2, 0, 0].map((uploadRate, i) => peer({ uploadRate, downloadRate: 9 - i, since: 10 - i }));
    expect(places(reciprocal(3), peers, 20, true)).toEqual([1, 3, 5]);
  });

  test("a trial is for whom we have given least for nothing", () => {
    const peers = [
      peer({ downloadRate: 1 }),
      peer({ uploaded: 500, since: 0 }),
      peer({ uploaded: 600, downloaded: 200, since: 10 }),
      peer({ uploaded: 300, downloaded: 900, since: 20 }),
      peer({ uploaded: 300, downloaded: 800, since: 30 }),
    ];
    expect(places(reciprocal(3), peers, 40)).toEqual([0, 3, 4]);
    expect(places(reciprocal(2), peers.slice(0, 3), 40)).toEqual([0, 2]);
  });

  test("a trial lasts its time, then the next who waits has its own", () => {
    const peers = (): ChokerPeer[] => [
      peer({ downloadRate: 1, choked: false }),
      peer({ choked: false, since: 100 }),
      peer({ since: 60 }),
      peer({ since: 50 }),
    ];
    expect(places(reciprocal(2), peers(), 99 + TRIAL_MS)).toEqual([0, 1]);
    expect(places(reciprocal(2), peers(), 100 + TRIAL_MS)).toEqual([0, 3]);
    expect(reciprocal(2)({ peers: peers(), complete: false }, 5).againAt).toBe(5 + RANK_MS);
  });

  /** Bytes that each leecher got from the other leechers until the first is complete; the last shares nothing. */
  function race(seed: number, choker: () => Choker): { contributors: number[]; freerider: number } {
    const film = makeContent(4_000 * 1_024, 4_096, seeded(seed));
    const net = new Simulator(seed, { ...WEATHER, uplink: 20 });
    const options = { ...film.options, choker: choker() };
    const peers: SimPeer[] = Array.from({ length: 13 }, (_, i) =>
      net.join(`peer${i}`, options, i === 0 ? { uplink: 60 } : {}),
    );
    const [seeder, ...leechers] = peers as [SimPeer, ...SimPeer[]];
    const freerider = leechers.at(-1)!;
    seeder.seed(film);
    freerider.step({ type: "serve", swarm: freerider.swarm.key, serving: false });
    for (const [i, leecher] of leechers.entries()) {
      leecher.leech(film.chunks.length);
      net.connect(leecher, seeder);
      for (const other of leechers.slice(0, i)) net.connect(leecher, other);
    }
    net.run(() => leechers.some(({ store }) => store.size === film.chunks.length), 3_000_000);
    const [first = 0, ...rest] = leechers
      .map((to) => leechers.reduce((sum, from) => sum + uploaded(from, to), 0))
      .reverse();
    return { contributors: rest, freerider: first };
  }

  const uploaded = (from: SimPeer, to: SimPeer): number =>
    from.outputs.reduce(
      (sum, output) => sum + (output.type === "uploaded" && output.link === to.id ? output.bytes : 0),
      0,
    );

  const median = (sizes: readonly number[]): number => sizes.toSorted((a, b) => a - b)[Math.floor(sizes.length / 2)]!;

  test.each([1, 2, 3, 4])(
    "RFC 7574 §13.6.2 HAVE.2: selection rewards those who share: a freerider gets less than contributors (seed %i)",
    (seed) => {
      const earned = race(seed, () => reciprocal(4));
      expect(earned.freerider).toBeLessThan(0.5 * Math.min(...earned.contributors));
      // Served in turn it would get as much as the others.
      const given = race(seed, () => openSlots(4));
      expect(given.freerider).toBeGreaterThan(0.75 * median(given.contributors));
    },
  );
});

test("RFC 7574 §13.6.8 CHOKE.1: REQUESTs without a slot are discarded, and CHOKE is repeated", () => {
  const stage = new Stage(content, { choker: openSlots(1) }).hold();
  new Puppet(stage, "first").open();
  const second = new Puppet(stage, "second").open();
  for (let i = 0; i < 3; i++) {
    second.ask(i);
    const answer = second.received();
    expect(only(answer, "CHOKE")).toHaveLength(1);
    expect(only(answer, "DATA")).toEqual([]);
  }
});
