import { describe, expect, test } from "vitest";
import { jsonCodec } from "../../src/tracker/json/codec.ts";
import type { ConnectRequest, PeerInfo, TrackerResponse } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { client, tracker } from "./service.ts";
import { eventually } from "./world.ts";

const CODECS = { xml: xmlCodec, json: jsonCodec };
const RELAYED = "candidate:1 1 udp 7 203.0.113.9 50000 typ relay raddr 0.0.0.0 rport 0";
const HOST = "candidate:1 1 udp 7 198.51.100.7 50000 typ host";

function connect(peerId: string, registration?: ConnectRequest["registration"]): ConnectRequest {
  return {
    method: "CONNECT",
    transactionId: crypto.randomUUID(),
    peerId,
    addresses: [],
    actions: [{ swarmId: "abcdef", action: "JOIN", peerMode: "LEECH", transactionId: "1" }],
    ...(registration !== undefined && { registration }),
  };
}

async function ask(url: string, request: ConnectRequest, encoding: keyof typeof CODECS): Promise<TrackerResponse> {
  const codec = CODECS[encoding];
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": codec.contentType },
    body: codec.encodeRequest(request),
  });
  return codec.decodeResponse(await response.text());
}

const others = (response: TrackerResponse): readonly PeerInfo[] =>
  response.peers?.filter(({ swarmId }) => swarmId !== undefined) ?? [];

describe.each(["xml", "json"] as const)("a relay-only registration in %s", (encoding) => {
  test("is listed without an address from the first moment on, and with one again when it no longer asks for that", async () => {
    const { url } = await tracker();
    const { registration } = await ask(url, connect("a", { relayOnly: true }), encoding);
    for (const asker of [connect("base"), connect("member", {})]) {
      const peers = others(await ask(url, asker, encoding));
      expect(peers.find(({ peerId }) => peerId === "a")?.addresses).toEqual([]);
    }
    await ask(url, connect("a", { token: registration!.token! }), encoding);
    const peers = others(await ask(url, connect("other"), encoding));
    expect(peers.find(({ peerId }) => peerId === "a")?.addresses).toHaveLength(1);
  });
});

describe("signals of a relay-only member", () => {
  const signal = (text: string) => ({
    type: "candidate",
    attempt: "5e1c09b2",
    candidate: { candidate: text, sdpMid: "0", sdpMLineIndex: 0 },
  });
  const refused = [
    HOST,
    HOST.replace("host", "srflx raddr 192.168.0.2 rport 1"),
    RELAYED.replace("raddr 0.0.0.0", "raddr 198.51.100.7"),
  ];

  test.each([
    ["a socket", undefined],
    [
      "polls",
      () => {
        throw new Error("no sockets here");
      },
    ],
  ])("through %s: relayed candidates travel, own addresses do not", async (_, openSocket) => {
    const { url } = await tracker();
    const a = client(url, "a", { relayOnly: true, ...(openSocket && { openSocket }) });
    await a.reaches("open");
    const b = client(url, "b");
    await b.reaches("open");
    for (const text of refused) a.client.signal("b", signal(text));
    a.client.signal("b", { type: "offer", attempt: "5e1c09b2", sdp: `v=0\r\na=${HOST}\r\n` });
    a.client.signal("b", signal(RELAYED));
    await eventually(() => b.signals.length > 0 && a.gone.length >= 4);
    expect(b.signals).toEqual([["a", signal(RELAYED)]]);
    expect(a.gone).toEqual(["b", "b", "b", "b"]);
    // Whoever hides nothing may say where it is.
    b.client.signal("a", signal(HOST));
    await eventually(() => a.signals.length > 0);
    expect(a.signals).toEqual([["b", signal(HOST)]]);
  });
});
