import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, test, vi } from "vitest";
import { MAX_SIGNAL, SIGNAL_BURST } from "../../src/tracker/limits.ts";
import { Swarm } from "../../tracker-worker/index.ts";
import { xmlSignals } from "../../src/tracker/xml/signal.ts";
import { connect, enrol, member, openSocket, openXmlSocket, send, TestSocket, unique } from "./tracker.ts";

const until = (condition: () => void): Promise<void> => vi.waitFor(condition, { timeout: 5000, interval: 5 });

describe("signalling", () => {
  test("a socket begins with the members that have one, and relays between them with the true sender", async () => {
    const [a, b] = [unique("a"), unique("b")];
    const first = await member("aa11", a);
    const second = await member("aa11", b);
    await until(() => expect(second.messages).toEqual([{ peers: [a] }]));
    expect(first.messages).toEqual([{ peers: [] }]);
    second.send({ to: a, payload: { sdp: "offer" }, from: "somebody else" });
    await until(() => expect(first.messages.at(-1)).toEqual({ from: b, payload: { sdp: "offer" } }));
    first.send({ to: b, payload: "answer" });
    await until(() => expect(second.messages.at(-1)).toEqual({ from: a, payload: "answer" }));
  });

  test("members of other swarms, members without socket and strangers are gone", async () => {
    const [a, elsewhere, silent] = [unique("a"), unique("elsewhere"), unique("silent")];
    const socket = await member("1111", a);
    const other = await member("2222", elsewhere);
    await enrol(silent, "1111");
    for (const to of [elsewhere, silent, "nobody"]) {
      socket.send({ to, payload: 1 });
      await until(() => expect(socket.messages.at(-1)).toEqual({ gone: to }));
    }
    expect(other.messages).toEqual([{ peers: [] }]);
  });

  test("only registered peers with their token get a socket", async () => {
    const peer = unique("peer");
    const token = await enrol(peer, "1111");
    expect(await openSocket("2222", peer, token)).toBe(403);
    expect(await openSocket("1111", "nobody", token)).toBe(403);
    expect(await openSocket("1111", peer, "wrong")).toBe(403);
    expect(await openSocket("9999", peer, token)).toBe(403);
    expect(await openSocket("", peer, token)).toBe(400);
    const base = unique("base");
    await connect(base, ["JOIN LEECH 1111"]);
    expect(await openSocket("1111", base, "")).toBe(403);
    const url = `https://tracker.example/signal?swarm=1111&peer=${peer}`;
    expect((await send({ method: "GET" }, undefined, url)).status).toBe(400);
    const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": `token.${token}` };
    expect((await send({ method: "GET", headers }, undefined, url)).status).toBe(400);
  });

  test("a second socket of the same peer replaces the first", async () => {
    const [a, b] = [unique("a"), unique("b")];
    const token = await enrol(a, "aa22");
    const first = await openSocket("aa22", a, token);
    const second = await openSocket("aa22", a, token);
    if (typeof first === "number" || typeof second === "number") throw new Error("refused");
    await until(() => expect(first.closed).toBe(4001));
    const other = await member("aa22", b);
    await until(() => expect(other.messages).toEqual([{ peers: [a] }]));
    other.send({ to: a, payload: 1 });
    await until(() => expect(second.messages.at(-1)).toEqual({ from: b, payload: 1 }));
  });

  test("a peer that closes its socket, or leaves, can no longer be signalled", async () => {
    const [a, b, c] = [unique("a"), unique("b"), unique("c")];
    const socket = await member("aa33", a);
    const token = await enrol(b, "aa33");
    const leaver = await openSocket("aa33", b, token);
    if (typeof leaver === "number") throw new Error("refused");
    socket.socket.close(1000, "bye");
    await connect(b, ["LEAVE LEECH aa33"], { registration: { token } });
    await until(() => expect(leaver.closed).toBe(4003));
    await until(() => expect(socket.closed).toBe(1000));
    const last = await member("aa33", c);
    await until(() => expect(last.messages).toEqual([{ peers: [] }]));
  });

  test("members in XML and in JSON signal each other, each in its own encoding", async () => {
    const [a, b] = [unique("a"), unique("b")];
    const json = await member("aa22", a);
    const xml = await openXmlSocket("aa22", b, await enrol(b, "aa22"));
    await until(() => expect(xml.texts).toHaveLength(1));
    expect(xmlSignals.readMessage(xml.texts[0] ?? "")).toMatchObject({
      peers: expect.arrayContaining([a]) as string[],
    });
    json.send({ to: b, payload: { sdp: "a<b" } });
    await until(() => expect(xml.texts).toHaveLength(2));
    expect(xml.texts[1]).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<Signal xmlns="urn:ppsp-player:tracker:signalling:1" from="${a}">{&quot;sdp&quot;:&quot;a&lt;b&quot;}</Signal>`,
    );
    xml.socket.send(xmlSignals.writeSignal({ to: a, payload: `["answer"]` }));
    await until(() => expect(json.messages.at(-1)).toEqual({ from: b, payload: ["answer"] }));
    xml.socket.send(xmlSignals.writeSignal({ to: "nobody", payload: "1" }));
    await until(() => expect(xmlSignals.readMessage(xml.texts[2] ?? "")).toEqual({ gone: "nobody" }));
    xml.socket.send(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "1">]><a>&e;</a>`);
    await until(() => expect(xml.closed).toBe(1007));
  });

  const hostile: Record<string, readonly [message: string | ArrayBuffer, code: number]> = {
    "no JSON": ["{", 1007],
    "no object": ["7", 1007],
    "no payload": ['{"to":"x"}', 1007],
    "no receiver": ['{"to":7,"payload":1}', 1007],
    "a receiver that is too long": [JSON.stringify({ to: "x".repeat(129), payload: 1 }), 1007],
    "binary data": [new ArrayBuffer(8), 1007],
    "a signal over 16 KiB": [JSON.stringify({ to: "x", payload: "y".repeat(MAX_SIGNAL) }), 1009],
  };
  test.each(Object.entries(hostile))("%s ends the socket", async (_, [message, code]) => {
    const { socket } = await member("aa44", unique("peer"));
    const closed = new Promise<number>((resolve) => {
      socket.addEventListener("close", (event) => resolve(event.code));
    });
    socket.send(message);
    expect(await closed).toBe(code);
  });

  test("the largest signal passes", async () => {
    const [a, b] = [unique("a"), unique("b")];
    const first = await member("aa55", a);
    const second = await member("aa55", b);
    const payload = "y".repeat(MAX_SIGNAL - JSON.stringify({ to: a, payload: "" }).length);
    second.send({ to: a, payload });
    await until(() => expect(first.messages.at(-1)).toEqual({ from: b, payload }));
  });

  test("a socket that sends without end is closed", async () => {
    const peer = await member("aa66", unique("peer"));
    for (let count = 0; count < 2 * SIGNAL_BURST; count += 1) peer.send({ to: "nobody", payload: 1 });
    await until(() => expect(peer.closed).toBe(1013));
    expect(peer.messages.length).toBeLessThan(2 * SIGNAL_BURST);
  });

  test("a ping is answered without waking the object", async () => {
    const peer = await member("aa77", unique("peer"));
    peer.send("ping");
    await until(() => expect(peer.messages.at(-1)).toBe("pong"));
  });

  test("an object that wakes from hibernation relays and lists as before", async () => {
    const [a, b, c] = [unique("a"), unique("b"), unique("c")];
    const first = await member("aa99", a);
    await member("aa99", b);
    const token = await enrol(c, "aa99");
    const seen = await runInDurableObject(env.SWARM.getByName("aa99"), async (_, state) => {
      // What the runtime does on waking: a new instance, the same storage and sockets.
      const woken = new Swarm(state, env);
      for (const socket of state.getWebSockets(b)) {
        woken.webSocketMessage(socket, JSON.stringify({ to: a, payload: "still here" }));
      }
      const headers = { "Sec-WebSocket-Protocol": `ppsp-signal.1, token.${token}` };
      const url = `https://tracker.example/signal?swarm=aa99&peer=${c}`;
      const { webSocket } = await woken.fetch(new Request(url, { headers }));
      if (webSocket === null) throw new Error("refused");
      const third = new TestSocket(webSocket);
      await until(() => expect(third.messages).toHaveLength(1));
      return third.messages;
    });
    expect(seen).toEqual([{ peers: expect.toSatisfy((peers: string[]) => peers.toSorted().join() === `${a},${b}`) }]);
    await until(() => expect(first.messages.at(-1)).toEqual({ from: b, payload: "still here" }));
  });

  test("sockets carry their Peer-ID as tag and attachment, so that hibernation loses nothing", async () => {
    const id = unique("peer");
    await member("aa88", id);
    const found = await runInDurableObject(env.SWARM.getByName("aa88"), (_, state) =>
      state.getWebSockets(id).map((socket) => [state.getTags(socket), socket.deserializeAttachment()]),
    );
    expect(found).toEqual([[[id], { peerId: id, opened: expect.any(Number), protocol: "ppsp-signal.1" }]]);
  });
});
