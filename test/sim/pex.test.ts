import { describe, expect, test } from "vitest";
import { MessageType, type Handshake, type Message } from "../../src/core/codec/messages.ts";
import type { PeerAddress } from "../../src/core/connection/peer-address.ts";
import {
  ALIVE_MS,
  ANSWER_MS,
  ANSWER_WAIT_MS,
  ASK_MS,
  ENOUGH_PEERS,
  MAX_ANSWERS,
  MAX_ASK_MS,
} from "../../src/core/swarm/pex.ts";
import type { SwarmOptions } from "../../src/core/swarm/swarm.ts";
import { octetsOf } from "../../src/node/udp/octets.ts";
import { makeContent, seeded, Simulator, type SimPeer, type Weather } from "./simulator.ts";
import { only, Puppet, Stage } from "./stage.ts";

const WEATHER: Weather = { delay: 10, jitter: 5, loss: 0.02, duplication: 0.01, uplink: 500 };
const content = makeContent(64 * 1_024, 1_024, seeded(1));
const PEX_TYPES = [MessageType.PEX_RESv4, MessageType.PEX_REQ, MessageType.PEX_RESv6];

const at = (host: string, port = 7_000): PeerAddress => ({ address: octetsOf(host), port });

/** A neighbour at an address with an open channel. */
function neighbour(stage: Stage, host: string, port = 7_000): Puppet {
  return new Puppet(stage, `${host} ${port}`, 77, 65_536, at(host, port)).open();
}

/** The addresses that a neighbour is told when it asks now, as texts. */
function told(puppet: Puppet): string[] {
  puppet.received();
  puppet.send({ type: "PEX_REQ" });
  return puppet.received().flatMap((message) => {
    if (message.type === "PEX_RESv4") expect(message.address.length).toBe(4);
    else if (message.type === "PEX_RESv6") expect(message.address.length).toBe(16);
    else return [];
    return [`${message.address.join(".")}:${message.port}`];
  });
}

const shown = (host: string, port = 7_000): string => `${octetsOf(host).join(".")}:${port}`;

/** PEX_RES with an address. */
function res(host: string, port = 7_000): Message {
  const { address } = at(host, port);
  return { type: address.length === 4 ? "PEX_RESv4" : "PEX_RESv6", address, port };
}

/** What the host was told, as texts. */
const rumours = (stage: Stage): string[] =>
  stage.told("peer").map(({ address, port }) => `${address.join(".")}:${port}`);

const seeder = (options: Partial<SwarmOptions> = {}): Stage => new Stage(content, options).hold();

/** A stage that wants the content, with a neighbour that it has just asked. */
function asking(host = "192.0.2.1"): { stage: Stage; puppet: Puppet } {
  const stage = new Stage(content);
  stage.want(0, content.chunks.length - 1);
  const puppet = new Puppet(stage, "asked", 77, 65_536, at(host));
  puppet.begin();
  puppet.send();
  expect(only(puppet.received(), "PEX_REQ")).toHaveLength(1);
  return { stage, puppet };
}

describe("a swarm whose peers know one of them", () => {
  /** Links a peer to whoever it hears of. */
  function follow(net: Simulator, peers: readonly SimPeer[]): void {
    for (const peer of peers) {
      for (const output of peer.outputs.splice(0)) {
        if (output.type !== "peer") continue;
        const other = peers.find(({ address }) => address?.address.join() === output.address.join());
        if (other !== undefined && other !== peer) net.connect(peer, other);
      }
    }
  }

  test.each([1, 2, 3, 4, 5])("B knows only A, finds C through it, and downloads from C (seed %i)", (seed) => {
    const net = new Simulator(seed, WEATHER);
    const [a, b, c] = ["a", "b", "c"].map((id, i) => {
      const peer = net.join(id, content.options);
      peer.address = at(`192.0.2.${i + 1}`);
      return peer;
    }) as [SimPeer, SimPeer, SimPeer];
    c.seed(content);
    b.leech(content.chunks.length);
    net.connect(c, a);
    expect(net.run(() => a.swarm.connection("c")?.state === "established", 10_000)).toBe(true);
    net.connect(b, a);
    const done = net.run(() => {
      follow(net, [a, b, c]);
      return b.store.size === content.chunks.length;
    }, 300_000);
    expect(done).toBe(true);
    // A has nothing and wants nothing: all of it came from C.
    expect(a.store.size).toBe(0);
    content.chunks.forEach((chunk, i) => expect(Buffer.compare(chunk, b.store.get(i)!)).toBe(0));
  });

  test("twenty leechers that know only the seeder end up knowing each other, with few messages", () => {
    const net = new Simulator(7, { ...WEATHER, loss: 0 });
    const peers = Array.from({ length: 21 }, (_, i) => {
      const peer = net.join(`peer${i}`, content.options);
      peer.address = at(`192.0.2.${i + 1}`);
      return peer;
    });
    peers[0]!.seed(content);
    for (const peer of peers.slice(1)) {
      peer.leech(content.chunks.length);
      net.connect(peer, peers[0]!);
    }
    net.run(() => {
      follow(net, peers);
      return peers.every((peer) => peer.store.size === content.chunks.length);
    }, 300_000);
    expect(peers.every((peer) => peer.store.size === content.chunks.length)).toBe(true);
    const neighbours = peers.slice(1).map((peer) => [...peer.swarm.connections].length);
    expect(Math.min(...neighbours)).toBeGreaterThanOrEqual(3);
  });
});

describe("answers to PEX_REQ", () => {
  test("RFC 7574 §3.10.1 MUST: PEX_RES names only peers with whom messages were exchanged in the last 60 s", () => {
    const stage = seeder();
    const silent = neighbour(stage, "192.0.2.1");
    const lively = neighbour(stage, "192.0.2.2");
    const asker = neighbour(stage, "192.0.2.3");
    expect(told(asker)).toEqual([shown("192.0.2.1"), shown("192.0.2.2")]);
    stage.pass(ALIVE_MS - 1_000);
    lively.send();
    stage.pass(1_001);
    expect(told(asker)).toEqual([shown("192.0.2.2")]);
    silent.send();
    stage.pass(ANSWER_MS);
    expect(told(asker)).toEqual([shown("192.0.2.1"), shown("192.0.2.2")]);
  });

  test("name nobody who has not shown that it is there, who has left, or who misbehaved", () => {
    const stage = seeder();
    const asker = neighbour(stage, "192.0.2.9");
    new Puppet(stage, "half open", 5, 65_536, at("192.0.2.1")).begin();
    const gone = neighbour(stage, "192.0.2.2");
    gone.send({ type: "HANDSHAKE", channel: 0, options: {} });
    neighbour(stage, "192.0.2.3").send(...Array.from({ length: 1_025 }, (): Message => ({ type: "UNCHOKE" })));
    stage.step({ type: "link", link: "opening", maxDatagram: 65_536, address: at("192.0.2.4") });
    stage.step({ type: "open", link: "opening", swarm: stage.swarm.key });
    new Puppet(stage, "no address").open();
    expect(told(asker)).toEqual([]);
  });

  test("name neither the asker, by whatever form of its address, nor the same address twice", () => {
    const stage = seeder();
    const asker = neighbour(stage, "::ffff:192.0.2.9");
    neighbour(stage, "192.0.2.9", 7_001);
    new Puppet(stage, "again", 5, 65_536, at("192.0.2.9")).open();
    expect(told(asker)).toEqual([shown("192.0.2.9", 7_001)]);
  });

  test("tell an IPv4-mapped address as IPv4", () => {
    const stage = seeder();
    const asker = neighbour(stage, "2001:db8::9");
    neighbour(stage, "::ffff:192.0.2.1");
    neighbour(stage, "2001:db8::1");
    expect(told(asker)).toEqual([shown("192.0.2.1"), shown("2001:db8::1")]);
  });

  const inside = ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "fd00::1", "fe80::1"];
  const mapped = ["::ffff:10.1.2.4", "64:ff9b::10.1.2.5", "2002:a01:206::1"];

  test("RFC 7574 §8.13 MUST NOT: private and link-local addresses are told only to private and link-local peers", () => {
    const stage = seeder();
    const insiders = [...inside, ...mapped].map((host) => neighbour(stage, host));
    for (const host of ["192.0.2.9", "2001:db8::9", "::ffff:192.0.2.10", "11.0.0.1", "172.32.0.1", "100.128.0.1"]) {
      const names = told(neighbour(stage, host));
      const outside = ["192.0.2.9", "2001:db8::9", "192.0.2.10", "11.0.0.1", "172.32.0.1", "100.128.0.1"];
      expect(outside.filter((other) => names.includes(shown(other)))).toHaveLength(names.length);
    }
    for (const host of inside) {
      const names = new Set<string>();
      const asker = neighbour(stage, host, 8_000);
      for (let i = 0; i < 4; i++) {
        for (const name of told(asker)) names.add(name);
        stage.pass(ANSWER_MS);
        for (const insider of insiders) insider.send();
      }
      expect(inside.filter((other) => names.has(shown(other)))).toEqual(inside);
    }
  });

  test("tell the addresses of this machine only on this machine, and never what is no peer's address", () => {
    const stage = seeder();
    for (const host of ["127.0.0.1", "::1"]) neighbour(stage, host);
    for (const host of ["224.0.0.1", "255.255.255.255", "0.0.0.0", "240.0.0.1", "ff02::1", "::"])
      neighbour(stage, host);
    expect(told(neighbour(stage, "10.0.0.1"))).toEqual([]);
    expect(told(neighbour(stage, "192.0.2.1"))).toEqual([]);
    expect(told(neighbour(stage, "127.0.0.1", 8_000))).toEqual(
      ["127.0.0.1", "::1", "10.0.0.1", "192.0.2.1"].map((host) => shown(host)),
    );
  });

  test("RFC 7574 §13.1.1: an answer stays small, and each names others", () => {
    const stage = seeder();
    for (let i = 0; i < 100; i++) neighbour(stage, `2001:db8::${i + 1}`);
    const asker = neighbour(stage, "2001:db8:1::1");
    const names = new Set<string>();
    for (let i = 0; i < 13; i++) {
      const before = stage.sent.length;
      for (const name of told(asker)) names.add(name);
      const bytes = stage.sent.slice(before).reduce((sum, sent) => sum + sent.bytes, 0);
      expect(bytes).toBeLessThanOrEqual(4 + 19 * MAX_ANSWERS);
      stage.pass(ANSWER_MS);
      for (let j = 0; j < 100; j++) stage.swarm.connection(`2001:db8::${j + 1} 7000`)!.heardAt = stage.now;
    }
    expect(names.size).toBe(100);
  });

  test("RFC 7574 §3.10.1 MUST: PEX_RESv4 and PEX_RESv6 can be kept to benign environments, by switching PEX off", () => {
    const stage = seeder({ pex: undefined });
    const asker = new Puppet(stage, "asker", 5, 65_536, at("192.0.2.1"));
    const answer = asker.begin();
    expect((answer!.messages[0] as Handshake).options.supportedMessages).not.toContain(MessageType.PEX_REQ);
    asker.send();
    neighbour(stage, "192.0.2.2");
    stage.want(0, 5);
    expect(told(asker)).toEqual([]);
    asker.send(res("192.0.2.3"));
    stage.pass(MAX_ASK_MS);
    expect(rumours(stage)).toEqual([]);
    expect(stage.sent.flatMap(({ messages }) => only(messages, "PEX_REQ"))).toEqual([]);
  });
});

describe("the messages that we say we support (RFC 7574 §7.10)", () => {
  const supportedBy = (stage: Stage, address?: PeerAddress): readonly number[] => {
    const answer = new Puppet(stage, "answered", 5, 65_536, address).begin();
    stage.step({ type: "link", link: "opened", maxDatagram: 65_536, ...(address && { address }) });
    stage.step({ type: "open", link: "opened", swarm: stage.swarm.key });
    const lists = [answer, stage.sent.at(-1)].map(
      (sent) => (sent!.messages[0] as Handshake).options.supportedMessages ?? [],
    );
    expect(lists[0]).toEqual(lists[1]);
    return lists[0]!;
  };

  test("hold PEX over a link with an address, and not over one without", () => {
    const pexOf = (list: readonly number[]): number[] => PEX_TYPES.filter((type) => list.includes(type));
    expect(pexOf(supportedBy(seeder(), at("192.0.2.1")))).toEqual(PEX_TYPES);
    expect(pexOf(supportedBy(seeder()))).toEqual([]);
    expect(pexOf(supportedBy(seeder({ pex: undefined }), at("192.0.2.1")))).toEqual([]);
  });

  test("over a link without an address PEX has no effect", () => {
    const stage = new Stage(content);
    stage.want(0, 5);
    neighbour(stage, "192.0.2.1");
    const puppet = new Puppet(stage).open();
    expect(told(puppet)).toEqual([]);
    puppet.send(res("192.0.2.3"));
    expect(rumours(stage)).toEqual([]);
  });

  test("a peer that does not support PEX gets none of its messages, and is not believed either", () => {
    const stage = new Stage(content);
    stage.want(0, 5);
    const rest = [0, 1, 2, 3, 4, 8, 9, 10, 11];
    const puppet = new Puppet(stage, "plain", 5, 65_536, at("192.0.2.1"));
    puppet.begin({ supportedMessages: rest });
    puppet.send(res("192.0.2.3"));
    neighbour(stage, "192.0.2.2");
    puppet.send({ type: "PEX_REQ" });
    stage.pass(MAX_ASK_MS / 4);
    expect(puppet.received().filter(({ type }) => type.startsWith("PEX"))).toEqual([]);
    expect(rumours(stage)).toEqual([]);
    const v4only = new Puppet(stage, "v4", 5, 65_536, at("192.0.2.4")).open({ supportedMessages: [...rest, 5, 6] });
    neighbour(stage, "2001:db8::1");
    neighbour(stage, "192.0.2.5");
    expect(told(v4only)).toContain(shown("192.0.2.5"));
  });
});

describe("asking", () => {
  const asks = (puppet: Puppet): number => only(puppet.received(), "PEX_REQ").length;

  /** When a neighbour is asked within a time, ms since now; it answers by `answer`. */
  function times(stage: Stage, puppet: Puppet, ms: number, answer: () => readonly Message[] = () => []): number[] {
    const started = stage.now;
    const found: number[] = [];
    while (stage.now < started + ms) {
      stage.pass(1_000);
      puppet.send();
      if (asks(puppet) === 0) continue;
      found.push(stage.now - started);
      for (const message of answer()) puppet.send(message);
    }
    return found;
  }

  test("begins when a channel opens, is repeated seldom, and ever more seldom while it brings nothing", () => {
    const { stage, puppet } = asking();
    expect(times(stage, puppet, 1_500_000)).toEqual(
      [1, 3, 7, 15, 31, 47].map((n) => n * ASK_MS).filter((time) => time <= 1_500_000),
    );
  });

  test("goes on at the short interval as long as it brings somebody", () => {
    const { stage, puppet } = asking();
    puppet.send(res("192.0.2.200"));
    let next = 0;
    const found = times(stage, puppet, 10 * ASK_MS, () => [res("192.0.2.99", ++next)]);
    expect(found).toEqual(Array.from({ length: 10 }, (_, i) => (i + 1) * ASK_MS));
  });

  test("happens only while chunks are wanted, and only until there are enough peers", () => {
    const idle = new Stage(content);
    const puppet = new Puppet(idle, "idle", 77, 65_536, at("192.0.2.1")).open();
    idle.pass(ASK_MS);
    expect(asks(puppet)).toBe(0);
    idle.want(0, 5);
    expect(asks(puppet)).toBe(1);

    const stage = new Stage(content);
    const puppets = Array.from({ length: 2 * ENOUGH_PEERS }, (_, i) => neighbour(stage, "192.0.2.1", i + 1));
    stage.want(0, 5);
    stage.pass(ASK_MS);
    expect(puppets.map(asks)).toEqual(puppets.map(() => 0));
    for (const { link } of puppets.slice(5)) stage.step({ type: "unlink", link });
    stage.pass(ASK_MS);
    expect(puppets.slice(0, 5).map(asks)).toEqual([1, 1, 1, 1, 1]);
  });

  test("a complete peer asks nobody", () => {
    const stage = new Stage(content).hold();
    stage.want(0, content.chunks.length - 1);
    const puppet = new Puppet(stage, "peer", 77, 65_536, at("192.0.2.1"));
    puppet.begin();
    puppet.send();
    stage.pass(2 * ASK_MS);
    expect(asks(puppet)).toBe(0);
  });
});

describe("RFC 7574 §13.6.10 PEX_RES:", () => {
  test("RFC 7574 §13.6.10 PEX_RES: an answer to our PEX_REQ tells the host of a peer, with a copy of the address", () => {
    const { stage, puppet } = asking();
    puppet.send(res("192.0.2.7", 7_777), res("2001:db8::7", 7_778), res("::ffff:192.0.2.8", 7_779));
    expect(rumours(stage)).toEqual([shown("192.0.2.7", 7_777), shown("2001:db8::7", 7_778), shown("192.0.2.8", 7_779)]);
    for (const { address } of stage.told("peer")) expect(address.buffer.byteLength).toBe(address.length);
  });

  test("RFC 7574 §13.6.10 PEX_RES: unsolicited ones, which would send us to a victim, are ignored", () => {
    const stage = new Stage(content);
    const puppet = neighbour(stage, "192.0.2.1");
    for (let port = 1; port <= 1_000; port++) puppet.send(res("198.51.100.1", port));
    expect(rumours(stage)).toEqual([]);
    const early = new Puppet(stage, "early", 5, 65_536, at("192.0.2.2"));
    early.begin({}, res("198.51.100.1"));
    expect(rumours(stage)).toEqual([]);
  });

  test("RFC 7574 §13.6.10 PEX_RES: of thousands in answer to one PEX_REQ, a few count, and only for some seconds", () => {
    const { stage, puppet } = asking();
    for (let port = 1; port <= 5_000; port++) puppet.send(res("198.51.100.1", port));
    expect(rumours(stage)).toHaveLength(MAX_ANSWERS);
    const late = asking();
    late.stage.pass(ANSWER_WAIT_MS + 1);
    late.puppet.send(res("198.51.100.1"));
    expect(rumours(late.stage)).toEqual([]);
  });

  test("RFC 7574 §13.6.10 PEX_RES: what cannot be a peer, or is inside our network and told from outside, is ignored", () => {
    const { stage, puppet } = asking("192.0.2.1");
    for (const host of ["10.0.0.1", "127.0.0.1", "::1", "fe80::1", "::ffff:10.0.0.1", "224.0.0.1"])
      puppet.send(res(host));
    puppet.send(res("192.0.2.5", 0), res("192.0.2.1"));
    expect(rumours(stage)).toEqual([]);
    const local = asking("10.0.0.1");
    local.puppet.send(res("10.0.0.2"), res("127.0.0.1"), res("ff02::1"));
    expect(rumours(local.stage)).toEqual([shown("10.0.0.2")]);
  });

  test("RFC 7574 §13.6.10 PEX_REQ: a flood of them is answered once in ten seconds", () => {
    const stage = seeder();
    for (let i = 0; i < 20; i++) neighbour(stage, "192.0.2.1", i + 1);
    const puppet = neighbour(stage, "192.0.2.2");
    const before = stage.sent.length;
    for (let i = 0; i < 1_000; i++) puppet.send(...Array.from({ length: 1_000 }, (): Message => ({ type: "PEX_REQ" })));
    expect(stage.sent.slice(before).flatMap(({ messages }) => messages)).toHaveLength(MAX_ANSWERS);
    expect(stage.swarm.connection(puppet.link)?.state).toBe("established");
    stage.pass(ANSWER_MS);
    expect(told(puppet)).toHaveLength(MAX_ANSWERS);
  });

  test("RFC 7574 §13.6.10 PEX_REScert: has no effect until certificates can be checked", () => {
    const { stage, puppet } = asking();
    puppet.send({ type: "PEX_REScert", certificate: new Uint8Array(100) });
    expect(stage.told("rejected")).toEqual([]);
    expect(rumours(stage)).toEqual([]);
  });
});
