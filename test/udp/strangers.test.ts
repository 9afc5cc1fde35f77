import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { encodeDatagram } from "../../src/core/codec/datagram.ts";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { handshakeOptions, swarmFormat, type SwarmMetadata } from "../../src/core/connection/metadata.ts";
import type { Link } from "../../src/engine/ports.ts";
import { hostKey, MAX_ADDRESSES_PER_HOST, UdpSocket } from "../../src/node/udp/socket.ts";
import { content, startSeeder } from "./peers.ts";

describe("strangers of one host", () => {
  it("RFC 7574 §13.6.1 HS.1: take only their part of the addresses that a socket hears", async () => {
    const socket = await UdpSocket.bind({ host: "127.0.0.1", port: 0 });
    const links: Link[] = [];
    socket.onStranger = (link) => links.push(link);
    const strangers = Array.from({ length: MAX_ADDRESSES_PER_HOST + 8 }, () => createSocket("udp4"));
    const knock = (stranger: Socket): void => stranger.send(new Uint8Array(4), socket.address.port, "127.0.0.1");
    strangers.forEach(knock);
    await expect.poll(() => links.length).toBe(MAX_ADDRESSES_PER_HOST);
    await expect.poll(() => socket.traffic.received).toBe(4 * strangers.length);
    expect(links).toHaveLength(MAX_ADDRESSES_PER_HOST);
    links[0]!.close();
    const late = createSocket("udp4");
    knock(late);
    await expect.poll(() => links.length).toBe(MAX_ADDRESSES_PER_HOST + 1);
    for (const each of [...strangers, late]) each.close();
    await socket.close();
  });

  it("an IPv6 network is one host, and so is an IPv4 address however it is written", () => {
    expect(hostKey("2001:db8:1:2::5")).toBe(hostKey("2001:db8:1:2:a:b:c:d"));
    expect(hostKey("2001:db8:1:2::5")).not.toBe(hostKey("2001:db8:1:3::5"));
    expect(hostKey("::ffff:192.0.2.1")).toBe(hostKey("192.0.2.1"));
    expect(hostKey("192.0.2.1")).not.toBe(hostKey("192.0.2.2"));
  });

  it("that say HANDSHAKE and nothing more keep their addresses no longer than the handshake may take", async () => {
    const { swarm, socket } = await startSeeder(content(5000));
    const stranger = createSocket("udp4");
    stranger.bind(0, "127.0.0.1");
    await once(stranger, "listening");
    const metadata: SwarmMetadata = {
      id: Uint8Array.from(Buffer.from(swarm, "hex")),
      chunkSize: 1024,
      variableSize: false,
      addressing: ChunkAddressing.chunk32,
      hash: HashCode.sha256,
    };
    const handshake = { type: "HANDSHAKE", channel: 7, options: handshakeOptions(metadata, true, true) } as const;
    const { head } = encodeDatagram({ channel: 0, messages: [handshake] }, swarmFormat(metadata));
    stranger.send(head, socket.address.port, "127.0.0.1");
    const remote = { host: "127.0.0.1", port: stranger.address().port };
    await expect.poll(() => socket.has(remote)).toBe(true);
    await expect.poll(() => socket.has(remote), { timeout: 6_000 }).toBe(false);
    stranger.close();
  });
});
