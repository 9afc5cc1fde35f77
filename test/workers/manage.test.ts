import { env, exports } from "cloudflare:workers";
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { signGrant } from "../../src/tracker/auth/grant.ts";
import { KEYS, PUBLISHERS } from "../tracker/publishers.ts";
import { connect, enrol, openSocket, report, unique } from "./tracker.ts";

const TOKEN = "the-operators-own-token";

/** A call of the management API; status and body. */
async function manage(path: string, method = "GET", body?: object): Promise<[number, Record<string, unknown>]> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
  const url = `https://tracker.example/manage${path}`;
  const request = new Request(url, { ...init, headers });
  if (body !== undefined) request.headers.set("Content-Length", String(JSON.stringify(body).length));
  const response = await worker(request);
  const text = await response.text();
  return [response.status, text === "" ? {} : (JSON.parse(text) as Record<string, unknown>)];
}

const worker = (request: Request): Promise<Response> => exports.default.fetch(request);

/** The swarms that the registry knows. */
async function known(): Promise<readonly string[]> {
  const [, { swarms }] = await manage("/swarms?limit=1000");
  return (swarms as { swarmId: string }[]).map(({ swarmId }) => swarmId);
}

describe("operation in workerd", () => {
  afterEach(() => void vi.useRealTimers());

  test("a swarm's alarm tells the registry, which adds up; nothing of it is on a request's path", async () => {
    const [first, second] = [unique("peer"), unique("peer")];
    const token = await enrol(first, "bb91", "SEED");
    await enrol(second, "bb91");
    const stats = [{ swarmId: "bb91", uploadedBytes: 5000, downloadedBytes: 0 }];
    await report(first, { stats, registration: { token } });
    expect(await runDurableObjectAlarm(env.SWARM.getByName("bb91"))).toBe(true);
    const [, { swarms }] = await manage("/swarms?limit=1000");
    // Not due yet: the alarm was the test's.
    expect(swarms).toEqual([]);
    const [status, swarm] = await manage("/swarms/bb91");
    expect([status, swarm]).toMatchObject([200, { members: 2, seeds: 1, totals: { joined: 2, uploadedBytes: 5000 } }]);
    expect((await manage("/swarms"))[1]).toMatchObject({ swarms: [{ swarmId: "bb91" }] });
    const metrics = await worker(
      new Request("https://tracker.example/metrics", { headers: { Authorization: `Bearer ${TOKEN}` } }),
    );
    expect(await metrics.text()).toMatch(/^ppsp_swarm_uploaded_bytes_total\{swarm="bb91"\} 5000$/mu);
    const healthy = await worker(new Request("https://tracker.example/healthz"));
    expect([healthy.status, await healthy.text()]).toEqual([200, '{"status":"ok"}']);
  });

  test("what an operator decides about a swarm holds in its object, after an eviction too", async () => {
    const peer = unique("peer");
    await enrol(peer, "bb92");
    expect(await manage(`/swarms/bb92/bans/${peer}`, "PUT", {})).toEqual([200, { present: true }]);
    expect((await connect(peer, ["JOIN LEECH bb92"], { registration: {} })).status).toBe(403);
    expect((await connect(peer, ["JOIN LEECH bb92"])).status).toBe(403);
    await manage("/swarms/bb92", "PUT", { p2p: false });
    await abortAllDurableObjects();
    const refused = await connect(unique("other"), ["JOIN LEECH bb92"], { registration: {} });
    expect([refused.status, refused.headers.get("PPSP-Reason")]).toEqual([403, "P2P is switched off for this swarm"]);
    expect((await manage("/swarms/bb92", "PUT", { p2p: true }))[0]).toBe(200);
    expect((await manage(`/swarms/bb92/bans/${peer}`, "DELETE"))[0]).toBe(204);
    expect((await connect(peer, ["JOIN LEECH bb92"], { registration: {} })).status).toBe(200);
  });

  test("a publisher's grant that a swarm has seen holds after an eviction, for all that its members ask", async () => {
    const [peer, swarmId] = [unique("peer"), unique("").replaceAll("-", "")];
    const grants = [await signGrant(KEYS[0], PUBLISHERS[0], swarmId, undefined)];
    const registered = await connect(peer, [`JOIN LEECH ${swarmId}`], { registration: {}, grants });
    const registration = { token: registered.message?.registration?.token ?? "" };
    await abortAllDurableObjects();
    expect((await report(peer, { registration, stats: [{ swarmId }] })).status).toBe(200);
    expect((await connect(unique("base"), [`JOIN LEECH ${swarmId}`])).status).toBe(200);
    expect(typeof (await openSocket(swarmId, peer, registration.token))).toBe("object");
    expect((await manage(`/swarms/${swarmId}`))[1]).toMatchObject({ members: 2, publisher: PUBLISHERS[0] });
  });

  test("the alarm that is to tell the registry is not put off by requests that each come after an eviction", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const peer = unique("peer");
    const registration = { token: await enrol(peer, "cc11") };
    const alarm = (): Promise<number | null> =>
      runInDurableObject(env.SWARM.getByName("cc11"), (_, { storage }) => storage.getAlarm());
    const first = await alarm();
    for (let round = 0; round < 3; round += 1) {
      await abortAllDurableObjects();
      vi.setSystemTime(Date.now() + 30_000);
      await report(peer, { stats: [{ swarmId: "cc11" }], registration });
    }
    expect(await alarm()).toBe(first);
    vi.setSystemTime(first ?? 0);
    expect(await runDurableObjectAlarm(env.SWARM.getByName("cc11"))).toBe(true);
    await vi.waitFor(async () => expect(await known()).toContain("cc11"));
  });

  const ends: Record<string, (peerId: string, swarmId: string) => Promise<unknown>> = {
    "its last member has left": (peerId, swarmId) => connect(peerId, [`LEAVE LEECH ${swarmId}`]),
    "an operator has closed it": (_, swarmId) => manage(`/swarms/${swarmId}`, "DELETE"),
    "its last member was silent": async (peerId) => {
      vi.setSystemTime(Date.now() + 130_000);
      await runDurableObjectAlarm(env.PEER.getByName(peerId));
    },
  };
  test.each(Object.entries(ends).map(([how, end], at) => [how, end, `cc1${at + 2}`] as const))(
    "the registry forgets a swarm when %s, after an eviction too",
    async (_, end, swarmId) => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
      const peer = unique("peer");
      await connect(peer, [`JOIN LEECH ${swarmId}`]);
      await manage(`/swarms/${swarmId}`);
      expect(await known()).toContain(swarmId);
      await abortAllDurableObjects();
      await end(peer, swarmId);
      await vi.waitFor(async () => expect(await known()).not.toContain(swarmId));
    },
  );

  test("the registry forgets a swarm whose last member is found silent when a summary is due", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    await enrol(unique("peer"), "cc15");
    await manage("/swarms/cc15");
    vi.setSystemTime(Date.now() + 3_600_000);
    await runDurableObjectAlarm(env.SWARM.getByName("cc15"));
    await vi.waitFor(async () => expect(await known()).not.toContain("cc15"));
  });

  test("a ban that is over leaves nothing of a swarm that has no members", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const swarm = env.SWARM.getByName("cc16");
    await manage("/swarms/cc16/bans/rude", "PUT", { seconds: 3600 });
    await manage("/swarms/cc16");
    expect(await known()).toContain("cc16");
    vi.setSystemTime(Date.now() + 3_600_000);
    expect(await runDurableObjectAlarm(swarm)).toBe(true);
    await vi.waitFor(async () => expect(await known()).not.toContain("cc16"));
    expect(await runInDurableObject(swarm, (_, { storage }) => storage.getAlarm())).toBeNull();
  });

  test("without the token there is nothing to see", async () => {
    expect((await worker(new Request("https://tracker.example/stats.json"))).status).toBe(200);
    const asked = await worker(new Request("https://tracker.example/manage/swarms"));
    expect(asked.status).toBe(401);
  });
});
