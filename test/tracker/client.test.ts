import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { jsonCodec } from "../../src/tracker/json/codec.ts";
import type { StatReport, TrackerRequest } from "../../src/tracker/messages.ts";
import { PING, PONG } from "../../src/tracker/signal.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { validate } from "./schema.ts";
import { eventually, runTracker, TestClient } from "./world.ts";

/** What a test has opened; closed after it, last first. */
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function tracker(options: Parameters<typeof runTracker>[0] = {}): ReturnType<typeof runTracker> {
  const running = await runTracker(options);
  open.push(() => running.close());
  return running;
}

function client(...options: ConstructorParameters<typeof TestClient>): TestClient {
  const made = new TestClient(...options);
  open.push(() => made.client.leave());
  return made;
}

/** A server that answers whatever it is told to. */
async function impostor(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  open.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describe("a tracker client at a tracker in workerd", () => {
  test("two peers meet and signal each other in both directions", async () => {
    const { url } = await tracker();
    const first = client(url, "first");
    await first.reaches("open");
    expect(first.peers).toEqual([[]]);
    const second = client(url, "second");
    await second.reaches("open");
    expect(second.peers).toEqual([["first"]]);
    expect(second.client.signal("first", { sdp: "offer" })).toBe(true);
    await eventually(() => first.signals.length === 1);
    expect(first.signals).toEqual([["second", { sdp: "offer" }]]);
    first.client.signal("second", "answer");
    await eventually(() => second.signals.length === 1);
    expect(second.signals).toEqual([["first", "answer"]]);
    expect([...first.warnings, ...second.warnings]).toEqual([]);
  });

  test("a client that speaks XML and one that speaks JSON meet", async () => {
    const { url } = await tracker();
    const first = client(url, "first", { encoding: "xml" });
    await first.reaches("open");
    const second = client(url, "second");
    await second.reaches("open");
    expect(second.peers).toEqual([["first"]]);
    expect([first.sizes, second.sizes]).toEqual([[1], [2]]);
  });

  test.each(["sockets", "polls"] as const)("members in XML and in JSON signal each other over %s", async (way) => {
    const { url } = await tracker();
    const passed: string[] = [];
    const types = new Set<string | null>();
    const first = client(url, "first", {
      encoding: "xml",
      // Validates all that this member sends and gets.
      openSocket: (address, protocols) => {
        const socket = new WebSocket(way === "polls" ? "ws://127.0.0.1:1/" : address, protocols);
        socket.on("message", (data: Buffer) => passed.push(data.toString()));
        const send = socket.send.bind(socket);
        socket.send = (text: string) => {
          passed.push(text);
          send(text);
        };
        return socket as unknown as globalThis.WebSocket;
      },
      fetch: async (address, init) => {
        passed.push(init.body as string);
        const response = await fetch(address, init);
        const text = await response.text();
        types.add(response.headers.get("Content-Type"));
        passed.push(text);
        return new Response(text, response);
      },
    });
    await first.reaches("open");
    const second = client(url, "second");
    await second.reaches("open");
    expect(second.peers).toEqual([["first"]]);
    const payload = { type: "offer", sdp: "v=0\r\na=<&>\ufffe]]>" };
    second.client.signal("first", payload);
    await eventually(() => first.signals.length === 1);
    expect(first.signals).toEqual([["second", payload]]);
    first.client.signal("second", payload);
    first.client.signal("nobody", 1);
    await eventually(() => second.signals.length === 1 && first.gone.length === 1);
    expect(second.signals).toEqual([["first", payload]]);
    expect(first.gone).toEqual(["nobody"]);
    const messages = passed.filter((text) => text !== PING && text !== PONG);
    expect(messages.filter((text) => text.includes("tracker:signalling:1")).length).toBeGreaterThanOrEqual(5);
    messages.forEach(validate);
    expect([...types]).toEqual(["application/xml; charset=utf-8"]);
  });

  test("a peer that asks for more is told of those who came later, and how many there are", async () => {
    const { url } = await tracker();
    const first = client(url, "first");
    await first.reaches("open");
    const second = client(url, "second");
    await second.reaches("open");
    first.client.refresh();
    await eventually(() => first.peers.length === 2);
    expect(first.peers).toEqual([[], ["second"]]);
    expect(first.sizes.at(-1)).toBe(2);
  });

  test("where no WebSocket opens, polling relays in both directions, and to a peer with a socket", async () => {
    const { url } = await tracker();
    const blocked = { openSocket: () => new WebSocket("ws://127.0.0.1:1/") as unknown as globalThis.WebSocket };
    const first = client(url, "first", blocked);
    await first.reaches("open");
    const second = client(url, "second", blocked);
    await second.reaches("open");
    const third = client(url, "third");
    await third.reaches("open");
    expect(second.peers).toEqual([["first"]]);
    expect(third.peers[0]?.toSorted()).toEqual(["first", "second"]);
    second.client.signal("first", { sdp: "offer" });
    second.client.signal("nobody", 1);
    third.client.signal("second", "from a socket");
    await eventually(() => first.signals.length > 0 && second.signals.length > 0 && second.gone.length > 0);
    expect(first.signals).toEqual([["second", { sdp: "offer" }]]);
    expect(second.signals).toEqual([["third", "from a socket"]]);
    expect(second.gone).toEqual(["nobody"]);
    first.client.signal("third", "to a socket");
    await eventually(() => third.signals.length > 0);
    expect(third.signals).toEqual([["first", "to a socket"]]);
    expect([...first.states, ...first.warnings]).toEqual(["connecting", "open"]);
    first.client.leave();
    await eventually(() => {
      second.client.signal("first", "still there?");
      return second.gone.includes("first");
    });
  });

  test("a peer that polls joins the tracker again when it has been restarted", async () => {
    const running = await tracker();
    const blocked = { openSocket: () => new WebSocket("ws://127.0.0.1:1/") as unknown as globalThis.WebSocket };
    const peer = client(running.url, "peer", blocked);
    await peer.reaches("open");
    await running.close();
    await peer.reaches("offline");
    await tracker({ port: running.port });
    await peer.reaches("open", 2);
    expect(peer.warnings).toHaveLength(1);
  });

  test("reports tell of the peer itself, and the chunks it holds only when they have changed", async () => {
    const { url } = await tracker({ trackTimer: 3 });
    const sent: StatReport[] = [];
    let held = [{ start: 0, end: 9 }];
    const recorder = client(url, "peer", {
      fetch: (address, init) => {
        const request = jsonCodec.decodeRequest(init.body as string);
        if (request.method === "STAT_REPORT") sent.push(request);
        return fetch(address, init);
      },
      report: () => ({ held, position: 4, nat: "STUN", access: "wifi", power: "mains" }),
    });
    await eventually(() => sent.length >= 2);
    held = [{ start: 0, end: 19 }];
    await eventually(() => sent.length >= 4);
    const maps = sent.map(({ properties }) => properties?.contentMap);
    expect(maps[0]).toEqual([{ swarmId: "abcdef", ranges: [[0, 9]] }]);
    expect(maps.filter((map) => map !== undefined)).toHaveLength(2);
    expect(sent[0]?.properties).toMatchObject({ nat: "STUN", access: "wifi", power: "mains" });
    expect(sent.at(-1)?.properties?.onlineTime).toBeGreaterThan(0);
    expect(recorder.warnings).toEqual([]);
  });

  test("a peer that left is no longer listed, and signals to it come back as gone", async () => {
    const { url } = await tracker();
    const first = client(url, "first");
    await first.reaches("open");
    const second = client(url, "second");
    await second.reaches("open");
    first.client.leave();
    await eventually(() => {
      second.client.signal("first", "still there?");
      return second.gone.length > 0;
    });
    const third = client(url, "third");
    await third.reaches("open");
    expect(third.peers).toEqual([["second"]]);
    expect(first.client.signal("second", "no")).toBe(false);
  });

  test("when the tracker dies, the client says so once, keeps trying, and joins the next one", async () => {
    const running = await tracker();
    const peer = client(running.url, "peer");
    await peer.reaches("open");
    await running.close();
    await peer.reaches("offline");
    expect(peer.client.signal("other", 1)).toBe(false);
    await tracker({ port: running.port });
    await peer.reaches("open", 2);
    expect(peer.states).toEqual(["connecting", "open", "connecting", "offline", "open"]);
    expect(peer.warnings).toHaveLength(1);
    expect(peer.peers).toEqual([[], []]);
  });

  test("who is refused for a while, for its access token perhaps, has its registration back at once", async () => {
    const { url } = await tracker();
    let refused = 0;
    let refuses = false;
    const peer = client(url, "a", {
      fetch: async (address, init) => {
        if (!refuses) return fetch(address, init);
        refused += 1;
        return new Response(null, { status: 401 });
      },
    });
    await peer.reaches("open");
    refuses = true;
    peer.client.reconnect();
    await eventually(() => refused >= 4, "refusals");
    refuses = false;
    await peer.reaches("open", 2);
  });

  test("a tracker that does not serve the swarm is asked once only (PPSP-TP T76 SHOULD NOT)", async () => {
    const { url } = await tracker({ open: false, swarms: ["aa"] });
    const peer = client(url, "peer");
    await peer.reaches("offline");
    expect(peer.warnings).toEqual([expect.stringContaining("does not serve this video (Swarm not served here)")]);
  });

  test("PPSP-TP T3 MUST: STAT_REPORT is sent periodically, more often than the track timer", async () => {
    const { url } = await tracker({ trackTimer: 3 });
    const peer = client(url, "peer");
    // One of them is for CONNECT.
    await eventually(() => peer.reports >= 4);
    expect(peer.states).toEqual(["connecting", "open"]);
  });
});

describe("a peer with an address of its own, in the base protocol", () => {
  const addresses = [{ addrType: "ipv4", ip: "127.0.0.1", port: 4000, peerProtocol: "PPSP-PP" }] as const;

  test("is listed with its port, without token and socket, to a peer of the same kind", async () => {
    const { url } = await tracker();
    const seed = client(url, "seed", { addresses, mode: "SEED", peerNum: 0, encoding: "xml" });
    await seed.reaches("open");
    const lists: unknown[] = [];
    const events = { ...SILENT, listed: (peers: unknown) => lists.push(peers) };
    client(url, "leech", { addresses, events });
    await eventually(() => lists.length > 0);
    expect(lists[0]).toMatchObject([{ peerId: "seed", addresses: [{ ip: "127.0.0.1", port: 4000 }] }]);
    expect(seed.peers).toEqual([[]]);
  });

  test("a seeder whose first registration nobody confirmed joins, though Table 8 throws out who joins twice", async () => {
    const { url } = await tracker();
    let lost = 2;
    const seed = client(url, "seed", {
      addresses,
      mode: "SEED",
      fetch: async (address, init) => {
        const response = await fetch(address, init);
        if (lost-- > 0) throw new TypeError("the answer got lost");
        return response;
      },
    });
    await seed.reaches("open");
    const other = client(url, "other", { addresses });
    await other.reaches("open");
    expect(other.peers).toEqual([["seed"]]);
  });

  test("reports on its track timer, the last time before it leaves", async () => {
    const { url } = await tracker({ trackTimer: 3 });
    const sent: TrackerRequest[] = [];
    const { client: seed } = client(url, "seed", {
      addresses,
      mode: "SEED",
      encoding: "xml",
      trackTimer: 3,
      fetch: (address, init) => {
        sent.push(xmlCodec.decodeRequest(init.body as string));
        return fetch(address, init);
      },
    });
    await eventually(() => sent.filter(({ method }) => method === "STAT_REPORT").length >= 2);
    seed.leave();
    await seed.goodbye;
    expect(sent.map(({ method }) => method).slice(-2)).toEqual(["STAT_REPORT", "CONNECT"]);
    expect(sent.at(-1)).toMatchObject({ actions: [{ action: "LEAVE", peerMode: "SEED" }] });
    const other = client(url, "other", { addresses });
    await other.reaches("open");
    expect(other.peers).toEqual([[]]);
  });
});

/** Nothing is told. */
const SILENT = {
  peers: () => undefined,
  signal: () => undefined,
  state: () => undefined,
  warning: () => undefined,
  report: () => ({ uploadedBytes: 0, downloadedBytes: 0, availBandwidth: 0 }),
};

describe("a tracker client at a hostile server", () => {
  const answers: Record<string, RequestListener> = {
    "no PPSP-TP": (_, response) => response.end("<html>"),
    "an answer to another request": (_, response) =>
      response.end(
        jsonCodec.encodeResponse(
          { response: "SUCCESSFUL", transactionId: "1" },
          { method: "STAT_REPORT", transactionId: "1", peerId: "peer", stats: [] },
        ),
      ),
    "an endless answer": (_, response) => {
      const more = (): void => {
        while (response.write("x".repeat(16_384)) && !response.closed);
      };
      response.on("drain", more);
      more();
    },
    "a token that no socket can carry": (request, response) => {
      let body = "";
      request.on("data", (part) => (body += part));
      request.on("end", () => {
        const asked = jsonCodec.decodeRequest(body);
        const { transactionId } = asked;
        const registration = { token: "a,b" };
        response.end(jsonCodec.encodeResponse({ response: "SUCCESSFUL", transactionId, registration }, asked));
      });
    },
    "status 500": (_, response) => response.writeHead(500).end(),
    "status 418": (_, response) => response.writeHead(418).end("x".repeat(100_000)),
    "no answer but an end": (request) => request.socket.destroy(),
  };

  test.each(Object.entries(answers))("%s means offline and one warning", async (_, answer) => {
    const url = await impostor(answer);
    const peer = client(url, "peer");
    await peer.reaches("offline");
    expect(peer.states).toEqual(["connecting", "offline"]);
    expect(peer.warnings).toHaveLength(1);
  });
});
