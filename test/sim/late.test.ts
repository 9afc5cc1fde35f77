import { describe, expect, test } from "vitest";
import { Lateness } from "../../bench/pages/lateness.ts";
import { decodeDatagram } from "../../src/core/codec/datagram.ts";
import type { Message } from "../../src/core/codec/messages.ts";
import { swarmFormat } from "../../src/core/connection/metadata.ts";
import { KnownChunks, makeContent, seeded } from "./content.ts";
import { join, Simulator, type SimPeer } from "./simulator.ts";
import { Viewer, type Film } from "./viewer.ts";

/** A minute of 2.5 Mbit/s in segments of 4 s. */
const CHUNK = 16_384;
const content = makeContent(15 * 76 * CHUNK, CHUNK, seeded(1));
const film: Film = {
  content,
  segments: Array.from({ length: 15 }, (_, i) => ({ start: 76 * i, end: 76 * i + 75 })),
  segmentMs: 4_000,
};
/** As at home: bytes per ms, ms. */
const ORIGIN = { rate: 1_000, latency: 50 };
const SLOW = 25;
const ONE_CHUNK_MS = CHUNK / SLOW;

interface Seen {
  readonly viewer: Viewer;
  readonly lateness: Lateness<string>;
  /** Content that each neighbour sent, bytes. */
  readonly sent: Readonly<Record<string, number>>;
}

type Asking = Extract<Message, { type: "REQUEST" | "CANCEL" | "DATA" }>;

/** Hears what comes to a peer. */
function overhear(peer: SimPeer, hear: (message: Asking, link: string) => void): void {
  const format = swarmFormat(content.options.metadata);
  const step = peer.step.bind(peer);
  peer.step = (input) => {
    if (input.type === "datagram") {
      for (const message of decodeDatagram(input.data, format).messages)
        if (message.type === "REQUEST" || message.type === "CANCEL" || message.type === "DATA")
          hear(message, input.link);
    }
    step(input);
  };
}

/** Somebody watches the film beside neighbours who have all of it; what goes to and fro is read along. */
function watch(seed: number, neighbours: Readonly<Record<string, number>>): Seen {
  const net = new Simulator(seed, { delay: 10, jitter: 5, loss: 0, duplication: 0, uplink: 2_500 });
  const known = new KnownChunks(content);
  const lateness = new Lateness<string>();
  const me = net.join("me", content.options);
  me.known = known;
  // Whole datagrams, so that they can be read along.
  me.tamper = (head, payload) => join(head, payload);
  const peers = Object.entries(neighbours).map(([id, uplink]): SimPeer => {
    const peer = net.join(id, content.options, uplink > 0 ? { uplink } : {});
    peer.known = known;
    peer.seed(content);
    overhear(peer, ({ type, chunks: { start, end } }) => {
      for (let chunk = start; chunk <= end; chunk++) {
        if (type === "REQUEST") lateness.requested(id, chunk, net.now);
        else if (type === "CANCEL") lateness.cancelled(id, chunk, net.now);
      }
    });
    // One that never answers announces all the same.
    if (uplink === 0) peer.tamper = (head, payload) => (payload === undefined ? head : undefined);
    return peer;
  });
  overhear(me, ({ type, chunks }, link) => {
    if (type === "DATA") lateness.came(link, chunks.start, net.now);
  });
  const viewer = new Viewer(me, film, ORIGIN);
  viewer.viewers = peers.length + 1;
  net.at(150, () => {
    for (const peer of peers) net.connect(me, peer, 65_536, true);
  });
  net.run(() => viewer.finished, 120_000);
  const sent = Object.fromEntries(
    peers.map(({ id, outputs }) => [
      id,
      outputs.reduce((sum, output) => sum + (output.type === "uploaded" ? output.bytes : 0), 0),
    ]),
  );
  return { viewer, lateness, sent };
}

describe("beside a quick neighbour, one of 200 kbit/s and one that never answers", () => {
  const all = [1, 2, 3].map((seed) => watch(seed, { quick: 1_250, slow: SLOW, silent: 0 }));

  test("there is no stall, and most of the film comes from the quick one", () => {
    for (const { viewer } of all) {
      expect(viewer.finished).toBe(true);
      expect(viewer.watched.stalls).toBe(0);
      expect(viewer.watched.met).toBe(viewer.watched.due);
      expect(viewer.watched.fromPeers).toBeGreaterThan(0.8 * 15 * 76 * CHUNK);
    }
  });

  test("a late chunk is asked of somebody else within 500 ms, mostly", () => {
    const waits = all.flatMap(({ lateness }) => lateness.waits).toSorted((a, b) => a - b);
    expect(waits.length).toBeGreaterThan(30);
    expect(waits[Math.floor(0.6 * waits.length)]).toBeLessThanOrEqual(500);
    // Who answers slowly, and never in the same time, is waited for longer; and one that others have may find them busy.
    expect(waits.at(-1)).toBeLessThanOrEqual(2_500);
  });

  test("the silent one is asked for little", () => {
    for (const { sent } of all) expect(sent["silent"]).toBeLessThanOrEqual(24 * CHUNK);
  });
});

test.each([1, 2, 3])(
  "what only slow and silent neighbours have comes from the origin before its time (seed %i)",
  (seed) => {
    const { viewer, sent } = watch(seed, { slow: SLOW, silent: 0 });
    expect(viewer.finished).toBe(true);
    expect(viewer.watched.stalls).toBe(0);
    expect(viewer.watched.met).toBe(viewer.watched.due);
    // Of the slow one comes no more than it can give in that time.
    expect(sent["slow"]! / CHUNK).toBeLessThan(70_000 / ONE_CHUNK_MS);
  },
);
