import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { AddressChecks } from "../../src/node/tracker/address-checks.ts";
import { furtherAddresses } from "../../src/tracker/further.ts";
import { MAX_FURTHER } from "../../src/tracker/limits.ts";
import type { ConnectRequest, PeerAddress, TrackerResponse } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { content, startSeeder } from "../udp/peers.ts";
import { opened, tracker } from "./service.ts";
import { eventually } from "./world.ts";

const SWARM = "ab".repeat(32);
const v4 = (ip: string, port: number): PeerAddress => ({ addrType: "ipv4", ip, port });

/** A UDP socket on loopback, and all that it has received. */
async function listen(ip: string): Promise<{ socket: Socket; address: PeerAddress; received: Buffer[] }> {
  const socket = createSocket("udp4");
  socket.bind(0, ip);
  await once(socket, "listening");
  opened.push(() => socket.close());
  const received: Buffer[] = [];
  socket.on("message", (datagram) => received.push(datagram));
  return { socket, address: v4(ip, socket.address().port), received };
}

/** CONNECT of a base-protocol peer; the answer, and the octets of the request. */
async function connect(
  url: string,
  peerId: string,
  swarmId: string,
  addresses: readonly PeerAddress[],
  registration?: ConnectRequest["registration"],
): Promise<{ response: TrackerResponse; octets: number }> {
  const body = xmlCodec.encodeRequest({
    method: "CONNECT",
    transactionId: crypto.randomUUID(),
    peerId,
    addresses,
    actions: [{ swarmId, action: "JOIN", peerMode: "LEECH", transactionId: "1" }],
    ...(registration !== undefined && { registration }),
  });
  const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/xml" }, body });
  return { response: xmlCodec.decodeResponse(await answer.text()), octets: body.length };
}

/** Addresses of a peer as another one is told, as IP:PORT. */
async function told(url: string, peerId: string, swarmId: string): Promise<string[]> {
  const { response } = await connect(url, "asker", swarmId, []);
  const addresses = response.peers?.find((peer) => peer.peerId === peerId)?.addresses ?? [];
  return addresses.map(({ ip, port }) => `${ip}:${port}`);
}

describe("further addresses of a peer", () => {
  test.each([
    ["base protocol", undefined],
    ["token", {}],
  ])(
    "are listed once the peer has answered there over PPSPP, and as long as it states them (%s)",
    async (_, registration) => {
      const { url } = await tracker();
      const { swarm, socket } = await startSeeder(content(5000), { udp: { host: "127.0.0.2", port: 0 } });
      const nobody = await listen("127.0.0.3");
      const own = v4("127.0.0.1", 7000);
      const there = v4("127.0.0.2", socket.address.port);
      const { response } = await connect(url, "seed", swarm, [own, there, nobody.address], registration);
      // Whatever it states, its requests came from one address only.
      expect(response.peers?.map(({ addresses }) => addresses.map(({ ip }) => ip))).toEqual([["127.0.0.1"]]);
      await expect.poll(() => told(url, "seed", swarm)).toEqual(["127.0.0.1:7000", `127.0.0.2:${socket.address.port}`]);
      await eventually(() => nobody.received.length > 0);
      const again = registration && { token: response.registration!.token! };
      await connect(url, "seed", swarm, [own, there], again);
      expect(await told(url, "seed", swarm)).toHaveLength(2);
      await connect(url, "seed", swarm, [own], again);
      expect(await told(url, "seed", swarm)).toEqual(["127.0.0.1:7000"]);
    },
  );

  test("of a relay-only peer are neither asked nor listed", async () => {
    const { url } = await tracker();
    const { address, received } = await listen("127.0.0.2");
    const shown = await listen("127.0.0.3");
    await connect(url, "hidden", SWARM, [v4("127.0.0.1", 1), address], { relayOnly: true });
    await connect(url, "shown", SWARM, [v4("127.0.0.1", 1), shown.address]);
    await eventually(() => shown.received.length > 0);
    expect(received).toEqual([]);
    expect(await told(url, "hidden", SWARM)).toEqual([]);
  });

  test("are not asked where the operator says so", async () => {
    const { url } = await tracker({ parameters: { ADDRESS_CHECKS: "0" } });
    const { swarm, socket } = await startSeeder(content(5000), { udp: { host: "127.0.0.2", port: 0 } });
    const { received } = socket.traffic;
    await connect(url, "seed", swarm, [v4("127.0.0.1", 7000), v4("127.0.0.2", socket.address.port)]);
    expect(await told(url, "seed", swarm)).toEqual(["127.0.0.1:7000"]);
    expect(socket.traffic.received).toBe(received);
  });

  test("are few, each once, none without a port, and none that means something else elsewhere", () => {
    const own = v4("198.51.100.7", 7000);
    const others = ["203.0.113.1", "203.0.113.2", "203.0.113.3"].map((ip) => v4(ip, 1));
    const bad = ["10.0.0.1", "192.168.0.1", "169.254.1.1", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"];
    const stated = [own, v4("198.51.100.7", 0), ...bad.map((ip) => v4(ip, 53)), others[0]!, ...others];
    expect(furtherAddresses(stated, own).map(({ ip }) => ip)).toEqual(["203.0.113.1", "203.0.113.2"]);
    expect(MAX_FURTHER).toBe(2);
    const mapped = { addrType: "ipv6", ip: "::ffff:192.168.0.1", port: 53 } as const;
    expect(furtherAddresses([mapped], own)).toEqual([]);
    expect(furtherAddresses([v4("192.168.0.9", 1)], v4("192.168.0.2", 1))).toHaveLength(1);
  });
});

describe("the check of an address", () => {
  const running: AddressChecks[] = [];
  afterEach(() => {
    for (const checks of running.splice(0)) checks.close();
  });
  const start = (rate = 1000): AddressChecks => {
    const checks = new AddressChecks(rate);
    running.push(checks);
    return checks;
  };

  /** Runs one to its end; whether the peer answered. */
  async function check(swarmId: string, address: PeerAddress, checks = start()): Promise<boolean> {
    let answered = false;
    checks.check({ swarmId, source: "127.0.0.1", address }, () => (answered = true));
    expect(checks.size).toBe(1);
    await eventually(() => checks.size === 0);
    return answered;
  }

  test.each(Object.entries(ChunkAddressing))(
    "finds a peer whose swarm names its chunks by %s",
    async (_, addressing) => {
      const { swarm, socket } = await startSeeder(content(5000), { addressing });
      expect(await check(swarm, v4("127.0.0.1", socket.address.port))).toBe(true);
    },
  );

  test.each(Object.entries(HashCode))("finds a peer whose swarm has %s hashes", async (_, hash) => {
    const { swarm, socket } = await startSeeder(content(5000), { hash });
    expect(await check(swarm, v4("127.0.0.1", socket.address.port))).toBe(true);
  });

  test("fails at a peer of another swarm", async () => {
    const { socket } = await startSeeder(content(5000));
    expect(await check(SWARM, v4("127.0.0.1", socket.address.port))).toBe(false);
  });

  test("fails where nobody answers, after two datagrams that are no longer than what asked for them", async () => {
    const { url } = await tracker();
    const { address, received } = await listen("127.0.0.2");
    expect(await check(SWARM, address)).toBe(false);
    expect(received).toHaveLength(2);
    expect(received[1]).toEqual(received[0]);
    const { octets } = await connect(url, "peer", SWARM, [v4("127.0.0.1", 1), address]);
    expect(MAX_FURTHER * (received[0]!.length + received[1]!.length)).toBeLessThan(octets);
  });

  test.each([
    ["what it was sent", (datagram: Buffer) => datagram],
    ["nothing", () => Buffer.alloc(0)],
    ["the nonce and no HANDSHAKE", (datagram: Buffer) => datagram.subarray(5, 9)],
    ["the nonce and noise", (datagram: Buffer) => Buffer.concat([datagram.subarray(5, 9), Buffer.alloc(500, 0xee)])],
  ])("fails where somebody answers %s", async (_, answer) => {
    const { socket, address } = await listen("127.0.0.2");
    socket.on("message", (datagram, { port, address: ip }) => socket.send(answer(datagram), port, ip));
    expect(await check(SWARM, address)).toBe(false);
  });

  test("is lost by whoever guesses the nonce, and counts no answer from elsewhere", async () => {
    const { socket, address } = await listen("127.0.0.2");
    const other = await listen("127.0.0.2");
    socket.on("message", (datagram, { port, address: ip }) => {
      const nonce = datagram.readUInt32BE(5);
      const answer = (channel: number): Buffer =>
        Buffer.from(`${channel.toString(16).padStart(8, "0")}00000000010001ff`, "hex");
      other.socket.send(answer(nonce), port, ip);
      for (let guess = 1; guess <= 9; guess += 1) socket.send(answer((nonce ^ guess) >>> 0), port, ip);
      socket.send(answer(nonce), port, ip);
    });
    expect(await check(SWARM, address)).toBe(false);
    expect(other.received).toEqual([]);
  });

  test("takes the right nonce for an answer, and closes the channel that it opened", async () => {
    const { socket, address, received } = await listen("127.0.0.2");
    socket.on("message", (datagram, { port, address: ip }) => {
      const answer = Buffer.from(`${datagram.subarray(5, 9).toString("hex")}00a1b2c3d40001ff`, "hex");
      if (datagram.readUInt32BE(0) === 0) socket.send(answer, port, ip);
    });
    expect(await check(SWARM, address)).toBe(true);
    await eventually(() => received.length === 2);
    expect(received[1]!.toString("hex")).toBe("a1b2c3d40000000000ff");
  });

  test("is not repeated for whoever asks again and again, nor in a swarm that has no root hash", async () => {
    const checks = start();
    const { address, received } = await listen("127.0.0.2");
    for (let port = 1; port <= 200; port += 1) {
      const to = v4("127.0.0.2", port === 1 ? address.port : port);
      checks.check({ swarmId: SWARM, source: "198.51.100.1", address: to }, () => undefined);
    }
    expect(checks.size).toBe(20);
    // Nor when others ask for the same target.
    checks.check({ swarmId: SWARM, source: "203.0.113.1", address: v4("127.0.0.2", 500) }, () => undefined);
    expect(checks.size).toBe(20);
    const strange = { addrType: "ipv6", ip: "1::2::3", port: 500 } as const;
    checks.check({ swarmId: SWARM, source: "203.0.113.1", address: strange }, () => undefined);
    checks.check({ swarmId: "3333", source: "203.0.113.1", address: v4("127.0.0.3", 500) }, () => undefined);
    expect(checks.size).toBe(20);
    await eventually(() => checks.size === 0);
    expect(received).toHaveLength(2);
  });

  test("runs as often as the operator allows", () => {
    const checks = start(3);
    for (let host = 1; host <= 20; host += 1) {
      checks.check({ swarmId: SWARM, source: `127.0.1.${host}`, address: v4(`127.0.2.${host}`, 9) }, () => undefined);
    }
    expect(checks.size).toBe(3);
  });
});
