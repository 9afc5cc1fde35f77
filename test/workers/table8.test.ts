import { describe, expect, test } from "vitest";
import { connect, listed, report, unique } from "./tracker.ts";

/** Whether the Peer-ID is TRACKING: only then is a keep-alive welcome. */
const tracking = async (peerId: string): Promise<boolean> => (await report(peerId)).status === 200;

describe("Table 8, validity of @action combinations", () => {
  test("PPSP-TP T106 rule: 1 LEECH JOIN, START to TRACKING, valid", async () => {
    const peer = unique("peer");
    const answer = await connect(peer, ["JOIN LEECH 1111"]);
    expect([answer.status, answer.message?.response]).toEqual([200, "SUCCESSFUL"]);
    expect(await tracking(peer)).toBe(true);
  });

  test("PPSP-TP T107 rule: 1 LEECH LEAVE, START to TERMINATE, invalid", async () => {
    const peer = unique("peer");
    const answer = await connect(peer, ["LEAVE LEECH 1111"]);
    expect([answer.status, answer.body]).toEqual([403, ""]);
    expect(await tracking(peer)).toBe(false);
  });

  test("PPSP-TP T108 rule: 1 LEECH LEAVE, TRACKING to TERMINATE, valid", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    expect((await connect(peer, ["LEAVE LEECH 1111"])).status).toBe(200);
    expect(await tracking(peer)).toBe(false);
  });

  test("PPSP-TP T109 rule: 1 LEECH JOIN + 1 LEAVE, START to TERMINATE, invalid", async () => {
    const peer = unique("peer");
    expect((await connect(peer, ["JOIN LEECH 1111", "LEAVE LEECH 2222"])).status).toBe(403);
    expect(await tracking(peer)).toBe(false);
    expect(listed(await connect(unique("other"), ["JOIN LEECH 1111"]))).not.toContain(peer);
  });

  test("PPSP-TP T110 rule: 1 LEECH JOIN + 1 LEAVE, TRACKING to TRACKING, valid", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    expect((await connect(peer, ["JOIN LEECH 2222", "LEAVE LEECH 1111"])).status).toBe(200);
    expect(await tracking(peer)).toBe(true);
    const other = unique("other");
    const lists = await connect(other, ["JOIN LEECH 1111", "JOIN LEECH 2222"], { peerNum: { count: 50 } });
    const swarms = lists.message?.peers?.filter(({ peerId }) => peerId === peer).map(({ swarmId }) => swarmId);
    expect(swarms).toEqual(["2222"]);
  });

  test("PPSP-TP T111 rule: N SEED JOIN, START to TRACKING, valid", async () => {
    const peer = unique("seed");
    expect((await connect(peer, ["JOIN SEED 1111", "JOIN SEED 2222", "JOIN SEED 3333"])).status).toBe(200);
    expect(await tracking(peer)).toBe(true);
  });

  test("PPSP-TP T112 rule: N SEED JOIN, TRACKING to TERMINATE, invalid", async () => {
    const peer = unique("seed");
    await connect(peer, ["JOIN SEED 1111", "JOIN SEED 2222"]);
    expect((await connect(peer, ["JOIN SEED 3333"])).status).toBe(403);
    expect(await tracking(peer)).toBe(false);
  });

  test("PPSP-TP T113 rule: N SEED LEAVE, TRACKING to TERMINATE, valid", async () => {
    const peer = unique("seed");
    await connect(peer, ["JOIN SEED 1111", "JOIN SEED 2222"]);
    expect((await connect(peer, ["LEAVE SEED 1111", "LEAVE SEED 2222"])).status).toBe(200);
    expect(await tracking(peer)).toBe(false);
  });
});
