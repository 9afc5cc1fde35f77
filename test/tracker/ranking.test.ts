import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Candidate,
  rank,
  type RankingWorld,
  type Requester,
  sampleSize,
  scoreOf,
  superNodeShare,
  WEIGHTS,
} from "../../src/tracker/ranking.ts";

const NOW = 10_000_000;
const world: RankingWorld = { now: NOW, random: () => 0.5 };
const plain: Candidate = { peerId: "plain", peerMode: "LEECH", since: NOW };
const asker: Requester = { peerId: "asker" };
const score = (traits: Partial<Candidate>, who: Partial<Requester> = {}): number =>
  scoreOf({ ...plain, ...traits }, { ...asker, ...who }, world);

describe("what makes a peer worth listing", () => {
  test("it has the chunks after the asker's playhead", () => {
    const map = (first: number, last: number): Partial<Candidate> => ({
      properties: { contentMap: [{ swarmId: "1111", ranges: [[first, last]] }] },
    });
    const at = { position: 1000 };
    expect(score(map(1000, 2000), at)).toBeGreaterThan(score(map(1000, 1100), at));
    expect(score(map(1000, 1100), at)).toBeGreaterThan(score(map(0, 999), at));
    expect(score({ peerMode: "SEED" }, at)).toBe(score(map(0, 9999), at));
    // Who tells nothing is between those who have it and those who have not.
    expect(score({}, at)).toBeGreaterThan(score(map(0, 999), at));
    expect(score({}, at)).toBeLessThan(score(map(0, 9999), at));
  });

  test("upload bandwidth, and more so when PeerNum asks for it; a claim beyond all measure gains nothing", () => {
    const give = (availBandwidth: number): Partial<Candidate> => ({ stat: { availBandwidth } });
    expect(score(give(5_000_000))).toBeGreaterThan(score(give(500_000)));
    expect(score(give(1e18))).toBe(score(give(16_000_000)));
    const plainGain = score(give(8_000_000)) - score(give(1_000_000));
    const wishedGain =
      score(give(8_000_000), { wishes: { uploadBWlevel: "HIGH" } }) -
      score(give(1_000_000), { wishes: { uploadBWlevel: "HIGH" } });
    expect(wishedGain).toBeCloseTo(2 * plainGain);
  });

  test("time online, by the tracker's own clock, and more so when PeerNum asks for it", () => {
    const since = (minutes: number): Partial<Candidate> => ({ since: NOW - minutes * 60_000 });
    expect(score(since(20))).toBeGreaterThan(score(since(2)));
    expect(score({ properties: { onlineTime: 1e9 } })).toBe(score({}));
    const wishes = { onlineTime: "HIGH" } as const;
    expect(score(since(20), { wishes }) - score(since(0), { wishes })).toBeCloseTo(2 * (score(since(20)) - score({})));
  });

  test("NAT ability: No-NAT before STUN before TURN before PROXY, or at least what PeerNum asks for", () => {
    const nat = (ability: "No-NAT" | "STUN" | "TURN" | "PROXY"): Partial<Candidate> => ({
      properties: { nat: ability },
    });
    const scores = (["No-NAT", "STUN", "TURN", "PROXY"] as const).map((ability) => score(nat(ability)));
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    const wishes = { abilityNAT: "STUN" } as const;
    expect(score(nat("STUN"), { wishes })).toBe(score(nat("No-NAT"), { wishes }));
    expect(score(nat("STUN"), { wishes })).toBeGreaterThan(score(nat("TURN"), { wishes }));
  });

  test("same network before same country before elsewhere; an ALTO cost map has the last word", () => {
    const place = { asn: "64496", country: "DE", pid: "a" };
    const from = (asn: string, country: string): number => score({ place: { asn, country, pid: "b" } }, { place });
    expect(from("64496", "DE")).toBeGreaterThan(from("64497", "DE"));
    expect(from("64497", "DE")).toBeGreaterThan(from("64497", "FR"));
    const costly = { ...world, cost: () => 1 };
    const near = { ...plain, place };
    expect(scoreOf(near, { ...asker, place }, costly)).toBeLessThan(scoreOf(near, { ...asker, place }, world));
  });

  test("cable before radio that is paid by the byte, mains before battery", () => {
    expect(score({ properties: { access: "ethernet" } })).toBeGreaterThan(score({ properties: { access: "wifi" } }));
    expect(score({ properties: { access: "wifi" } })).toBeGreaterThan(score({ properties: { access: "cellular" } }));
    expect(score({ properties: { power: "mains" } })).toBeGreaterThan(score({ properties: { power: "battery" } }));
  });

  test("equals take turns", () => {
    const candidates = Array.from({ length: 40 }, (_, i) => ({ ...plain, peerId: `p${i}` }));
    let seed = 1;
    const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const seen = new Set<string>();
    for (let round = 0; round < 50; round += 1) {
      for (const { peerId } of rank(candidates, asker, 5, { now: NOW, random })) seen.add(peerId);
    }
    expect(seen.size).toBe(40);
  });
});

describe("the list", () => {
  const one = (peerId: string, traits: Partial<Candidate> = {}): Candidate => ({ ...plain, peerId, ...traits });

  test("super-nodes are always offered, local ones first, but leave room for peers", () => {
    const place = { asn: "64496", country: "DE" };
    const superNode = (peerId: string, asn: string, country: string): Candidate =>
      one(peerId, { superNode: true, place: { asn, country } });
    const strong = Array.from({ length: 20 }, (_, i) =>
      one(`strong${i}`, { peerMode: "SEED", stat: { availBandwidth: 1e9 }, place }),
    );
    const nodes = [superNode("far", "1", "FR"), superNode("country", "2", "DE"), superNode("here", "64496", "DE")];
    const listed = (count: number): string[] =>
      rank([...strong, ...nodes], { ...asker, place }, count, world).map(({ peerId }) => peerId);
    expect(listed(8).slice(0, 3)).toEqual(["here", "country", "far"]);
    expect(listed(1)).toEqual(["here"]);
    expect(listed(4).filter((id) => id.startsWith("strong"))).toHaveLength(2);
  });

  test("a quarter is left to chance, so that no clique becomes an island", () => {
    const near = Array.from({ length: 40 }, (_, i) => one(`near${i}`, { place: { asn: "64496" } }));
    const far = Array.from({ length: 40 }, (_, i) => one(`far${i}`, { place: { asn: "1", country: "FR" } }));
    const list = rank([...far, ...near], { ...asker, place: { asn: "64496", country: "DE" } }, 20, world);
    expect(list.filter(({ peerId }) => peerId.startsWith("near"))).toHaveLength(15);
    expect(list.filter(({ peerId }) => peerId.startsWith("far"))).toHaveLength(5);
  });

  const traits = fc.record(
    {
      peerMode: fc.constantFrom("LEECH" as const, "SEED" as const),
      since: fc.integer({ min: 0, max: 2 * NOW }),
      stat: fc.record({ availBandwidth: fc.double() }),
      superNode: fc.boolean(),
      place: fc.record({ asn: fc.constantFrom("1", "2"), country: fc.constantFrom("DE", "FR") }, { requiredKeys: [] }),
      properties: fc.record(
        {
          nat: fc.constantFrom("No-NAT" as const, "STUN" as const, "TURN" as const, "PROXY" as const),
          access: fc.constantFrom("ethernet" as const, "wifi" as const, "cellular" as const),
          contentMap: fc.constant([{ swarmId: "1111", ranges: [[0, 5]] as const }]),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  );

  test("property: never the asker, nobody twice, never more than asked for, all candidates if they are few", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), traits), { maxLength: 60 }),
        fc.integer({ min: 0, max: 50 }),
        fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
        (drawn, count, position) => {
          const candidates = drawn.map(([id, some]) => one(`p${id}`, some));
          const list = rank(candidates, { peerId: "p0", position, place: { asn: "1", country: "DE" } }, count, world);
          const ids = list.map(({ peerId }) => peerId);
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids).not.toContain("p0");
          const others = new Set(candidates.map(({ peerId }) => peerId).filter((id) => id !== "p0"));
          for (const id of ids) expect(others).toContain(id);
          const plainOnes = new Map(candidates.map((each) => [each.peerId, each]));
          plainOnes.delete("p0");
          const nodes = [...plainOnes.values()].filter(({ superNode }) => superNode).length;
          const offered = Math.min(nodes, superNodeShare(count));
          expect(ids.length).toBe(offered + Math.min(plainOnes.size - nodes, count - offered));
        },
      ),
    );
  });

  test("property: whatever a peer claims, its score is a number within the sum of all weights", () => {
    const most = Object.values(WEIGHTS).reduce((sum, weight) => sum + 2 * weight, 0);
    fc.assert(
      fc.property(traits, (some) => {
        const value = score(some, { position: 3, wishes: { uploadBWlevel: "HIGH", concurrentLinks: "HIGH" } });
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(most);
      }),
    );
  });

  test("the work is bounded by the list, not by the swarm", () => {
    expect(sampleSize(20)).toBe(80);
  });
});
