import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { connect, listed, member, openSocket, report, unique } from "./tracker.ts";

const PEERS = 2000;
/** Requests at a time, as many connections as a busy edge has to one object. */
const AT_ONCE = 100;

/** Does something for all peers, many at a time. */
async function forAll<T>(peers: readonly string[], work: (peerId: string) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let at = 0; at < peers.length; at += AT_ONCE) {
    results.push(...(await Promise.all(peers.slice(at, at + AT_ONCE).map(work))));
  }
  return results;
}

/** Ends the object as a crash does: what it had in memory is gone. */
async function crash(swarmId: string): Promise<void> {
  const stub = env.SWARM.getByName(swarmId);
  await runInDurableObject(stub, (_, state) => state.abort("crash")).catch(() => undefined);
}

test(`${PEERS} peers come back at once after their swarm's object crashed, each to its own registration`, async () => {
  const swarmId = "aa99";
  const peers = Array.from({ length: PEERS }, (_, index) => unique(`storm${index}`));
  const join = (token?: string) => (peerId: string) =>
    connect(peerId, [`JOIN LEECH ${swarmId}`], {
      source: "198.51.100.1",
      peerNum: { count: 5 },
      registration: token === undefined ? {} : { token },
    });
  const first = await forAll(peers, join());
  const tokens = new Map(first.map((answer, index) => [peers[index]!, answer.message?.registration?.token]));
  expect(first.every(({ status }) => status === 200)).toBe(true);

  await crash(swarmId);
  const again = await forAll(peers, (peerId) => join(tokens.get(peerId))(peerId));
  const statuses = new Set(again.map(({ status }) => status));
  expect([...statuses]).toEqual([200]);
  for (const [index, answer] of again.entries()) {
    expect(answer.message?.registration?.token).toBe(tokens.get(peers[index]!));
    expect(listed(answer)).toHaveLength(5);
    expect(answer.message?.swarmSizes).toEqual([{ swarmId, size: PEERS }]);
  }
}, 120_000);

test("a crash between two reports goes unnoticed: the next report is taken, and the socket opens again", async () => {
  const peerId = unique("peer");
  const socket = await member("aa11", peerId);
  expect(socket.messages).toHaveLength(1);
  const again = await connect(peerId, ["JOIN LEECH aa22"], { registration: {} });
  const token = again.message?.registration?.token ?? "";
  await crash("aa22");
  const answer = await report(peerId, { stats: [{ swarmId: "aa22" }], registration: { token } });
  expect(answer.status).toBe(200);
  await crash("aa22");
  expect(typeof (await openSocket("aa22", peerId, token))).toBe("object");
});
