import { createSocket } from "node:dgram";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { decodeDatagram } from "../../src/core/codec/datagram.ts";
import {
  ChunkAddressing,
  HashCode,
  MessageType,
  type Handshake,
  type PexResV4,
} from "../../src/core/codec/messages.ts";
import { formatAddress, type UdpAddress } from "../../src/node/udp/address.ts";
import { UdpHost } from "../../src/node/udp/host.ts";
import { FEW_INTRODUCED, FORGET_MS, Introductions, MAX_INTRODUCED } from "../../src/node/udp/introductions.ts";
import { hostOf, octetsOf } from "../../src/node/udp/octets.ts";
import { readChoker } from "../../src/node/udp/policies.ts";
import { MAX_ADDRESSES, UdpSocket } from "../../src/node/udp/socket.ts";
import { capture, expectRefusal } from "../node/command.ts";
import { folder } from "../node/hls.ts";
import { content, hasIPv6, holds, startSeeder } from "./peers.ts";

const hosts = new Set<UdpHost>();
afterEach(async () => {
  await Promise.all([...hosts].map((host) => host.close()));
  hosts.clear();
});

/** A peer that holds nothing and wants nothing, but knows others. */
async function startIdle(swarm: string, peers: readonly UdpAddress[], udp = { host: "127.0.0.1", port: 0 }) {
  const socket = await UdpSocket.bind(udp);
  const host = new UdpHost({
    swarm: {
      metadata: {
        id: Uint8Array.from(Buffer.from(swarm, "hex")),
        chunkSize: 1024,
        variableSize: false,
        addressing: ChunkAddressing.chunk32,
        hash: HashCode.sha256,
      },
    },
    socket,
    store: { get: () => undefined, put: () => undefined },
    news: () => undefined,
    failed: () => undefined,
  });
  hosts.add(host);
  for (const peer of peers) host.connect(peer);
  await expect.poll(() => established(host).length).toBe(peers.length);
  return { host, socket };
}

const established = (host: UdpHost): string[] =>
  [...host.swarm.connections].filter(({ state }) => state === "established").map(({ link }) => link);

describe("PEX over UDP", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "::1"],
    ["::", "127.0.0.1"],
  ])("ppsp get finds the seeder through the one peer that it knows, at %s", async (idle, seeding) => {
    if (idle.includes(":") && !(await hasIPv6())) return;
    const bytes = content(300_000);
    const { swarm, socket } = await startSeeder(bytes, { udp: { host: seeding, port: 0 } });
    const between = await startIdle(swarm, [socket.address], { host: idle, port: 0 });
    const peer = formatAddress({ ...between.socket.address, host: idle === "::" ? "127.0.0.1" : idle });
    const out = join(folder(), "out");
    const outcome = await capture(["get", swarm, "--peer", peer, "--out", out, "--timeout", "15"]);
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(holds(out, bytes)).toBe(true);
    expect(between.host.swarm.have.size).toBe(0);
  });

  it("a peer that was told of itself, and of addresses that it cannot reach, stays as it is", async () => {
    const seeder = await startSeeder(content(5000));
    const { host, socket } = await startIdle(seeder.swarm, [seeder.socket.address]);
    for (const [at, port] of [
      ["127.0.0.1", socket.address.port],
      ["::1", 4000],
      ["127.0.0.1", 0],
    ] as const)
      expect(socket.reaches({ host: at, port })).toBe(false);
    expect(socket.reaches(seeder.socket.address)).toBe(true);
    expect(established(host)).toHaveLength(1);
  });
});

describe("whom a peer contacts on hearsay", () => {
  it("RFC 7574 §3.10.1 MUST: some connections go to peers from a trusted source, never all to those from PEX", () => {
    const introductions = new Introductions();
    const admitted = (links: number): number => {
      let count = 0;
      while (introductions.admit(`${introductions.size}`, links + introductions.size, 0)) count++;
      return count;
    };
    // With one named peer a few, later as many as there are others, and never more than 16.
    expect(admitted(1)).toBe(FEW_INTRODUCED);
    expect(admitted(10)).toBe(10 - FEW_INTRODUCED);
    expect(admitted(1_000)).toBe(MAX_INTRODUCED - 10);
  });

  it("leaves an address alone for five minutes after its channel ended, whoever tells it", () => {
    const introductions = new Introductions();
    expect(introductions.admit("victim", 1, 0)).toBe(true);
    introductions.ended("victim", 1_000);
    expect(introductions.admit("victim", 1, 1_000 + FORGET_MS - 1)).toBe(false);
    expect(introductions.admit("victim", 1, 1_000 + FORGET_MS)).toBe(true);
    introductions.ended("somebody else", 0);
    expect(introductions.size).toBe(1);
  });

  it("RFC 7574 §13.2.1: a peer that names victims in each answer sends each of them a few datagrams, once", async () => {
    const victim = createSocket("udp4");
    victim.bind(0, "127.0.0.1");
    await once(victim, "listening");
    let received = 0;
    victim.on("message", () => received++);
    const bytes = content(50_000);
    const seeder = await startSeeder(bytes);
    const { host } = await startIdle(seeder.swarm, [seeder.socket.address]);
    const { address, port } = { ...victim.address(), address: octetsOf("127.0.0.1") };
    const [liar] = host.swarm.connections;
    // The core would have let it pass if it had been asked for.
    const rumour: PexResV4 = { type: "PEX_RESv4", address, port };
    host.swarm.want({ start: 0, end: 5 }, Infinity);
    host.step({ type: "timeout" });
    for (let i = 0; i < 100; i++) host.swarm.take(liar!, rumour, performance.now());
    host.step({ type: "timeout" });
    await expect.poll(() => received).toBe(2);
    await expect.poll(() => established(host).length + [...host.swarm.connections].length, { timeout: 8_000 }).toBe(2);
    expect(received).toBe(2);
    victim.close();
  });

  it("RFC 7574 §13.6.1 HS.1: strangers at all addresses that a socket hears leave room for peers of our own choice", async () => {
    const socket = await UdpSocket.bind({ host: "127.0.0.1", port: 0 });
    let strangers = 0;
    socket.onStranger = () => strangers++;
    for (let port = 1; port <= MAX_ADDRESSES; port++) socket.link({ host: "192.0.2.1", port });
    const stranger = createSocket("udp4");
    stranger.bind(0, "127.0.0.1");
    await once(stranger, "listening");
    const chosen = socket.link({ host: "127.0.0.1", port: stranger.address().port });
    const heard = new Promise((resolve) => (chosen.onDatagram = resolve));
    const full = createSocket("udp4");
    full.send(new Uint8Array(4), socket.address.port, "127.0.0.1");
    await once(full, "listening");
    stranger.send(new Uint8Array(4), socket.address.port, "127.0.0.1");
    expect(await heard).toHaveLength(4);
    expect(strangers).toBe(0);
    for (const each of [stranger, full]) each.close();
    await socket.close();
  });
});

describe("octets of an IP address", () => {
  it.each([
    ["192.0.2.1", "c0000201"],
    ["::", "00".repeat(16)],
    ["::1", `${"00".repeat(15)}01`],
    ["::ffff:192.0.2.1", `${"00".repeat(10)}ffffc0000201`],
    ["2001:db8::1:0:2", "20010db8000000000000000100000002"],
    ["fe80::1%eth0", `fe80${"00".repeat(13)}01`],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["2001:db8::", `20010db8${"00".repeat(12)}`],
  ])("%s", (host, hex) => {
    const octets = octetsOf(host);
    expect(Buffer.from(octets).toString("hex")).toBe(hex);
    expect(octetsOf(hostOf(octets))).toEqual(octets);
  });

  it("are in no other text", () => {
    for (const text of ["localhost", "", "1.2.3", "1:2", ":::"]) expect(() => octetsOf(text)).toThrow(RangeError);
  });
});

describe("the command line", () => {
  it.each([
    [[], true],
    [["--no-pex"], false],
  ])("get %s says so in its HANDSHAKE", async (flags, exchanging) => {
    const peer = createSocket("udp4");
    peer.bind(0, "127.0.0.1");
    await once(peer, "listening");
    const heard = once(peer, "message") as Promise<[Uint8Array]>;
    const id = "ab".repeat(32);
    const to = `127.0.0.1:${peer.address().port}`;
    await capture(["get", id, "--peer", to, "--out", join(folder(), "out"), "--timeout", "0.2", ...flags]);
    const format = { addressing: ChunkAddressing.chunk32, hashSize: 32, signatureSize: 0 };
    const [handshake] = decodeDatagram((await heard)[0], format).messages;
    peer.close();
    expect((handshake as Handshake).options.supportedMessages?.includes(MessageType.PEX_REQ)).toBe(exchanging);
  });

  it("takes a picker, a choker and its slots by name", async () => {
    const bytes = content(30_000);
    const { swarm, socket } = await startSeeder(bytes, {
      policies: { choker: readChoker("reciprocal", "3") },
    });
    const out = join(folder(), "out");
    const args = ["get", swarm, "--peer", formatAddress(socket.address), "--out", out, "--picker", "rarest"];
    expect(await capture([...args, "--timeout", "15"])).toMatchObject({ code: 0 });
    expect(holds(out, bytes)).toBe(true);
    await expectRefusal([...args.slice(0, -1), "best"], /--picker best: knows deadline, rarest/);
    for (const slots of ["0", "1025", "1.5", "many"])
      await expectRefusal(["seed", out, "--slots", slots], /--slots .*: wants 1 to 1024/);
    await expectRefusal(["seed", out, "--choker", "nobody"], /--choker nobody: knows open, reciprocal/);
  });
});
