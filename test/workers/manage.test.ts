import { env, exports } from "cloudflare:workers";
import { abortAllDurableObjects, runDurableObjectAlarm } from "cloudflare:test";
import { describe, expect, test } from "vitest";
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

describe("operation in workerd", () => {
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

  test("without the token there is nothing to see", async () => {
    expect((await worker(new Request("https://tracker.example/stats.json"))).status).toBe(200);
    const asked = await worker(new Request("https://tracker.example/manage/swarms"));
    expect(asked.status).toBe(401);
  });
});
