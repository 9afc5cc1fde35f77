import { expect, test } from "vitest";
import { readChannel } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing, type Handshake, type Message, type ProtocolOptions } from "../../src/core/codec/messages.ts";
import { makeContent, seeded, Simulator } from "../sim/simulator.ts";
import { chunksOf, only, Puppet, Stage } from "../sim/stage.ts";

const content = makeContent(64 * 1_024, 1_024, seeded(1));
const CHUNKS = content.chunks.length;
const KEEP_ALIVE_MS = 20_000;
const DEAD_MS = 180_000;
const CLOSE: Message = { type: "HANDSHAKE", channel: 0, options: {} };

/** The first datagram of the endpoint to a peer. */
const opening = (stage: Stage, link = "other"): { channel: number; handshake: Handshake } => {
  stage.step({ type: "link", link, maxDatagram: 65_536 });
  stage.step({ type: "open", link, swarm: stage.swarm.key });
  const { channel, messages } = stage.sent.at(-1)!;
  return { channel, handshake: messages[0] as Handshake };
};

/** Whether the endpoint refuses the channel of an initiator with these options. */
const refuses = (changes: Partial<ProtocolOptions>, of = content): boolean => {
  const stage = new Stage(of);
  const answer = new Puppet(stage).begin(changes);
  expect(stage.told("rejected").length).toBe(stage.told("closed").length);
  return (
    stage.told("closed").length === 1 && answer?.messages[0]?.type === "HANDSHAKE" && answer.messages[0].channel === 0
  );
};

/** The options without one of them. */
const without = (name: keyof ProtocolOptions): Partial<ProtocolOptions> => ({ [name]: undefined });

test("RFC 7574 §3.1 MUST: HANDSHAKE is the first message of the first datagram, in both directions", () => {
  const stage = new Stage(content).hold();
  expect(opening(stage).handshake.type).toBe("HANDSHAKE");
  expect(new Puppet(stage).begin()?.messages[0]).toMatchObject({ type: "HANDSHAKE" });
  const early = new Puppet(stage, "early", 5);
  early.sendTo(
    0,
    { type: "HAVE", chunks: { start: 0, end: 1 } },
    { type: "HANDSHAKE", channel: 5, options: early.options() },
  );
  expect(early.received()).toEqual([]);
});

test("RFC 7574 §3.1 MUST NOT: the first two datagrams carry no DATA", () => {
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage);
  const answer = puppet.begin({}, { type: "REQUEST", chunks: { start: 0, end: 3 } });
  expect(only(answer!.messages, "DATA")).toEqual([]);
  stage.pass(3_000);
  expect(only(puppet.received(), "DATA")).toEqual([]);
});

test("RFC 7574 §3.11 MUST: a channel ID is chosen at random, by each end for itself", () => {
  const channels = Array.from({ length: 50 }, (_, i) => opening(stageOf50, `link${i}`).handshake.channel);
  expect(new Set(channels).size).toBe(50);
  expect(channels.filter((channel) => channel > 2 ** 31).length).toBeGreaterThan(10);
});
const stageOf50 = new Stage(content);

test("RFC 7574 §8.3 MUST: channel IDs are random, 1 to 2^32-1, and not in use", () => {
  const stage = new Stage(content);
  const [first, second] = [new Puppet(stage).open(), new Puppet(stage, "second").open()];
  for (const channel of [first.remote, second.remote]) {
    expect(channel).toBeGreaterThanOrEqual(1);
    expect(channel).toBeLessThan(2 ** 32);
  }
  expect(first.remote).not.toBe(second.remote);
});

test("RFC 7574 §8.17 MUST: only who echoes our channel ID is taken to be there", () => {
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage);
  puppet.begin();
  const request: Message = { type: "REQUEST", chunks: { start: 0, end: 0 } };
  for (const channel of [(puppet.remote ^ 1) >>> 0, puppet.channel, 1]) puppet.sendTo(channel, request);
  expect(puppet.received()).toEqual([]);
  expect(stage.told("opened")).toEqual([]);
  puppet.send(request);
  expect(stage.told("opened")).toHaveLength(1);
  expect(chunksOf(puppet.received(), "DATA")).toEqual([0]);
});

test("RFC 7574 §8.4 MUST: the initiator's first datagram goes to channel 0 and begins with its HANDSHAKE", () => {
  const { channel, handshake } = opening(new Stage(content));
  expect(channel).toBe(0);
  expect(handshake.channel).not.toBe(0);
});

test("RFC 7574 §8.4 MUST: the answer goes to the initiator's source channel and begins with a HANDSHAKE of its own", () => {
  const puppet = new Puppet(new Stage(content), "puppet", 1234);
  const answer = puppet.begin();
  expect(answer?.channel).toBe(1234);
  expect(answer?.messages[0]).toMatchObject({ type: "HANDSHAKE", channel: puppet.remote });
  expect(puppet.remote).not.toBe(0);
});

test("RFC 7574 §8.4 SHOULD: a channel is closed explicitly, by a HANDSHAKE", () => {
  const stage = new Stage(content);
  const puppet = new Puppet(stage).open();
  stage.step({ type: "close" });
  expect(puppet.datagrams()).toMatchObject([{ channel: puppet.channel, messages: [CLOSE] }]);
});

test("RFC 7574 §8.2: a repeated HANDSHAKE is recognised and makes no second channel", () => {
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage);
  const first = puppet.begin();
  expect(puppet.begin()?.messages).toEqual(first?.messages);
  puppet.send();
  puppet.begin();
  expect([...stage.swarm.connections]).toHaveLength(1);
  for (let i = 0; i < 2; i++) {
    puppet.have(0, 3);
    puppet.send({ type: "CANCEL", chunks: { start: 0, end: 9 } });
    puppet.send({ type: "UNCHOKE" });
    puppet.ask(9);
  }
  expect(chunksOf(puppet.received(), "DATA")).toEqual([9]);
});

test("RFC 7574 §7.3 MUST: the initiator's options hold the minimum version, and one without it is refused", () => {
  expect(opening(new Stage(content)).handshake.options.minVersion).toBe(1);
  expect(refuses(without("minVersion"))).toBe(true);
  expect(refuses({ minVersion: 2 })).toBe(true);
});

test("RFC 7574 §7.4 MUST: the initiator names the swarm, and who names none or another is refused", () => {
  expect(opening(new Stage(content)).handshake.options.swarmId).toEqual(content.options.metadata.id);
  for (const swarmId of [undefined, new Uint8Array(32)]) {
    const stage = new Stage(content);
    const puppet = new Puppet(stage);
    expect(puppet.begin(swarmId === undefined ? without("swarmId") : { swarmId })?.messages).toEqual([CLOSE]);
    expect([...stage.swarm.connections]).toEqual([]);
  }
});

test("RFC 7574 §7.4: a swarm identifier in a reply is checked against one's own", () => {
  for (const [swarmId, fits] of [
    [content.options.metadata.id, true],
    [new Uint8Array(32), false],
  ] as const) {
    const stage = new Stage(content);
    const puppet = new Puppet(stage);
    stage.step({ type: "open", link: puppet.link, swarm: stage.swarm.key });
    puppet.remote = (puppet.received()[0] as Handshake).channel;
    puppet.send({ type: "HANDSHAKE", channel: puppet.channel, options: puppet.options({ swarmId }) });
    expect(stage.told("opened").length).toBe(fits ? 1 : 0);
    expect(stage.told("rejected").length).toBe(fits ? 0 : 1);
  }
});

test("RFC 7574 §7.5 MUST: the content integrity protection method is present and fits the swarm", () => {
  expect(opening(new Stage(content)).handshake.options.integrityMethod).toBe(1);
  for (const changes of [without("integrityMethod"), { integrityMethod: 2 }]) expect(refuses(changes)).toBe(true);
});

test("RFC 7574 erratum 4880: integrity method 0, none, is refused", () => {
  expect(refuses({ integrityMethod: 0 })).toBe(true);
});

test("RFC 7574 §7.6 MUST: the Merkle hash function is present and fits the swarm", () => {
  expect(opening(new Stage(content)).handshake.options.hashFunction).toBe(2);
  for (const changes of [without("hashFunction"), { hashFunction: 0 }]) expect(refuses(changes)).toBe(true);
});

test("RFC 7574 §7.8 MUST: the chunk addressing method is present and fits the swarm", () => {
  expect(opening(new Stage(content)).handshake.options.chunkAddressing).toBe(ChunkAddressing.chunk32);
  expect(refuses(without("chunkAddressing"))).toBe(true);
});

test("RFC 7574 §4 MUST: a peer with another chunk addressing method does not get into the swarm", () => {
  for (const chunkAddressing of [0, 1, 3, 4] as const) expect(refuses({ chunkAddressing })).toBe(true);
});

test("RFC 7574 §7.10 MUST: Supported Messages names what we understand, and is respected", () => {
  const stage = new Stage(content).hold();
  expect(opening(stage).handshake.options.supportedMessages).toEqual([0, 1, 2, 3, 4, 8, 9, 10, 11]);
  const puppet = new Puppet(stage).open({ supportedMessages: [0, 1, 2, 4, 8] });
  stage.step({ type: "serve", swarm: stage.swarm.key, serving: false });
  stage.pass(KEEP_ALIVE_MS);
  expect(puppet.received()).toEqual([]);
});

test("RFC 7574 §7.11 MUST: the chunk size is in the options, and who has another is refused", () => {
  expect(opening(new Stage(content)).handshake.options.chunkSize).toBe(1_024);
  expect(refuses({ chunkSize: 512 })).toBe(true);
  const variable = { ...content, options: { metadata: { ...content.options.metadata, variableSize: true } } };
  expect(opening(new Stage(variable)).handshake.options.chunkSize).toBe(0xffff_ffff);
  expect(refuses({ chunkSize: 1_024 }, variable)).toBe(true);
});

test("RFC 7574 §3 SHOULD: an invalid message is discarded without an error, and its sender not heard again", () => {
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage).open();
  puppet.raw(new Uint8Array([...new Uint8Array(4).map((_, i) => (puppet.remote >>> (24 - 8 * i)) & 255), 200]));
  expect(stage.told("rejected")).toMatchObject([{ link: "puppet", reason: "malformed" }]);
  puppet.ask(0);
  puppet.begin();
  expect(puppet.received()).toEqual([]);
});

test("RFC 7574 §3 MUST: the messages of a datagram are processed in their order", () => {
  const stage = new Stage(content).hold();
  const request: Message = { type: "REQUEST", chunks: { start: 0, end: 3 } };
  const cancel: Message = { type: "CANCEL", chunks: { start: 1, end: 3 } };
  const [one, other] = [new Puppet(stage, "one").open(), new Puppet(stage, "other").open()];
  one.send(request, cancel);
  other.send(cancel, request);
  expect(chunksOf(one.received(), "DATA")).toEqual([0]);
  expect(chunksOf(other.received(), "DATA")).toEqual([0, 1, 2, 3]);
});

test("RFC 7574 §2.3: a peer that closed, or is found dead, leaves the peer list", () => {
  const stage = new Stage(content);
  const [closing, silent] = [new Puppet(stage, "closing").open(), new Puppet(stage, "silent").open()];
  closing.send(CLOSE);
  expect([...stage.swarm.connections].map(({ link }) => link)).toEqual(["silent"]);
  stage.pass(DEAD_MS + KEEP_ALIVE_MS);
  expect([...stage.swarm.connections]).toEqual([]);
  expect(stage.told("closed").map(({ reason }) => reason)).toEqual(["peer", "dead"]);
  expect(silent.link).toBe("silent");
});

test("RFC 7574 §3.12 SHOULD: a keep-alive goes to a peer to whom there is nothing to say", () => {
  const stage = new Stage(content);
  const puppet = new Puppet(stage).open();
  stage.pass(KEEP_ALIVE_MS - 1);
  expect(puppet.datagrams()).toEqual([]);
  stage.pass(1);
  expect(puppet.datagrams()).toMatchObject([{ channel: puppet.channel, messages: [], bytes: 4 }]);
});

test("RFC 7574 §8.15: dead is who was silent for 3 minutes although 3 datagrams were sent", () => {
  const lively = new Stage(content);
  const puppet = new Puppet(lively).open();
  for (let i = 0; i < 10; i++) {
    lively.pass(DEAD_MS / 3);
    puppet.send();
  }
  lively.pass(DEAD_MS - 1);
  expect(lively.told("closed")).toEqual([]);
  lively.pass(1);
  expect(lively.told("closed")).toMatchObject([{ reason: "dead" }]);

  const settings = { keepAliveMs: 2 * DEAD_MS };
  const quiet = new Stage(content, { settings });
  new Puppet(quiet).open();
  quiet.pass(4 * DEAD_MS);
  expect(quiet.told("closed")).toEqual([]);
});

test("RFC 7574 §13.1.1: a stranger gets no more than a few HAVEs, whatever it asks", () => {
  const stage = new Stage(content);
  for (let chunk = 0; chunk < CHUNKS; chunk += 2) stage.hold(chunk, chunk);
  const puppet = new Puppet(stage);
  const request: Message = { type: "REQUEST", chunks: { start: 0, end: CHUNKS - 1 } };
  const before = stage.sent.length;
  const answer = puppet.begin({}, request, { type: "PEX_REQ" });
  expect(only(answer!.messages, "HAVE").length).toBeLessThanOrEqual(4);
  expect(answer!.bytes).toBeLessThan(150);
  expect(stage.sent.length).toBe(before + 1);
  stage.pass(60_000);
  expect(stage.sent.length).toBeLessThanOrEqual(before + 4);
});

test("RFC 7574 §13.1.2 MUST: the initiator answers the second datagram at once", () => {
  const stage = new Stage(content);
  const puppet = new Puppet(stage).accept();
  expect(puppet.datagrams()).toMatchObject([{ channel: puppet.channel }]);
});

test("RFC 7574 §13.6.11: without a handshake no PEX_REQ or REQUEST is answered", () => {
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage);
  for (const channel of [0, 1, puppet.channel]) {
    puppet.sendTo(channel, { type: "PEX_REQ" }, { type: "REQUEST", chunks: { start: 0, end: 3 } });
  }
  expect(puppet.received()).toEqual([]);
});

test("RFC 7574 §13: memory, work and answers that a peer can cause are bounded", () => {
  // The floods themselves are in test/sim/hostile.test.ts; here, that no answer is longer than its cause by more than DATA.
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage).open();
  stage.step({ type: "serve", swarm: stage.swarm.key, serving: false });
  puppet.received();
  const requests = Array.from({ length: 900 }, (_, i): Message => ({ type: "REQUEST", chunks: { start: i, end: i } }));
  const noise: Message[] = [{ type: "PEX_REQ" }, { type: "UNCHOKE" }, { type: "CHOKE" }];
  puppet.send(...requests, ...noise, { type: "CANCEL", chunks: { start: 0, end: 2 ** 32 - 1 } });
  expect(puppet.datagrams()).toMatchObject([{ bytes: 5 }]);
});

test("RFC 7574 §3.9 MUST NOT: choked, no new REQUEST goes to that peer", () => {
  const stage = new Stage(content);
  const puppet = new Puppet(stage).open();
  puppet.have(0, CHUNKS - 1);
  puppet.send({ type: "CHOKE" });
  stage.want(0, CHUNKS - 1);
  stage.pass(30_000);
  expect(only(puppet.received(), "REQUEST")).toEqual([]);
  puppet.send({ type: "UNCHOKE" });
  expect(only(puppet.received(), "REQUEST").length).toBeGreaterThan(0);
});

test("RFC 7574 §2.2: what was outstanding at a peer that chokes is asked of others", () => {
  const stage = new Stage(content);
  const choker = new Puppet(stage, "choker").open();
  choker.have(0, 1);
  stage.want(0, 1);
  const other = new Puppet(stage, "other").open();
  other.have(0, 1);
  expect(chunksOf(other.received(), "REQUEST")).toEqual([]);
  choker.send({ type: "CHOKE" });
  expect(chunksOf(other.received(), "REQUEST")).toEqual([0, 1]);
});

test("RFC 7574 §3.9 SHOULD: requests from before a CHOKE are forgotten by the one who sent it", () => {
  const large = makeContent(64 * 16_384, 16_384, seeded(2));
  const stage = new Stage(large).hold();
  const puppet = new Puppet(stage).open();
  puppet.ask(0, 63);
  const served = chunksOf(puppet.received(), "DATA").length;
  expect(served).toBeLessThan(63);
  for (const serving of [false, true]) stage.step({ type: "serve", swarm: stage.swarm.key, serving });
  expect(puppet.received()).toEqual([{ type: "CHOKE" }, { type: "UNCHOKE" }]);
  puppet.send({ type: "ACK", chunks: { start: 0, end: served - 1 }, delay: 0n });
  expect(puppet.received()).toEqual([]);
  puppet.ask(50);
  expect(chunksOf(puppet.received(), "DATA")).toEqual([50]);
});

test("RFC 7574 §13.6.8: REQUESTs of a choked peer are discarded and CHOKE is sent again", () => {
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage).open();
  stage.step({ type: "serve", swarm: stage.swarm.key, serving: false });
  puppet.received();
  puppet.ask(0);
  expect(puppet.received()).toEqual([{ type: "CHOKE" }]);
});

test("RFC 7574 §13.6.9: UNCHOKE without CHOKE is ignored, and who then does not deliver is asked last", () => {
  const net = new Simulator(1, { delay: 10, jitter: 0, loss: 0, duplication: 0, uplink: 100 });
  const [good, idle, viewer] = ["good", "idle", "viewer"].map((id) => net.join(id, content.options));
  good!.seed(content);
  idle!.seed(content);
  const asked: number[] = [];
  idle!.tamper = (head, payload) => {
    if (payload === undefined) return readChannel(head) === 0 ? head : new Uint8Array([...head, 11]);
    asked.push(net.now);
    return undefined;
  };
  viewer!.leech(CHUNKS);
  net.connect(viewer!, idle!);
  net.connect(viewer!, good!);
  expect(net.run(() => viewer!.store.size === CHUNKS, 60_000)).toBe(true);
  expect(asked.length).toBeLessThan(CHUNKS / 2);
});
