import { env } from "cloudflare:workers";
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SwarmTracker } from "../../src/tracker/swarm.ts";
import { connect, enrol, listed, member, openSocket, report, unique } from "./tracker.ts";

const keepAlive = (swarmId: string) => ({ stats: [{ swarmId }] });

describe("a registration with a token", () => {
  test("gives a token and the track timer to a peer that asks for them, nothing to one that does not", async () => {
    const asked = await connect(unique("peer"), ["JOIN LEECH 1111"], { registration: {} });
    expect(asked.message?.registration).toEqual({ token: expect.stringMatching(/^[0-9a-f]{32}$/u), trackTimer: 120 });
    expect((await connect(unique("peer"), ["JOIN LEECH 1111"])).message?.registration).toBeUndefined();
  });

  test("whoever knows only the Peer-ID can do nothing in its name", async () => {
    const peer = unique("peer");
    const token = await enrol(peer, "1111");
    const other = await enrol(unique("other"), "1111");
    for (const wrong of [{}, { token: "0".repeat(32) }, { token: other }, { token: token.slice(1) }]) {
      const registration = wrong;
      const replies = [
        await connect(peer, ["LEAVE LEECH 1111"], { registration }),
        await connect(peer, ["JOIN LEECH 1111"], { registration }),
        await report(peer, { registration, ...keepAlive("1111") }),
      ];
      for (const { status, message } of replies) {
        expect([status, message?.response]).toEqual([401, "AUTHENTICATION REQUIRED"]);
      }
      expect(await openSocket("1111", peer, wrong.token ?? "")).toBe(403);
    }
    // Nor as a peer of the base protocol, from wherever.
    expect((await connect(peer, ["JOIN LEECH 1111"])).status).toBe(401);
    expect((await connect(peer, ["LEAVE LEECH 1111"])).status).toBe(403);
    expect((await report(peer)).status).toBe(403);
    expect((await report(peer, { registration: { token }, ...keepAlive("1111") })).status).toBe(200);
  });

  test("PPSP-TP T96 rule: 401 has a body, says AUTHENTICATION REQUIRED and repeats the TransactionID", async () => {
    const peer = unique("peer");
    await enrol(peer, "1111");
    const answer = await report(peer, { transactionId: "77", registration: { token: "wrong" }, ...keepAlive("1111") });
    expect([answer.status, answer.message]).toEqual([
      401,
      { response: "AUTHENTICATION REQUIRED", transactionId: "77" },
    ]);
    expect(answer.headers.get("WWW-Authenticate")).toBe("PPSP-Registration");
  });

  test("that is relay-only is listed without an address from the first moment on, also when its object was evicted", async () => {
    const swarmId = "aa99";
    const [hidden, shown] = [unique("hidden"), unique("shown")];
    await connect(hidden, [`JOIN LEECH ${swarmId}`], { registration: { relayOnly: true } });
    await connect(shown, [`JOIN LEECH ${swarmId}`], { registration: {} });
    for (const asker of [unique("before"), unique("after")]) {
      const { message } = await connect(asker, [`JOIN LEECH ${swarmId}`]);
      const addresses = new Map(message?.peers?.map((peer) => [peer.peerId, peer.addresses.length]));
      expect([addresses.get(hidden), addresses.get(shown)]).toEqual([0, 1]);
      await abortAllDurableObjects();
    }
  });

  test("works from any address, and ends with LEAVE", async () => {
    const peer = unique("peer");
    const registration = { token: await enrol(peer, "1111") };
    expect((await report(peer, { registration, ...keepAlive("1111"), source: "203.0.113.5" })).status).toBe(200);
    expect((await connect(peer, ["LEAVE LEECH 1111"], { registration, source: "203.0.113.6" })).status).toBe(200);
    expect((await report(peer, { registration, ...keepAlive("1111") })).status).toBe(403);
  });

  test("a token of a registration that is over gets a new one", async () => {
    const peer = unique("peer");
    const old = await enrol(peer, "1111");
    await connect(peer, ["LEAVE LEECH 1111"], { registration: { token: old } });
    const answer = await connect(peer, ["JOIN LEECH 1111"], { registration: { token: old } });
    expect(answer.status).toBe(200);
    expect(answer.message?.registration?.token).not.toBe(old);
  });

  test("an action that is not allowed ends it (2.4.2 B)", async () => {
    const peer = unique("peer");
    const registration = { token: await enrol(peer, "1111") };
    expect((await connect(peer, ["LEAVE LEECH 1111", "LEAVE LEECH 1111"], { registration })).status).toBe(403);
    expect((await report(peer, { registration, ...keepAlive("1111") })).status).toBe(403);
  });
});

describe("a registration of the base protocol", () => {
  test("is bound to its source address", async () => {
    const peer = unique("peer");
    const [mine, other] = ["198.51.100.1", "198.51.100.2"];
    await connect(peer, ["JOIN LEECH 1111"], { source: mine });
    for (const answer of [
      await connect(peer, ["LEAVE LEECH 1111"], { source: other }),
      await connect(peer, ["JOIN LEECH 2222"], { source: other }),
      await connect(peer, ["JOIN LEECH 1111"], { source: other, registration: {} }),
      await report(peer, { source: other }),
    ]) {
      expect([answer.status, answer.message?.response]).toEqual([401, "AUTHENTICATION REQUIRED"]);
    }
    expect((await report(peer, { source: mine })).status).toBe(200);
  });

  test("a Peer-ID that someone holds by token in one of the swarms is refused in all of them", async () => {
    const peer = unique("peer");
    await enrol(peer, "2222");
    expect((await connect(peer, ["JOIN SEED 1111", "JOIN SEED 2222", "JOIN SEED 3333"])).status).toBe(401);
    const lists = await connect(unique("looker"), ["JOIN LEECH 1111", "JOIN LEECH 3333"], { peerNum: { count: 50 } });
    expect(listed(lists)).not.toContain(peer);
    expect((await report(peer)).status).toBe(403);
  });

  test("keeps what it reports about its swarms, and nothing about others", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    const stats = ["1111", "2222"].map((swarmId) => ({ swarmId, uploadedBytes: 5 }));
    expect((await report(peer, { stats })).status).toBe(200);
    const kept = await runInDurableObject(env.SWARM.getByName("1111"), (_, { storage }) =>
      storage.sql.exec<{ member: string }>("SELECT member FROM members WHERE peer_id = ?", peer).one(),
    );
    expect(JSON.parse(kept.member)).toMatchObject({ peerId: peer, stat: { swarmId: "1111", uploadedBytes: 5 } });
  });
});

describe("the track timer", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Lets time pass as far as clocks show. */
  const pass = (seconds: number): void => void vi.setSystemTime(Date.now() + seconds * 1000);

  test("PPSP-TP T90 rule: a silent peer is forgotten in all its swarms when the alarm comes", async () => {
    const peer = unique("seed");
    await connect(peer, ["JOIN SEED 1111", "JOIN SEED 2222"]);
    pass(121);
    expect(await runDurableObjectAlarm(env.PEER.getByName(peer))).toBe(true);
    const lists = await connect(unique("looker"), ["JOIN LEECH 1111", "JOIN LEECH 2222"], { peerNum: { count: 50 } });
    expect(listed(lists)).not.toContain(peer);
    expect((await report(peer)).status).toBe(403);
  });

  test("PPSP-TP T91 rule: an alarm ends a registration that failed half-way, in all swarms, when the init timer is over", async () => {
    const peer = unique("seed");
    const log = vi.spyOn(console, "error").mockReturnValue();
    // oxlint-disable-next-line typescript/unbound-method -- applied to its own object below
    const { enter } = SwarmTracker.prototype;
    const broken = vi.spyOn(SwarmTracker.prototype, "enter").mockImplementation(function (this: SwarmTracker, ...args) {
      if (args[0] === "2222") throw new Error("out of memory");
      return enter.apply(this, args);
    });
    expect((await connect(peer, ["JOIN SEED 1111", "JOIN SEED 2222"])).status).toBe(500);
    broken.mockRestore();
    log.mockRestore();
    pass(11);
    expect(await runDurableObjectAlarm(env.PEER.getByName(peer))).toBe(true);
    const lists = await connect(unique("looker"), ["JOIN LEECH 1111", "JOIN LEECH 2222"], { peerNum: { count: 50 } });
    expect(listed(lists)).not.toContain(peer);
  });

  test("PPSP-TP T85 T86 rule: STAT_REPORT and CONNECT start it again", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    pass(100);
    expect((await report(peer)).status).toBe(200);
    pass(100);
    expect((await connect(peer, ["JOIN LEECH 1111"])).status).toBe(200);
    pass(100);
    await runDurableObjectAlarm(env.PEER.getByName(peer));
    expect((await report(peer)).status).toBe(200);
  });

  test("one alarm per swarm, for the member that has been silent longest", async () => {
    const swarm = env.SWARM.getByName("abcdef");
    const [early, late] = [unique("early"), unique("late")];
    await enrol(early, "abcdef");
    const due = await runInDurableObject(swarm, (_, { storage }) => storage.getAlarm());
    expect(due).toBe(Date.now() + 120_000);
    pass(60);
    const token = await enrol(late, "abcdef");
    expect(await runInDurableObject(swarm, (_, { storage }) => storage.getAlarm())).toBe(due);
    pass(61);
    await runDurableObjectAlarm(swarm);
    expect(await runInDurableObject(swarm, (_, { storage }) => storage.getAlarm())).toBe(Date.now() + 59_000);
    expect((await report(late, { registration: { token }, ...keepAlive("abcdef") })).status).toBe(200);
    const list = listed(await connect(unique("looker"), ["JOIN LEECH abcdef"], { peerNum: { count: 50 } }));
    expect([list.includes(early), list.includes(late)]).toEqual([false, true]);
  });

  test("a member that is silent too long is not listed even when the alarm is late", async () => {
    const peer = unique("peer");
    await enrol(peer, "3333");
    pass(121);
    expect(listed(await connect(unique("looker"), ["JOIN LEECH 3333"], { peerNum: { count: 50 } }))).not.toContain(
      peer,
    );
  });

  test("a ping on the signalling socket is a sign of life, an open socket alone is not", async () => {
    const [pinging, silent] = [unique("pinging"), unique("silent")];
    // Pings are stamped by workerd's own clock: registration is set back instead of letting time pass after the ping.
    pass(-121);
    const alive = await member("2222", pinging);
    const dead = await member("2222", silent);
    pass(100);
    alive.send("ping");
    await vi.waitFor(() => expect(alive.messages).toContain("pong"));
    pass(22);
    await runDurableObjectAlarm(env.SWARM.getByName("2222"));
    await vi.waitFor(() => expect(dead.closed).toBe(4003));
    expect(alive.closed).toBeUndefined();
    const list = listed(await connect(unique("looker"), ["JOIN LEECH 2222"], { peerNum: { count: 50 } }));
    expect([list.includes(pinging), list.includes(silent)]).toEqual([true, false]);
  });

  test("an object that was evicted comes back with its registrations", async () => {
    const peer = unique("peer");
    const registration = { token: await enrol(peer, "1111") };
    const base = unique("base");
    await connect(base, ["JOIN LEECH 1111"]);
    await abortAllDurableObjects();
    expect((await report(peer, { registration, ...keepAlive("1111") })).status).toBe(200);
    expect((await report(base)).status).toBe(200);
    expect(listed(await connect(unique("looker"), ["JOIN LEECH 1111"], { peerNum: { count: 50 } }))).toContain(peer);
  });

  test("objects that hold nobody any more keep nothing in storage", async () => {
    const [peer, base] = [unique("peer"), unique("base")];
    const tables = (swarmId: string) =>
      runInDurableObject(env.SWARM.getByName(swarmId), (_, { storage }) =>
        storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'members'").toArray(),
      );
    const token = await enrol(peer, "empty1");
    expect(await tables("empty1")).toHaveLength(1);
    await connect(peer, ["LEAVE LEECH empty1"], { registration: { token } });
    await runDurableObjectAlarm(env.SWARM.getByName("empty1"));
    await connect(base, ["JOIN SEED empty2"]);
    await connect(base, ["LEAVE SEED empty2"]);
    expect([await tables("empty1"), await tables("empty2")]).toEqual([[], []]);
    // And they come back.
    expect(await enrol(peer, "empty1")).not.toBe(token);
    expect((await connect(base, ["JOIN SEED empty2"])).status).toBe(200);
    expect(await tables("empty2")).toHaveLength(1);
  });
});
