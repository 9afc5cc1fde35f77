import { expect, test } from "vitest";
import { encodeDatagram } from "../../src/core/codec/datagram.ts";
import { Endpoint, type Input } from "../../src/core/swarm/endpoint.ts";
import { digest, join, makeContent, seeded } from "./simulator.ts";
import { Puppet, Stage } from "./stage.ts";

test("two swarms share one link, each on a channel of its own (RFC 7574 §3.11)", () => {
  const contents = [1, 2].map((seed) => makeContent(50_000, 1_024, seeded(seed)));
  let channel = 0;
  const peers = [0, 1].map(() => new Endpoint({ random32: () => ++channel, epochMicros: 0n }));
  const swarms = peers.map((peer) => contents.map(({ options }) => peer.add(options)));
  const got = contents.map(() => new Map<number, Uint8Array>());
  const inbox: (() => void)[] = [];
  const channels = new Set<number>();
  const step = (who: number, input: Input): void => {
    for (const output of peers[who]!.step(input, 0)) {
      const which = "swarm" in output ? swarms[who]!.findIndex(({ key }) => key === output.swarm) : -1;
      if (output.type === "transmit") {
        const data = join(output.head, output.payload);
        if (output.payload !== undefined) channels.add(new DataView(data.buffer, data.byteOffset).getUint32(0));
        inbox.push(() => step(1 - who, { type: "datagram", link: "peer", data }));
      } else if (output.type === "digest") {
        const { swarm, token, data } = output;
        inbox.push(() => step(who, { type: "digested", swarm, token, hash: digest(2, data) }));
      } else if (output.type === "read") {
        const { swarm, token, chunk } = output;
        inbox.push(() => step(who, { type: "read", swarm, token, data: contents[which]!.chunks[chunk] }));
      } else if (output.type === "verified") {
        got[which]!.set(output.chunk, output.data);
      }
    }
  };
  for (const who of [0, 1]) step(who, { type: "link", link: "peer", maxDatagram: 65_536 });
  contents.forEach(({ tree, chunks }, i) => {
    const { verifier, key } = swarms[0]![i]!;
    verifier.verifyPeaks(tree.peaks());
    verifier.verifyLeaves(
      0,
      chunks.map((_, chunk) => tree.get(2 * chunk)!),
    );
    const all = { start: 0, end: chunks.length - 1 };
    step(0, { type: "have", swarm: key, chunks: all });
    step(1, { type: "want", swarm: key, chunks: all, deadline: Infinity });
    step(1, { type: "open", link: "peer", swarm: key });
  });
  for (let next = inbox.shift(); next !== undefined; next = inbox.shift()) next();
  contents.forEach(({ chunks }, i) => {
    expect(got[i]!.size).toBe(chunks.length);
    chunks.forEach((chunk, at) => expect(Buffer.compare(chunk, got[i]!.get(at)!)).toBe(0));
  });
  expect(channels.size).toBe(2);
});

test("a peer that is sent to itself does not talk to itself", () => {
  const stage = new Stage(makeContent(5_000, 1_024, seeded(1)));
  stage.step({ type: "link", link: "mirror", maxDatagram: 65_536 });
  let reflected = 0;
  const reflect = (): void => {
    for (const { channel, messages } of stage.sent.slice(reflected)) {
      reflected++;
      const { head } = encodeDatagram({ channel, messages }, stage.swarm.format);
      stage.step({ type: "datagram", link: "mirror", data: head });
    }
  };
  stage.step({ type: "open", link: "mirror", swarm: stage.swarm.key });
  for (let i = 0; i < 20; i++) {
    reflect();
    stage.pass(1_000);
  }
  expect(reflected).toBe(4);
  expect(stage.told("opened")).toEqual([]);
  expect(stage.told("closed")).toMatchObject([{ reason: "no-answer" }]);
});

test.each([
  ["over few links", 9, 31],
  ["over many links", 400, 1],
])("RFC 7574 §13.6.1 HS.1: whoever opens channels without end, %s, keeps no newcomer out", (_, links, each) => {
  const stage = new Stage(makeContent(5_000, 1_024, seeded(1))).hold();
  const first = new Puppet(stage, "first").open();
  for (let link = 0; link < links; link++) {
    const bad = new Puppet(stage, `bad${link}`);
    for (bad.channel = 1; bad.channel <= each; bad.channel++) bad.begin();
  }
  const newcomer = new Puppet(stage, "newcomer").open();
  for (const puppet of [first, newcomer]) {
    puppet.ask(0);
    expect(puppet.received().map(({ type }) => type)).toContain("DATA");
  }
  expect([...stage.swarm.connections].length).toBeLessThanOrEqual(258);
});
