import { exports } from "cloudflare:workers";
import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { MAX_SIGNAL, SIGNAL_BURST } from "../../src/tracker/limits.ts";
import type { Poll } from "../../src/tracker/signal.ts";
import { xmlSignals } from "../../src/tracker/xml/signal.ts";
import { connect, enrol, member, openSocket, unique } from "./tracker.ts";

interface PollAnswer {
  readonly status: number;
  readonly session: string;
  readonly messages: readonly unknown[];
}

/** One request of a member that has no WebSocket. */
async function poll(swarmId: string, peerId: string, body: unknown): Promise<PollAnswer> {
  const url = `https://tracker.example/signal/poll?swarm=${swarmId}&peer=${peerId}`;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const headers = { "Content-Type": "text/plain" };
  const response = await exports.default.fetch(new Request(url, { method: "POST", body: text, headers }));
  const answer = await response.text();
  const { session = "", messages = [] } = answer === "" ? {} : (JSON.parse(answer) as Partial<PollAnswer>);
  return { status: response.status, session, messages };
}

/** A member that polls, as src/link/tracker-poll.ts does. */
class Poller {
  session: string | undefined;
  received = 0;
  readonly swarmId: string;
  readonly peerId: string;
  readonly token: string;

  constructor(swarmId: string, peerId: string, token: string) {
    this.swarmId = swarmId;
    this.peerId = peerId;
    this.token = token;
  }

  async listen(wait = 5): Promise<readonly unknown[]> {
    const { token, session, received } = this;
    const answer = await poll(this.swarmId, this.peerId, { token, session, received, wait });
    expect(answer.status).toBe(200);
    this.session = answer.session;
    this.received += answer.messages.length;
    return answer.messages;
  }

  say(...signals: unknown[]): Promise<PollAnswer> {
    const { token, session } = this;
    return poll(this.swarmId, this.peerId, { token, session, signals });
  }
}

async function poller(swarmId: string, peerId = unique("poller")): Promise<Poller> {
  return new Poller(swarmId, peerId, await enrol(peerId, swarmId));
}

describe("signalling without WebSockets", () => {
  afterEach(() => void vi.useRealTimers());

  test("a first poll is answered at once with the members that can be signalled", async () => {
    const socket = unique("socket");
    await member("bb11", socket);
    const first = await poller("bb11");
    expect(await first.listen()).toEqual([{ peers: [socket] }]);
    const second = await poller("bb11");
    const [{ peers } = { peers: [] }] = (await second.listen()) as { peers: string[] }[];
    expect(peers.toSorted()).toEqual([first.peerId, socket].toSorted());
  });

  test("signals travel between members that poll and members with a socket, with the true sender", async () => {
    const a = unique("socket");
    const socket = await member("bb22", a);
    const [b, c] = [await poller("bb22"), await poller("bb22")];
    await b.listen();
    await c.listen();
    const waiting = b.listen();
    expect((await c.say({ to: b.peerId, payload: "offer", from: "somebody else" })).status).toBe(200);
    expect(await waiting).toEqual([{ from: c.peerId, payload: "offer" }]);
    socket.send({ to: b.peerId, payload: 1 });
    expect(await b.listen()).toEqual([{ from: a, payload: 1 }]);
    await b.say({ to: a, payload: 2 }, { to: "nobody", payload: 3 });
    await vi.waitFor(() => expect(socket.messages.at(-1)).toEqual({ from: b.peerId, payload: 2 }));
    expect(await b.listen()).toEqual([{ gone: "nobody" }]);
  });

  test("a member polls in XML, another in JSON: each is answered in its own encoding", async () => {
    const a = unique("xml");
    const token = await enrol(a, "bb91");
    const ask = async (parts: Partial<Poll>, type = "application/xml"): Promise<Response> => {
      const url = `https://tracker.example/signal/poll?swarm=bb91&peer=${a}`;
      const body = xmlSignals.writePoll({ token, received: 0, signals: [], wait: 5, ...parts });
      return exports.default.fetch(new Request(url, { method: "POST", body, headers: { "Content-Type": type } }));
    };
    const first = await ask({});
    expect(first.headers.get("Content-Type")).toBe("application/xml; charset=utf-8");
    const { session, messages } = xmlSignals.readAnswer(await first.text());
    expect(messages).toEqual([{ peers: [] }]);
    const b = await poller("bb91");
    expect(await b.listen()).toEqual([{ peers: [a] }]);
    await b.say({ to: a, payload: { sdp: "<&>" } });
    // Without CORS preflight: what it begins with tells the encoding.
    const second = xmlSignals.readAnswer(await (await ask({ session, received: 1 }, "text/plain")).text());
    expect(second).toEqual({ session, messages: [{ from: b.peerId, payload: `{"sdp":"<&>"}` }] });
    await ask({ session, wait: 0, signals: [{ to: b.peerId, payload: "7" }] });
    expect(await b.listen()).toEqual([{ from: a, payload: 7 }]);
    const url = `https://tracker.example/signal/poll?swarm=bb91&peer=${a}`;
    for (const body of [`<?xml version="1.0"?><!DOCTYPE a><a/>`, `<Poll token="${token}"/>`, "<"]) {
      const headers = { "Content-Type": "application/xml" };
      expect((await exports.default.fetch(new Request(url, { method: "POST", body, headers }))).status).toBe(400);
    }
  });

  test("an answer that got lost is given again, one that arrived is not", async () => {
    const [a, b] = [await poller("bb33"), await poller("bb33")];
    await a.listen();
    await b.listen();
    await b.say({ to: a.peerId, payload: 1 }, { to: a.peerId, payload: 2 });
    const two = [1, 2].map((payload) => ({ from: b.peerId, payload }));
    expect(await a.listen()).toEqual(two);
    a.received -= 2;
    expect(await a.listen()).toEqual(two);
    expect(await a.listen(0.05)).toEqual([]);
  });

  test("only members with their token poll, each in a session of its own", async () => {
    const a = await poller("bb44");
    await a.listen();
    const { swarmId, peerId, token, session } = a;
    expect((await poll(swarmId, peerId, { token: "wrong", wait: 1 })).status).toBe(403);
    expect((await poll(swarmId, "nobody", { token, wait: 1 })).status).toBe(403);
    expect((await poll("9999", peerId, { token, wait: 1 })).status).toBe(403);
    expect((await poll(swarmId, peerId, { token, session: "other", wait: 1 })).status).toBe(403);
    // A new session ends the old one.
    expect((await poll(swarmId, peerId, { token, wait: 1 })).status).toBe(200);
    expect((await poll(swarmId, peerId, { token, session, wait: 1 })).status).toBe(403);
  });

  test("leaving ends a poll that is held, and the member is gone", async () => {
    const [a, b] = [await poller("bb55"), await poller("bb55")];
    await a.listen();
    await b.listen();
    const held = a.listen(20);
    // Two rounds later the tracker holds it.
    await b.say({ to: "nobody", payload: 1 });
    expect(await b.listen()).toEqual([{ gone: "nobody" }]);
    await connect(a.peerId, ["LEAVE LEECH bb55"], { registration: { token: a.token } });
    expect(await held).toEqual([]);
    await b.say({ to: a.peerId, payload: 1 });
    expect(await b.listen()).toEqual([{ gone: a.peerId }]);
  });

  test("a socket takes the place of polling, and polling that of a socket", async () => {
    const a = await poller("bb66");
    await a.listen();
    const socket = await openSocket("bb66", a.peerId, a.token);
    if (typeof socket === "number") throw new Error("refused");
    const { token, session } = a;
    expect((await poll("bb66", a.peerId, { token, session, wait: 1 })).status).toBe(403);
    a.session = undefined;
    a.received = 0;
    expect(await a.listen()).toEqual([{ peers: [] }]);
    await vi.waitFor(() => expect(socket.closed).toBe(4001));
    const b = await poller("bb66");
    expect(await b.listen()).toEqual([{ peers: [a.peerId] }]);
  });

  test("who stops polling is gone after 40 s", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const [a, b] = [await poller("bb77"), await poller("bb77")];
    await a.listen();
    await b.listen();
    vi.setSystemTime(Date.now() + 30_000);
    await b.listen(0.01);
    vi.setSystemTime(Date.now() + 11_000);
    await b.say({ to: a.peerId, payload: 1 });
    expect(await b.listen()).toEqual([{ gone: a.peerId }]);
    const c = await poller("bb77");
    expect(await c.listen()).toEqual([{ peers: [b.peerId] }]);
  });

  test("a poll is a sign of life as a report is", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const a = await poller("bb88");
    for (let at = 0; at < 200; at += 20) {
      await a.listen(0.01);
      vi.setSystemTime(Date.now() + 20_000);
    }
    const b = await poller("bb88");
    expect(await b.listen()).toEqual([{ peers: [a.peerId] }]);
  });

  const hostile: Record<string, unknown> = {
    "no JSON": "{",
    "no object": "7",
    "no token": {},
    "a session that is no text": { token: "t", session: 1 },
    "signals that are no list": { token: "t", signals: 1 },
    "too many signals": { token: "t", signals: Array.from({ length: 65 }, () => 1) },
    "a wait that is no time": { token: "t", wait: -1 },
    "a body over 64 KiB": { token: "x".repeat(70_000) },
  };
  test.each(Object.entries(hostile))("%s is refused", async (_, body) => {
    expect((await poll("bb99", unique("peer"), body)).status).toBe(400);
  });

  test.each([undefined, 100])(
    "a body without end is refused and not read, whatever length it states: %s",
    async (length) => {
      let pulled = 0;
      const endless = new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          pulled += 1;
          controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
          if (pulled === 256) controller.close();
        },
      });
      const a = await poller("bb99");
      const url = `https://tracker.example/signal/poll?swarm=${a.swarmId}&peer=${a.peerId}`;
      const headers = {
        "Content-Type": "text/plain",
        ...(length !== undefined && { "Content-Length": String(length) }),
      };
      const response = await exports.default.fetch(new Request(url, { method: "POST", body: endless, headers }));
      expect([response.status, response.headers.get("PPSP-Reason")]).toEqual([
        411,
        length === undefined ? "Missing Content-Length" : "Content-Length does not match",
      ]);
      expect(pulled).toBeLessThan(32);
    },
  );

  test("signals are bounded in size and number, and so is what waits", async () => {
    const [a, b] = [await poller("bb99"), await poller("bb99")];
    await a.listen();
    await b.listen();
    expect((await b.say({ to: a.peerId, payload: "x".repeat(MAX_SIGNAL) })).status).toBe(400);
    expect((await b.say({ to: 7, payload: 1 })).status).toBe(400);
    for (let round = 0; round < 5; round += 1) {
      await b.say(...Array.from({ length: 50 }, () => ({ to: a.peerId, payload: "x" })));
    }
    // 64 wait, with the list that nobody has acknowledged yet; the others are lost, and their sender is told so.
    expect(await a.listen()).toHaveLength(63);
    expect(await b.listen()).toHaveLength(63);
    const statuses = new Set<number>();
    for (let sent = 0; sent < 2 * SIGNAL_BURST; sent += 60) {
      statuses.add((await b.say(...Array.from({ length: 60 }, () => ({ to: "nobody", payload: 1 })))).status);
    }
    expect(statuses).toContain(503);
  });

  test("after an eviction the session is unknown, and a new one begins", async () => {
    const a = await poller("bb99");
    await a.listen();
    await abortAllDurableObjects();
    const { token, session } = a;
    expect((await poll("bb99", a.peerId, { token, session, wait: 1 })).status).toBe(403);
    a.session = undefined;
    a.received = 0;
    expect(await a.listen()).toHaveLength(1);
  });
});
