import { describe, expect, test } from "vitest";
import type { Answer } from "./tracker.ts";
import { connect, enrol, listed, report, unique } from "./tracker.ts";

const tracking = async (peerId: string): Promise<boolean> => (await report(peerId)).status === 200;

/** Swarms in which a newcomer is told of this peer. */
async function swarmsOf(peerId: string): Promise<string[]> {
  const lists = await connect(unique("looker"), ["JOIN LEECH 1111", "JOIN LEECH 2222", "JOIN LEECH 3333"], {
    peerNum: { count: 50 },
  });
  const found = lists.message?.peers?.filter((peer) => peer.peerId === peerId) ?? [];
  return found.map(({ swarmId }) => swarmId ?? "");
}

const results = (answer: Answer): readonly string[] | undefined => answer.message?.results;

describe("what Table 8 leaves open", () => {
  test("several LEECH JOINs in one CONNECT are valid in START", async () => {
    const peer = unique("peer");
    const answer = await connect(peer, ["JOIN LEECH 1111", "JOIN LEECH 2222"]);
    expect([answer.status, results(answer)?.length]).toEqual([200, 2]);
    expect(await swarmsOf(peer)).toEqual(["1111", "2222"]);
  });

  test("a further LEECH JOIN while TRACKING is valid", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    expect((await connect(peer, ["JOIN LEECH 3333"])).status).toBe(200);
    expect(await swarmsOf(peer)).toEqual(["1111", "3333"]);
  });

  test("a LEECH JOIN of a swarm that it is in gives another peer list", async () => {
    const [peer, other] = [unique("peer"), unique("other")];
    await connect(peer, ["JOIN LEECH 2222"]);
    await connect(other, ["JOIN LEECH 2222"]);
    const again = await connect(peer, ["JOIN LEECH 2222"], { peerNum: { count: 50 } });
    expect(listed(again)).toContain(other);
    expect(listed(again)).not.toContain(peer);
  });

  test("a leecher becomes a seeder by LEAVE and SEED JOIN in one CONNECT", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    expect((await connect(peer, ["LEAVE LEECH 1111", "JOIN SEED 1111"])).status).toBe(200);
    expect(await swarmsOf(peer)).toEqual(["1111"]);
  });

  test("a leecher that says SEED JOIN without LEAVE falls under T112: invalid", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    expect((await connect(peer, ["JOIN SEED 1111"])).status).toBe(403);
    expect(await tracking(peer)).toBe(false);
  });

  test("LEAVE of some of several swarms is valid and leaves the peer TRACKING in the rest", async () => {
    const peer = unique("seed");
    await connect(peer, ["JOIN SEED 1111", "JOIN SEED 2222", "JOIN SEED 3333"]);
    expect((await connect(peer, ["LEAVE SEED 1111", "LEAVE SEED 3333"])).status).toBe(200);
    expect(await tracking(peer)).toBe(true);
    expect(await swarmsOf(peer)).toEqual(["2222"]);
  });

  test("LEAVE of a swarm that was not joined is invalid and ends the registration in all swarms", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111", "JOIN LEECH 2222"]);
    expect((await connect(peer, ["LEAVE LEECH 3333"])).status).toBe(403);
    expect(await tracking(peer)).toBe(false);
    expect(await swarmsOf(peer)).toEqual([]);
  });

  test("SEED and LEECH JOINs may be mixed in START", async () => {
    const peer = unique("peer");
    expect((await connect(peer, ["JOIN SEED 1111", "JOIN LEECH 2222"])).status).toBe(200);
    expect(await swarmsOf(peer)).toEqual(["1111", "2222"]);
  });

  test("one invalid action makes the whole CONNECT invalid, whatever its order", async () => {
    for (const actions of [
      ["JOIN LEECH 2222", "LEAVE LEECH 3333"],
      ["LEAVE LEECH 3333", "JOIN LEECH 2222"],
    ] as const) {
      const peer = unique("peer");
      await connect(peer, ["JOIN LEECH 1111"]);
      expect((await connect(peer, actions)).status).toBe(403);
      expect(await swarmsOf(peer)).toEqual([]);
    }
  });

  test("the same action twice in one CONNECT is invalid", async () => {
    expect((await connect(unique("peer"), ["JOIN LEECH 1111", "JOIN LEECH 1111"])).status).toBe(403);
  });

  test("@peerMode of a LEAVE need not be that of the JOIN", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    expect((await connect(peer, ["LEAVE SEED 1111"])).status).toBe(200);
    expect(await tracking(peer)).toBe(false);
  });

  test("a peer with a token may SEED JOIN again: its registration is renewed and its token stays", async () => {
    const peer = unique("seed");
    const token = await enrol(peer, "1111", "SEED");
    const again = await connect(peer, ["JOIN SEED 1111"], { registration: { token } });
    expect([again.status, again.message?.registration?.token]).toEqual([200, token]);
  });

  test("a Registration is for one swarm", async () => {
    const answer = await connect(unique("peer"), ["JOIN LEECH 1111", "JOIN LEECH 2222"], { registration: {} });
    expect([answer.status, answer.headers.get("PPSP-Reason")]).toEqual([400, "Registration is for one swarm"]);
  });

  test("PPSP-TP T38 SHOULD: a repeated CONNECT is answered the same and has no second effect", async () => {
    const seed = unique("seed");
    for (const transactionId of ["a", "a"]) {
      const actions = ["JOIN SEED 1111", "JOIN SEED 2222"].map((text, index) => ({
        action: "JOIN" as const,
        peerMode: "SEED" as const,
        swarmId: text.split(" ")[2] ?? "",
        transactionId: `a.${index}`,
      }));
      expect((await connect(seed, [], { transactionId, actions })).status).toBe(200);
    }
    expect(await swarmsOf(seed)).toEqual(["1111", "2222"]);
    const peer = unique("peer");
    const rest = { transactionId: unique("secret"), registration: {} };
    const first = await connect(peer, ["JOIN LEECH 1111"], rest);
    const second = await connect(peer, ["JOIN LEECH 1111"], rest);
    expect(second.message?.registration?.token).toBe(first.message?.registration?.token);
  });

  test("a peer is in at most 32 swarms", async () => {
    const peer = unique("peer");
    const actions = Array.from({ length: 33 }, () => "JOIN LEECH 1111" as const);
    expect((await connect(peer, actions)).status).toBe(400);
  });
});
