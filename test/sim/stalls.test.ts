import { describe, expect, test } from "vitest";
import { UDP_SETTINGS } from "../../src/node/udp/host.ts";
import { makeContent, seeded, Simulator } from "./simulator.ts";
import { chunksOf, only, Puppet, Stage } from "./stage.ts";

const content = makeContent(8 * 1_024, 1_024, seeded(1));

describe("what is wanted is asked for as soon as it may be", () => {
  test("of a peer that failed once, when the other that has it chokes us", () => {
    const stage = new Stage(content, { settings: { maxOutstanding: 1_024, minRequestMs: 5_000 } });
    const slow = new Puppet(stage, "slow").accept({ type: "HAVE", chunks: { start: 0, end: 0 } });
    stage.want(0, 1);
    expect(chunksOf(slow.received(), "REQUEST")).toEqual([0]);
    const other = new Puppet(stage, "other").accept({ type: "HAVE", chunks: { start: 0, end: 1 } });
    expect(chunksOf(other.received(), "REQUEST")).toEqual([1]);
    // Without its proof, so that there is no room for another chunk of this peer's.
    other.send(other.data(1));
    stage.pass(2_500);
    expect(chunksOf(slow.received(), "REQUEST")).toEqual([]);
    other.send({ type: "CHOKE" });
    expect(chunksOf(slow.received(), "REQUEST")).toEqual([0]);
  });

  test("of a peer that failed once, when the other that has it leaves", () => {
    const stage = new Stage(content);
    const first = new Puppet(stage, "first").accept({ type: "HAVE", chunks: { start: 0, end: 1 } });
    const slow = new Puppet(stage, "slow").accept({ type: "HAVE", chunks: { start: 2, end: 7 } });
    // The slow one shows that it is slow.
    stage.want(2, 2);
    stage.pass(1_900);
    slow.deliver(2);
    // The first one fails once, and is fast again.
    stage.want(0, 0, stage.now + 2_300);
    stage.pass(2_100);
    slow.have(0, 0);
    stage.want(1, 1);
    stage.pass(10);
    first.deliver(1);
    stage.want(0, 0, stage.now + 300);
    first.received();
    stage.pass(50);
    expect(chunksOf(first.received(), "REQUEST")).toEqual([]);
    expect(chunksOf(slow.received(), "REQUEST")).not.toContain(0);
    slow.send({ type: "HANDSHAKE", channel: 0, options: {} });
    expect(chunksOf(first.received(), "REQUEST")).toEqual([0]);
  });
});

test("a time-out in a burst is followed by a new wake at its end", () => {
  const stage = new Stage(content);
  const { endpoint, swarm } = stage;
  endpoint.step({ type: "link", link: "silent", maxDatagram: 65_536 }, 0, true);
  endpoint.step({ type: "open", link: "silent", swarm: swarm.key }, 0, true);
  const wakes: number[] = [];
  const settle = (now: number): void => {
    for (const output of endpoint.step({ type: "settle" }, now)) if (output.type === "wake") wakes.push(output.at);
  };
  settle(0);
  for (let i = 0; i < 3; i++) {
    const now = wakes.at(-1)!;
    expect(endpoint.step({ type: "timeout" }, now, true).some(({ type }) => type === "wake")).toBe(false);
    settle(now);
  }
  // HANDSHAKE again and again, each time after twice the wait.
  expect(wakes).toEqual([1_000, 2_000 + 1_000, 3_000 + 4_000, 7_000 + 8_000]);
});

test("channels that we close and open again on one link do not pile up", () => {
  const stage = new Stage(content).hold();
  const puppet = new Puppet(stage).open();
  const first = puppet.remote;
  for (let chunk = 0; chunk < 6; chunk++) {
    stage.step({ type: "forget", swarm: stage.swarm.key, chunks: [{ start: chunk, end: chunk }] });
    const [handshake] = only(puppet.received(), "HANDSHAKE").filter(({ channel }) => channel !== 0);
    puppet.remote = handshake!.channel;
    puppet.send({ type: "HANDSHAKE", channel: ++puppet.channel, options: puppet.options() });
    puppet.received();
  }
  // A channel that is remembered is closed once more; one that is forgotten is nobody's.
  puppet.sendTo(first, { type: "REQUEST", chunks: { start: 7, end: 7 } });
  expect(puppet.received()).toEqual([]);
});

test("over UDP a peer that has nothing to say is not taken for dead while we announce what we get", () => {
  const film = makeContent(400 * 1_024, 1_024, seeded(1));
  const net = new Simulator(1, { delay: 10, jitter: 1, loss: 0, duplication: 0, uplink: Infinity });
  const options = { ...film.options, settings: UDP_SETTINGS };
  const [busy, quiet] = [net.join("busy", options), net.join("quiet", options)];
  for (const peer of [busy, quiet]) peer.seed(film);
  const swarm = busy.swarm.key;
  busy.step({ type: "forget", swarm, chunks: [{ start: 0, end: 399 }] });
  quiet.step({ type: "forget", swarm, chunks: [{ start: 399, end: 399 }] });
  net.connect(busy, quiet);
  for (let i = 0; i < 150; i++)
    net.at(1_000 + 200 * i, () => busy.step({ type: "have", swarm, chunks: { start: 2 * i, end: 2 * i } }));
  net.run(() => false, 32_000);
  expect(busy.outputs.filter(({ type }) => type === "closed")).toEqual([]);
});
