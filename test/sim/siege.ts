import { expect } from "vitest";
import { decodeDatagram, encodeDatagram, readChannel } from "../../src/core/codec/datagram.ts";
import type { Message } from "../../src/core/codec/messages.ts";
import { swarmFormat } from "../../src/core/connection/metadata.ts";
import {
  CHANNEL_SETTINGS,
  MAX_HAVE_RANGES,
  MAX_PENDING_HASHES,
  MAX_REQUEST_RANGES,
} from "../../src/core/connection/settings.ts";
import type { SwarmOptions } from "../../src/core/swarm/swarm.ts";
import { join, makeContent, seeded, Simulator, type SimPeer, type Weather } from "./simulator.ts";
import { chunksOf, Puppet, type Stage } from "./stage.ts";

/** No loss, and little delay: what is slow here is slow because of the attack. */
export const WEATHER: Weather = { delay: 10, jitter: 5, loss: 0, duplication: 0, uplink: 500 };
/** What is fetched. */
export const content = makeContent(400 * 1_024, 1_024, seeded(1));
/** Its chunks. */
export const CHUNKS = content.chunks.length;
const FORMAT = swarmFormat(content.options.metadata);
/** Seeds of the simulations. */
export const SEEDS = [1, 2, 3];
/** Every chunk that can be named. */
export const ALL = { start: 0, end: 2 ** 32 - 1 };
/** From a peer that holds everything to one that needs it, 400 KiB at 500 KB/s take about a second. */
const SOON_MS = 10_000;

/** An attack. */
export interface Siege {
  readonly net: Simulator;
  readonly bad: SimPeer;
  /** Who is attacked. */
  readonly victim: SimPeer;
}

/** Whether a peer has all of the content, byte for byte. */
const isComplete = (peer: SimPeer): boolean =>
  peer.store.size === CHUNKS && content.chunks.every((chunk, i) => Buffer.compare(chunk, peer.store.get(i)!) === 0);

/** Runs until these peers have everything; what the victim remembers stays bounded all the time. */
export function expectComplete({ net, victim }: Siege, peers: readonly SimPeer[], limit = SOON_MS): void {
  let steps = 0;
  const done = net.run(() => {
    if (steps++ % 20 === 0) expectBounded(victim);
    return peers.every(({ store }) => store.size === CHUNKS);
  }, net.now + limit);
  expect(done).toBe(true);
  expect(peers.every(isComplete)).toBe(true);
}

/** What a peer remembers of others is within its limits. */
export function expectBounded({ swarm }: SimPeer): void {
  const connections = [...swarm.connections];
  const most = (of: (connection: (typeof connections)[number]) => number): number =>
    Math.max(0, ...connections.map(of));
  expect(most(({ upload }) => upload.entries)).toBeLessThanOrEqual(4 * MAX_REQUEST_RANGES);
  expect(most(({ upload }) => upload.inFlight.size * 1_024)).toBeLessThanOrEqual(CHANNEL_SETTINGS.maxWindow);
  expect(most(({ download }) => download.outstanding)).toBeLessThanOrEqual(CHANNEL_SETTINGS.maxOutstanding);
  expect(most(({ proofs }) => proofs.hashes.size)).toBeLessThanOrEqual(MAX_PENDING_HASHES);
  expect(most(({ peerHas }) => peerHas.rangeCount)).toBeLessThanOrEqual(MAX_HAVE_RANGES + 1);
  expect(connections.length).toBeLessThanOrEqual(300);
  expect(swarm.unproven).toBeLessThanOrEqual(2 * CHANNEL_SETTINGS.maxOutstanding);
}

/** A viewer between a good peer that holds everything and a bad one that says so too. */
export function viewing(seed: number, spoil: (siege: Siege) => void): Siege & { readonly good: SimPeer } {
  const net = new Simulator(seed, WEATHER);
  const [good, victim] = [net.join("good", content.options), net.join("victim", content.options)];
  const bad = net.join("bad", content.options, { uplink: Infinity });
  good.seed(content);
  bad.seed(content);
  const siege = { net, good, bad, victim };
  spoil(siege);
  siege.victim.leech(CHUNKS);
  net.connect(siege.victim, siege.bad);
  net.connect(siege.victim, siege.good);
  return siege;
}

/** A seeder with two that take from it, the bad one first. */
export function serving(seed: number, options: Partial<SwarmOptions> = {}): Siege & { readonly honest: SimPeer } {
  const net = new Simulator(seed, WEATHER);
  const victim = net.join("victim", { ...content.options, ...options });
  const bad = net.join("bad", content.options, { uplink: Infinity });
  const honest = net.join("honest", content.options);
  victim.seed(content);
  net.connect(bad, victim);
  honest.leech(CHUNKS);
  net.connect(honest, victim);
  return { net, bad, victim, honest };
}

/** Over its open channel the bad peer sends datagrams with such messages as well, one every so many ms. */
export function attack({ net, bad, victim }: Siege, every: number, messages: (n: number) => readonly Message[]): void {
  let n = 0;
  const again = (): void => {
    const channel = bad.swarm.connection(victim.id)?.remoteChannel ?? 0;
    if (channel !== 0) transmit(net, bad, victim, channel, messages(n++));
    net.at(net.now + every, again);
  };
  again();
}

/** One datagram to a channel, whoever it belongs to. */
export function transmit(
  net: Simulator,
  from: SimPeer,
  to: SimPeer,
  channel: number,
  messages: readonly Message[],
): void {
  const { head, payload } = encodeDatagram({ channel, messages }, FORMAT);
  net.send(from, to.id, join(head, payload));
}

/** The bad peer's own datagrams with their messages changed. */
export function alter({ bad }: Siege, change: (message: Message) => Message | undefined): void {
  bad.tamper = (head, payload) => {
    const whole = join(head, payload);
    if (readChannel(whole) === 0) return whole;
    const { channel, messages } = decodeDatagram(whole, FORMAT);
    const changed = messages.map(change).filter((message) => message !== undefined);
    if (messages.length > 0 && changed.length === 0) return undefined;
    const datagram = encodeDatagram({ channel, messages: changed }, FORMAT);
    return join(datagram.head, datagram.payload);
  };
}

/** Notes what reaches the bad peer. */
export function listen({ bad }: Siege): Message[] {
  const heard: Message[] = [];
  const step = bad.step.bind(bad);
  bad.step = (input) => {
    if (input.type === "datagram") heard.push(...decodeDatagram(input.data, FORMAT).messages);
    step(input);
  };
  return heard;
}

/** Whose links the peer has dropped for misbehaving. */
export const rejected = (peer: SimPeer): string[] =>
  peer.outputs.flatMap((output) => (output.type === "rejected" ? [output.link] : []));

/** Content bytes that went out over a link. */
export const uploadedTo = (peer: SimPeer, link: string): number =>
  peer.outputs.reduce(
    (sum, output) => sum + (output.type === "uploaded" && output.link === link ? output.bytes : 0),
    0,
  );

/** Somebody who has everything and answers comes beside a liar: soon all of it is here, and only the liar may be refused. */
export function expectAllFromHonest(stage: Stage): void {
  const { chunks } = stage.content;
  const honest = new Puppet(stage, "honest").open();
  honest.have(0, chunks.length - 1);
  for (let i = 0; i < 10; i++) {
    for (const asked of chunksOf(honest.received(), "REQUEST")) honest.deliver(asked);
    stage.pass(500);
  }
  expect(stage.swarm.complete).toBe(true);
  chunks.forEach((each, i) => expect(Buffer.compare(each, stage.store.get(i)!)).toBe(0));
  expect(stage.told("rejected").filter(({ link }) => link === "honest")).toEqual([]);
}
