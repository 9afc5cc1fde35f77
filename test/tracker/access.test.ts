import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, test, vi } from "vitest";
import { type AccessToken, authorizedFetch } from "../../src/link/access-token.ts";
import type { TrackerRequest, TrackerResponse } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { client, MANAGE, manage, opened, register, tracker } from "./service.ts";
import { eventually } from "./world.ts";

describe("access tokens", () => {
  const SECRET = "a secret that issuer and tracker share";
  const sign = (claims: Readonly<Record<string, string>>, life = 3600, secret = SECRET): Promise<string> =>
    new SignJWT({ scope: "watch", ...claims })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject(claims["sub"] ?? "viewer")
      .setExpirationTime(Math.floor(Date.now() / 1000) + life)
      .sign(new TextEncoder().encode(secret));

  test("PPSP-TP T97 T96 T49: without a good token 401, WWW-Authenticate, and AUTHENTICATION REQUIRED", async () => {
    const { url } = await tracker({ parameters: { AUTH_SECRET: SECRET } });
    const none = await register(url, "peer");
    expect([none.status, none.message?.response]).toEqual([401, "AUTHENTICATION REQUIRED"]);
    expect(none.headers.get("WWW-Authenticate")).toBe('Bearer realm="ppsp"');
    const bad = [
      await sign({}, -3600),
      await sign({}, 3600, "another secret of the same good length"),
      "nonsense",
      `${btoa('{"alg":"none"}')}.${btoa('{"sub":"x","exp":9999999999}')}.`,
    ];
    for (const token of bad) {
      const { status, headers } = await register(url, "peer", { authorization: `Bearer ${token}` });
      expect(status).toBe(401);
      expect(headers.get("WWW-Authenticate")).toBe('Bearer realm="ppsp", error="invalid_token"');
    }
    expect((await register(url, "peer", { authorization: `Bearer ${await sign({})}` })).status).toBe(200);
  });

  test("a scope holds for all swarms or for one, and seeding needs more than watching", async () => {
    const { url } = await tracker({ parameters: { AUTH_SECRET: SECRET } });
    const ask = async (peerId: string, scope: string, swarmId: string, peerMode?: "SEED"): Promise<number> => {
      const authorization = `Bearer ${await sign({ scope, sub: peerId })}`;
      return (await register(url, peerId, { authorization, swarmId, ...(peerMode && { peerMode }) })).status;
    };
    expect(await ask("a", "watch:abcdef", "abcdef")).toBe(200);
    expect(await ask("b", "watch:abcdef", "123456")).toBe(403);
    expect(await ask("c", "watch", "abcdef", "SEED")).toBe(403);
    expect(await ask("d", "seed:abcdef", "abcdef", "SEED")).toBe(200);
    expect(await ask("e", "super-node", "abcdef", "SEED")).toBe(200);
    expect(await ask("f", "", "abcdef")).toBe(403);
  });

  test("a super-node of one swarm is none in another that it joins with the same request", async () => {
    const { url } = await tracker({ parameters: { AUTH_SECRET: SECRET } });
    const ask = async (peerId: string, scope: string, swarmIds: readonly string[]): Promise<TrackerResponse> => {
      const actions = swarmIds.map((swarmId) => {
        return { swarmId, action: "JOIN", peerMode: "LEECH", transactionId: swarmId } as const;
      });
      const body = xmlCodec.encodeRequest({ method: "CONNECT", transactionId: "1", peerId, addresses: [], actions });
      const authorization = `Bearer ${await sign({ scope, sub: peerId })}`;
      const headers = { "Content-Type": "application/xml", Authorization: authorization };
      return xmlCodec.decodeResponse(await (await fetch(url, { method: "POST", body, headers })).text());
    };
    await ask("super", "super-node:abcdef watch:123456", ["abcdef", "123456"]);
    const { peers = [] } = await ask("viewer", "watch", ["abcdef", "123456"]);
    expect(peers.slice(1).map(({ swarmId, superNode }) => [swarmId, superNode])).toEqual([
      ["abcdef", true],
      ["123456", undefined],
    ]);
  });

  test("a Peer-ID belongs to the subject that registered it, and a token may name the only Peer-ID that it is for", async () => {
    const { url } = await tracker({ parameters: { AUTH_SECRET: SECRET } });
    const alice = `Bearer ${await sign({ sub: "alice" })}`;
    const bob = `Bearer ${await sign({ sub: "bob" })}`;
    const { message } = await register(url, "peer", { authorization: alice });
    expect((await register(url, "peer", { authorization: bob })).status).toBe(401);
    expect(message?.registration?.token).toMatch(/^[0-9a-f]{32}$/u);
    const named = `Bearer ${await sign({ peer_id: "mine" })}`;
    expect((await register(url, "yours", { authorization: named })).status).toBe(401);
    expect((await register(url, "mine", { authorization: named })).status).toBe(200);
  });

  test("a base-protocol registration is its subject's too, whoever else asks from the same address", async () => {
    const { url } = await tracker({ parameters: { AUTH_SECRET: SECRET } });
    const actions = [{ swarmId: "abcdef", action: "JOIN", peerMode: "LEECH", transactionId: "1" }] as const;
    const leave = [{ swarmId: "abcdef", action: "LEAVE", peerMode: "LEECH", transactionId: "1" }] as const;
    const base = { peerId: "peer", transactionId: "t" };
    const join: TrackerRequest = { ...base, method: "CONNECT", addresses: [], actions };
    const others: TrackerRequest[] = [
      { ...join, transactionId: "u" },
      { ...join, transactionId: "v", actions: leave },
      { ...base, method: "FIND", swarmId: "abcdef" },
      { ...base, method: "STAT_REPORT", stats: [{ swarmId: "abcdef", uploadedBytes: 1 }] },
    ];
    const ask = async (sub: string, request: TrackerRequest): Promise<number> => {
      const headers = { "Content-Type": "application/xml", Authorization: `Bearer ${await sign({ sub })}` };
      return (await fetch(url, { method: "POST", headers, body: xmlCodec.encodeRequest(request) })).status;
    };
    expect(await ask("alice", join)).toBe(200);
    for (const request of others)
      expect([request.method, await ask("mallory", request)]).toEqual([request.method, 401]);
    expect(await ask("alice", others[2]!)).toBe(200);
  });

  test("keys come from a JWKS URL; a public key is never taken for a shared secret", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    const jwk = { ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" };
    const issuer = createServer((_, response) => response.end(JSON.stringify({ keys: [jwk] })));
    await new Promise<void>((listening) => issuer.listen(0, "127.0.0.1", listening));
    opened.push(() => issuer.close());
    const AUTH_JWKS_URL = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks.json`;
    const { url } = await tracker({ parameters: { AUTH_JWKS_URL, AUTH_ISSUER: "https://id.example" } });
    const made = (iss: string): Promise<string> =>
      new SignJWT({ scope: "watch" })
        .setProtectedHeader({ alg: "ES256", kid: "1" })
        .setSubject("viewer")
        .setIssuer(iss)
        .setExpirationTime("1h")
        .sign(privateKey);
    expect((await register(url, "a", { authorization: `Bearer ${await made("https://id.example")}` })).status).toBe(
      200,
    );
    expect((await register(url, "b", { authorization: `Bearer ${await made("https://else.example")}` })).status).toBe(
      401,
    );
    const forged = await sign({ iss: "https://id.example" }, 3600, JSON.stringify(jwk));
    expect((await register(url, "c", { authorization: `Bearer ${forged}` })).status).toBe(401);
  });

  test("PPSP-TP T50 T53: enrolment gives a Peer-ID with a token for it alone, at a regulated rate", async () => {
    const { url } = await tracker({ parameters: { AUTH_SECRET: SECRET, ENROL: "true", ENROL_RATE: "2" } });
    const enrol = (): Promise<Response> => fetch(new URL("enrol", url), { method: "POST" });
    const given = (await (await enrol()).json()) as { peer_id: string; access_token: string; expires_in: number };
    const authorization = `Bearer ${given.access_token}`;
    expect(given.expires_in).toBe(86_400);
    expect((await register(url, given.peer_id, { authorization, peerMode: "SEED" })).status).toBe(200);
    expect((await register(url, "another", { authorization })).status).toBe(401);
    expect((await enrol()).status).toBe(200);
    expect((await enrol()).status).toBe(503);
  });

  test("a client renews a token that has expired, without leaving the swarm", async () => {
    const running = await tracker({ trackTimer: 3, parameters: { AUTH_SECRET: SECRET } });
    // 30 s of tolerance for clocks that differ.
    const tokens = [await sign({}, -28), await sign({})];
    const asked: string[] = [];
    const give: AccessToken = (trackerUrl) => {
      asked.push(trackerUrl);
      return tokens[asked.length - 1] ?? "";
    };
    const peer = client(running.url, "peer", {
      fetch: authorizedFetch((url, init) => fetch(url, init), running.url, give),
    });
    await peer.reaches("open");
    await eventually(() => asked.length === 2, "renewal");
    const { reports } = peer;
    await eventually(() => peer.reports > reports + 1, "reports go on");
    expect(peer.states).toEqual(["connecting", "open"]);
    expect(asked).toEqual([running.url, running.url]);
  });

  test("a client whose registration is gone and whose token has expired asks for another one, and rejoins", async () => {
    const parameters = { AUTH_SECRET: SECRET };
    const before = await tracker({ parameters });
    const tokens = [await sign({}), await sign({}, -3600), await sign({ sub: "renewed" })];
    let asked = 0;
    const peer = client(before.url, "peer", {
      fetch: authorizedFetch(
        (url, init) => fetch(url, init),
        before.url,
        () => tokens[(asked += 1) - 1] ?? "",
      ),
    });
    await peer.reaches("open");
    expect(asked).toBe(1);
    await before.close();
    await tracker({ parameters: { AUTH_SECRET: "another secret that only the next tracker has" }, port: before.port });
    tokens[2] = await sign({}, 3600, "another secret that only the next tracker has");
    await peer.reaches("open", 2);
    expect(asked).toBe(3);
  });
});

describe("bans", () => {
  const parameters = { MANAGE_TOKEN: MANAGE };

  test("a ban of an address ends what others of its network have, and lets none of it in", async () => {
    const { url } = await tracker({ parameters: { ...parameters, SOURCE_HEADER: "X-Source" } });
    await register(url, "rude", { source: "2001:db8::1" });
    await register(url, "other-name", { source: "2001:db8::2" });
    await register(url, "polite", { source: "2001:db8:0:1::1" });
    await manage(url, "/swarms/abcdef/bans/rude", { method: "PUT", body: '{"address":true}' });
    const [, { peers }] = await manage(url, "/swarms/abcdef/peers");
    expect(peers).toMatchObject([{ peerId: "polite" }]);
    expect((await register(url, "new-name", { source: "2001:DB8:0::3" })).status).toBe(403);
    expect((await register(url, "new-name", { source: "2001:db8:0:1::3" })).status).toBe(200);
  });

  test("a ban that is over leaves nothing of a swarm that has no members", async () => {
    const { url } = await tracker({ parameters });
    await manage(url, "/swarms/abcdef/bans/rude", { method: "PUT", body: '{"seconds":1}' });
    const listed = async (): Promise<unknown> => (await manage(url, "/swarms"))[1]["swarms"];
    expect(await listed()).toMatchObject([{ swarmId: "abcdef", bans: 1 }]);
    await vi.waitFor(async () => expect(await listed()).toEqual([]), { timeout: 10_000 });
  });
});
