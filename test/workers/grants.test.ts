import { exportJWK, generateKeyPair } from "jose";
import { describe, expect, test } from "vitest";
import { signGrant } from "../../src/tracker/auth/grant.ts";
import { KEYS, PUBLISHERS } from "../tracker/publishers.ts";
import type { FindRequest } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { type Answer, connect, newTransaction, post, report, unique } from "./tracker.ts";

const [ED25519, P256] = KEYS;
const [LISTED, ALSO] = PUBLISHERS;
const soon = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;
/** A SwarmID that no test has used. */
const swarm = (): string => unique("").replaceAll("-", "");
const refusal = ({ status, headers }: Answer): [number, string | null] => [status, headers.get("PPSP-Reason")];
const find = (peerId: string, swarmId: string, rest: Partial<FindRequest> = {}): Promise<Answer> =>
  post(xmlCodec.encodeRequest({ method: "FIND", transactionId: newTransaction(), peerId, swarmId, ...rest }));
const join = (swarmId: string, grants: readonly string[], token = true): Promise<Answer> =>
  connect(unique("peer"), [`JOIN LEECH ${swarmId}`], { ...(token && { registration: {} }), grants });

describe("publishers' grants", () => {
  test.each([
    ["Ed25519", ED25519, LISTED],
    ["ECDSA P-256", P256, ALSO],
  ] as const)("a swarm that nobody named is served to who shows its grant: %s", async (_, key, publisher) => {
    const swarmId = swarm();
    expect(refusal(await join(swarmId, []))).toEqual([403, "Swarm not served here"]);
    const grant = await signGrant(key, publisher, swarmId, undefined);
    expect((await join(swarmId, [grant])).status).toBe(200);
    expect((await join(swarmId, [await signGrant(key, publisher, swarmId, soon(60))])).status).toBe(200);
  });

  test("shown once, it need not be shown in reports, FINDs, and by others, while the swarm has members", async () => {
    const swarmId = swarm();
    const [peerId, base] = [unique("peer"), unique("base")];
    const grants = [await signGrant(ED25519, LISTED, swarmId, soon(60))];
    const first = await connect(peerId, [`JOIN LEECH ${swarmId}`], { registration: {}, grants });
    const registration = { token: first.message?.registration?.token ?? "" };
    expect((await report(peerId, { registration, stats: [{ swarmId }] })).status).toBe(200);
    expect((await find(peerId, swarmId, { registration })).status).toBe(200);
    expect((await connect(base, [`JOIN LEECH ${swarmId}`])).message?.peers?.map((peer) => peer.peerId)).toEqual([
      base,
      peerId,
    ]);
    expect((await report(base, { stats: [{ swarmId }] })).status).toBe(200);
    expect((await find(base, swarmId)).status).toBe(200);
    expect((await connect(base, [`LEAVE LEECH ${swarmId}`])).status).toBe(200);
    expect((await connect(peerId, [`LEAVE LEECH ${swarmId}`], { registration })).status).toBe(200);
    expect(refusal(await join(swarmId, []))).toEqual([403, "Swarm not served here"]);
  });

  test("a base-protocol peer shows one grant for each of its swarms; without one of them it is in none", async () => {
    const [one, other] = [swarm(), swarm()];
    const grants = [
      await signGrant(ED25519, LISTED, one, undefined),
      await signGrant(P256, ALSO, other, undefined),
    ] as const;
    const peerId = unique("peer");
    const actions = [`JOIN LEECH ${one}`, `JOIN LEECH ${other}`] as const;
    expect(refusal(await connect(peerId, actions, { grants: [grants[0]] }))).toEqual([
      403,
      "Grant is for another swarm",
    ]);
    expect(refusal(await report(peerId))).toEqual([403, "Peer not registered"]);
    expect((await connect(peerId, actions, { grants })).status).toBe(200);
  });

  test("forged, expired, another swarm's, an unlisted publisher's and oversized ones: 403, and why", async () => {
    const swarmId = swarm();
    const good = await signGrant(ED25519, LISTED, swarmId, undefined);
    const [head = "", claims = "", signature = ""] = good.split(".");
    const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
    const mine = await exportJWK(privateKey);
    const later = btoa(JSON.stringify({ sub: swarmId, exp: 9_999_999_999 })).replace(/=+$/u, "");
    const none = btoa(JSON.stringify({ alg: "none", typ: "ppsp-grant+jwt", kid: LISTED })).replace(/=+$/u, "");
    const bad: readonly (readonly [string, string])[] = [
      [await signGrant(mine, LISTED, swarmId, undefined), "Grant is not valid"],
      [`${head}.${later}.${signature}`, "Grant is not valid"],
      [`${none}.${claims}.`, "Grant is not valid"],
      ["nonsense", "Grant is not valid"],
      [await signGrant(ED25519, LISTED, swarmId, soon(-60)), "Grant has expired"],
      [await signGrant(ED25519, LISTED, swarm(), undefined), "Grant is for another swarm"],
      [await signGrant(mine, `0f${"00".repeat(32)}`, swarmId, undefined), "Publisher not listed here"],
      ["x".repeat(1025), "Grant is too long"],
    ];
    for (const [grant, reason] of bad) {
      expect(refusal(await join(swarmId, [grant])), reason).toEqual([403, reason]);
      expect(refusal(await join(swarmId, [grant], false)), reason).toEqual([403, reason]);
    }
    expect((await join(swarmId, [good])).status).toBe(200);
    // The swarm knows better than a viewer with an old ppsp.json.
    expect((await join(swarmId, [bad[4]?.[0] ?? ""])).status).toBe(200);
  });

  test("a grant that runs out ends the swarm", async () => {
    const swarmId = swarm();
    const peerId = unique("peer");
    // 30 s of tolerance for clocks that differ.
    const grants = [await signGrant(ED25519, LISTED, swarmId, soon(-28))];
    const { status, message } = await connect(peerId, [`JOIN LEECH ${swarmId}`], { registration: {}, grants });
    expect(status).toBe(200);
    const registration = { token: message?.registration?.token ?? "" };
    const ask = (): Promise<Answer> => report(peerId, { registration, stats: [{ swarmId }] });
    await expect.poll(async () => refusal(await ask()), { timeout: 10_000 }).toEqual([403, "Swarm not served here"]);
    expect(refusal(await join(swarmId, grants))).toEqual([403, "Grant has expired"]);
  });

  test("a live swarm is served because its SwarmID is the key of a listed publisher", async () => {
    expect((await join(LISTED, [])).status).toBe(200);
    expect((await join(ALSO, [], false)).status).toBe(200);
    expect(refusal(await join(`0f${"11".repeat(32)}`, []))).toEqual([403, "Swarm not served here"]);
  });
});
