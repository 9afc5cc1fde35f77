import { beforeEach, describe, expect, test } from "vitest";
import { jsonSignals } from "../../src/tracker/json/signal.ts";
import { DEFAULT_LIMITS } from "../../src/tracker/limits.ts";
import { CLOSE } from "../../src/tracker/signal.ts";
import { Switchboard } from "../../src/tracker/switchboard.ts";
import { FakeSocket } from "./grown.ts";

let now: number;
let board: Switchboard;
beforeEach(() => {
  now = 0;
  let sessions = 0;
  const host = {
    sockets: () => [],
    encoding: () => jsonSignals,
    heard: () => 0,
    now: () => now,
    newToken: () => `session${(sessions += 1)}`,
  };
  const roster = { admits: () => true, opened: () => [], closed: () => undefined, isRelayOnly: () => false };
  board = new Switchboard(host, { ...DEFAULT_LIMITS, signalBurst: 3, signalRate: 1 }, () => roster);
});

/** So many signals over a new socket; why it was closed. */
function overSocket(peerId: string, count: number): number | undefined {
  const socket = new FakeSocket();
  board.opened(peerId, jsonSignals);
  for (let sent = 0; sent < count; sent += 1) board.receive(socket, peerId, `{"to":"nobody","payload":1}`);
  return socket.closed;
}

/** So many signals in a new session; the status. */
async function overPoll(peerId: string, count: number): Promise<number> {
  const signals = Array.from({ length: count }, () => ({ to: "nobody", payload: 1 }));
  const body = JSON.stringify({ token: "t", signals, wait: 0 });
  const headers = { "Content-Length": String(body.length) };
  const url = `https://tracker.example/signal/poll?peer=${peerId}`;
  return (await board.poll(new Request(url, { method: "POST", body, headers }))).status;
}

describe("what a member may signal", () => {
  test("does not begin anew with a socket or a session", async () => {
    expect(overSocket("a", 2)).toBeUndefined();
    expect(await overPoll("a", 1)).toBe(200);
    expect(await overPoll("a", 1)).toBe(503);
    expect(overSocket("a", 1)).toBe(CLOSE.tooMany);
    expect(overSocket("b", 3)).toBeUndefined();
    now += 1000;
    expect(overSocket("a", 1)).toBeUndefined();
    expect(overSocket("a", 1)).toBe(CLOSE.tooMany);
  });

  test("is forgotten with its registration", () => {
    expect(overSocket("a", 4)).toBe(CLOSE.tooMany);
    board.ended("a");
    expect(overSocket("a", 3)).toBeUndefined();
  });
});
