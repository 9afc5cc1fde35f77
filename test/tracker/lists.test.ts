import { describe, expect, test } from "vitest";
import { MAX_PEERS } from "../../src/tracker/limits.ts";
import { withIceServers } from "../../src/tracker/ice.ts";
import type { ConnectRequest, StatReport, TrackerRequest, TrackerResponse } from "../../src/tracker/messages.ts";
import type { Asker, Outcome } from "../../src/tracker/objects.ts";
import { LocalObjects } from "./objects.ts";

const SWARM = "1111";
let transactions = 0;

function join(peerId: string, rest: Partial<ConnectRequest> = {}): ConnectRequest {
  const transactionId = `t${(transactions += 1)}`;
  const actions = [{ swarmId: SWARM, action: "JOIN", peerMode: "LEECH", transactionId: `${transactionId}.1` }] as const;
  return { method: "CONNECT", transactionId, peerId, actions, addresses: [], registration: {}, ...rest };
}

const answer = (outcome: Outcome): TrackerResponse => {
  if (!outcome.ok) throw new Error(outcome.reason);
  return outcome.response;
};

/** A swarm with members by token; each request names its network as an edge would. */
class World {
  readonly objects = new LocalObjects();
  readonly #tokens = new Map<string, string>();

  async connect(peerId: string, asker: Partial<Asker> = {}, rest: Partial<ConnectRequest> = {}) {
    const swarm = this.objects.swarm(SWARM);
    const known = this.#tokens.get(peerId);
    const registration = known === undefined ? {} : { token: known };
    const request = join(peerId, { registration, ...rest });
    const response = answer(await swarm.onConnect(request, { source: "192.0.2.1", ...asker }));
    const token = response.registration?.token;
    if (token !== undefined) this.#tokens.set(peerId, token);
    return response;
  }

  async ask(
    request: Pick<TrackerRequest, "method" | "peerId"> & Partial<Pick<StatReport, "stats" | "properties">>,
  ): Promise<TrackerResponse> {
    const registration = { token: this.#tokens.get(request.peerId) ?? "" };
    const whole = { transactionId: `t${(transactions += 1)}`, registration, stats: [], swarmId: SWARM, ...request };
    const swarm = this.objects.swarm(SWARM);
    const asker = { source: "192.0.2.1" };
    return answer(
      await (request.method === "FIND"
        ? swarm.onFind(whole as Parameters<typeof swarm.onFind>[0], asker)
        : swarm.onReport(whole as Parameters<typeof swarm.onReport>[0], asker)),
    );
  }

  async list(count: number, asker: Partial<Asker> = {}, rest: Partial<ConnectRequest> = {}) {
    const peers = (await this.connect("asker", asker, { peerNum: { count }, ...rest })).peers ?? [];
    return peers.slice(1);
  }
}

const ids = (peers: readonly { readonly peerId: string }[]): string[] => peers.map(({ peerId }) => peerId);

describe("peer lists", () => {
  test("PPSP-TP T98 rule: a leecher's list meets PeerNum and its attributes", async () => {
    const world = new World();
    for (let i = 0; i < 12; i += 1) await world.connect(`slow${i}`);
    for (let i = 0; i < 4; i += 1) {
      await world.connect(`fast${i}`);
      const stats = [{ swarmId: SWARM, availBandwidth: 20_000_000 }];
      await world.ask({ method: "STAT_REPORT", peerId: `fast${i}`, stats });
    }
    const list = ids(await world.list(4, {}, { peerNum: { count: 4, uploadBWlevel: "HIGH" } }));
    expect(list).toHaveLength(4);
    expect(list.filter((id) => id.startsWith("fast")).length).toBeGreaterThanOrEqual(3);
  });

  test("neighbours by network come first, as the edge tells", async () => {
    const world = new World();
    for (let i = 0; i < 12; i += 1) await world.connect(`far${i}`, { asn: "64500", country: "FR" });
    for (let i = 0; i < 3; i += 1) await world.connect(`near${i}`, { asn: "64496", country: "DE" });
    const list = ids(await world.list(4, { asn: "64496", country: "DE" }));
    expect(list.filter((id) => id.startsWith("near"))).toHaveLength(3);
  });

  test("a peer that has what comes next is listed to who is there in the video, and a map is kept until another comes", async () => {
    const world = new World();
    for (let i = 0; i < 9; i += 1) {
      await world.connect(`p${i}`);
      const ranges = [[i * 1000, i * 1000 + 999]] as const;
      const properties = { contentMap: [{ swarmId: SWARM, ranges }] };
      await world.ask({ method: "STAT_REPORT", peerId: `p${i}`, properties });
      await world.ask({ method: "STAT_REPORT", peerId: `p${i}` });
    }
    expect(ids(await world.list(3, {}, { position: 4100, peerNum: { count: 3 } }))[0]).toBe("p4");
    expect(ids(await world.list(3, {}, { position: 7100, peerNum: { count: 3 } }))[0]).toBe("p7");
  });

  test("PPSP-TP T100 rule: without wishes the list is random, and never has the asker", async () => {
    const world = new World();
    for (let i = 0; i < 30; i += 1) await world.connect(`p${i}`);
    const seen = new Set<string>();
    for (let round = 0; round < 60; round += 1) for (const id of ids(await world.list(5))) seen.add(id);
    expect(seen.size).toBe(30);
    expect(seen).not.toContain("asker");
  });

  test("a peer that was silent for longer than the track timer is in no list", async () => {
    const world = new World();
    await world.connect("silent");
    world.objects.now = 999;
    await world.connect("alive");
    world.objects.now = 1001;
    expect(ids(await world.list(10))).toEqual(["alive"]);
  });

  test("the address is the one that requests came from; relay-only peers are listed without one", async () => {
    const world = new World();
    const addresses = [{ addrType: "ipv4", ip: "203.0.113.99", port: 80 }] as const;
    await world.connect("plain", { source: "198.51.100.1" }, { addresses });
    await world.connect("relayed", { source: "198.51.100.2" });
    await world.ask({ method: "STAT_REPORT", peerId: "relayed", properties: { nat: "TURN" } });
    const list = new Map((await world.list(10)).map((peer) => [peer.peerId, peer.addresses]));
    expect(list.get("plain")?.map(({ ip }) => ip)).toEqual(["198.51.100.1"]);
    expect(list.get("relayed")).toEqual([]);
  });

  test("super-nodes that have authenticated are offered to everybody, and named as such", async () => {
    const world = new World();
    await world.connect("far", { superNodeOf: [SWARM], country: "FR" });
    for (let i = 0; i < 300; i += 1) await world.connect(`p${i}`);
    await world.connect("near", { superNodeOf: [SWARM], country: "DE" });
    await world.connect("pretender");
    for (let round = 0; round < 20; round += 1) {
      const list = await world.list(6, { country: "DE" });
      expect(ids(list).slice(0, 2)).toEqual(["near", "far"]);
      expect(list.filter(({ superNode }) => superNode)).toHaveLength(2);
    }
    // Who comes back without its credentials is one no longer.
    await world.connect("far", { country: "FR" });
    expect((await world.list(6)).filter(({ superNode }) => superNode)).toHaveLength(1);
  });

  test("answers to CONNECT, FIND and STAT_REPORT say how many members there are", async () => {
    const world = new World();
    await world.connect("first");
    expect((await world.connect("second")).swarmSizes).toEqual([{ swarmId: SWARM, size: 2 }]);
    const stats = [{ swarmId: SWARM }];
    const report = await world.ask({ method: "STAT_REPORT", peerId: "first", stats });
    expect(report.swarmSizes).toEqual([{ swarmId: SWARM, size: 2 }]);
    const find = await world.ask({ method: "FIND", peerId: "first" });
    expect([ids(find.peers ?? []), find.swarmSizes?.[0]?.size]).toEqual([["second"], 2]);
  });

  test("a list costs the same in a swarm of 50 and of 20,000: it looks at a sample", async () => {
    const looked = async (members: number): Promise<number> => {
      const world = new World();
      for (let i = 0; i < members; i += 1) await world.connect(`p${i}`, {}, { peerNum: { count: 0 } });
      const before = world.objects.draws;
      await world.list(MAX_PEERS);
      return world.objects.draws - before;
    };
    const small = await looked(400);
    expect(await looked(20_000)).toBeLessThanOrEqual(small * 1.1);
  });

  test("members with a token are told of STUN and TURN servers when they join or ask for more, nobody else", async () => {
    const objects = withIceServers(new LocalObjects(), [{ urls: ["turn:turn.example"], secret: "s" }], 14_400, () => 0);
    const swarm = objects.swarm(SWARM);
    const asker = { source: "192.0.2.1" };
    const joined = answer(await swarm.onConnect(join("peer"), asker));
    const username = "14400:peer";
    expect(joined.iceServers).toEqual([{ urls: ["turn:turn.example"], username, credential: expect.any(String) }]);
    const registration = { token: joined.registration?.token ?? "" };
    const find = { method: "FIND", transactionId: "f", peerId: "peer", swarmId: SWARM, registration } as const;
    expect(answer(await swarm.onFind(find, asker)).iceServers).toHaveLength(1);
    const { registration: _, ...base } = join("base");
    expect(answer(await objects.peer("base").onConnect(base, asker)).iceServers).toBeUndefined();
    const stranger = await swarm.onFind({ ...find, registration: { token: "wrong" } }, asker);
    expect(stranger.ok).toBe(false);
  });
});
