import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { LocalObjects } from "../../src/node/tracker/objects.ts";
import { type Parameter, PARAMETERS } from "../../src/tracker/parameter-list.ts";
import { Parameters } from "../../src/tracker/parameters.ts";
import { networkOf, SourceLimiter } from "../../src/tracker/sources.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { client, exchange, HEAD, MANAGE, manage, opened, register, tracker } from "./service.ts";
import { eventually } from "./world.ts";

describe("parameters", () => {
  test("each has default, unit and meaning, and its default is one that it takes", () => {
    expect(() => new Parameters({})).not.toThrow();
    for (const [name, { unit, meaning }] of Object.entries(PARAMETERS)) {
      expect(name).toMatch(/^[A-Z_]+$/u);
      expect(unit).not.toBe("");
      expect(meaning).toMatch(/\.$/u);
    }
  });

  test("docs/OPERATIONS.md has a line for each, with its default, unit, range and meaning, and no other", () => {
    const text = readFileSync(new URL("../../docs/OPERATIONS.md", import.meta.url), "utf8");
    const cells = text.split("\n").flatMap((line) => {
      const found = line.split(" | ").map((cell) => cell.replace(/^\||\|$/gu, "").trim());
      return found.length === 4 && /^`[A-Z_]+`$/u.test(found[0] ?? "") ? [found] : [];
    });
    const parameters = Object.entries<Parameter>(PARAMETERS);
    expect(cells).toEqual(
      parameters.map(([name, { default: standard, unit, range, meaning, runtime }]) => [
        `\`${name}\``,
        standard === "" ? "empty" : `\`${standard}\``,
        range === undefined ? unit : `${range[0]} to ${range[1]} ${unit}`,
        runtime === undefined ? meaning : `${meaning} ${runtime} only.`,
      ]),
    );
  });

  test("docs/OPERATIONS.md says something under every heading that the draft's section 5 leaves TBD", () => {
    const text = readFileSync(new URL("../../docs/OPERATIONS.md", import.meta.url), "utf8");
    const parts = text.split(/^#{2,3} (?=5\.)/mu).slice(1);
    const length = new Map(parts.map((part) => [part.split(" ")[0], part.length]));
    const operational = [1, 2, 3, 4, 5].map((number) => `5.1.${number}`);
    const managed = [1, 2, 3, 4, 5, 6, 7].map((number) => `5.2.${number}`);
    expect([...length.keys()]).toEqual(["5.1", ...operational, "5.2", ...managed]);
    for (const number of [...operational, ...managed]) expect(length.get(number), number).toBeGreaterThan(300);
  });

  test("wrangler.jsonc sets only what a Worker has, nothing secret, and each to its default", () => {
    const text = readFileSync(new URL("../../tracker-worker/wrangler.jsonc", import.meta.url), "utf8");
    const { vars } = JSON.parse(text.replace(/^\s*\/\/.*$/gmu, "").replace(/,(?=\s*[}\]])/gu, "")) as {
      vars: Readonly<Record<string, string>>;
    };
    const parameters: Readonly<Record<string, Parameter>> = PARAMETERS;
    expect(Object.keys(vars)).toEqual(expect.arrayContaining(["OPEN", "SWARMS", "PUBLISHERS"]));
    for (const [name, value] of Object.entries(vars)) {
      const parameter = parameters[name];
      expect([name, value]).toEqual([name, parameter?.default]);
      expect(parameter?.secret).toBeUndefined();
      expect(parameter?.runtime).not.toBe("Node");
    }
  });

  test("a text that cannot be used is refused by name, and a secret is never shown", () => {
    expect(() => new Parameters({ TRACK_TIMER: "soon" })).toThrow(/^TRACK_TIMER takes 1 to 86400 s/u);
    expect(() => new Parameters({ OPEN: "yes" })).toThrow(/^OPEN takes true or false/u);
    expect(() => new Parameters({ MANAGE_TOKEN: "short" })).toThrow(/^MANAGE_TOKEN takes 16 characters or more/u);
    expect(() => new Parameters({ ENROL: "true" })).toThrow("ENROL needs AUTH_SECRET");
    expect(() => new Parameters({ TOPOLOGY: "{" })).toThrow(/^TOPOLOGY: not JSON/u);
    expect(() => new Parameters({ ICE_SERVERS: "[1]" })).toThrow(/^ICE_SERVERS: /u);
    expect(() => new Parameters({ PUBLISHERS: "0f" })).toThrow(/^PUBLISHERS: not the public key of a publisher/u);
    for (const AUTH_JWKS_URL of ["keys", "x:y", "http://id.example/jwks.json", "ftp://id.example/"])
      expect(() => new Parameters({ AUTH_JWKS_URL })).toThrow(/^AUTH_JWKS_URL takes an https URL/u);
    expect(() => new Parameters({ AUTH_JWKS_URL: "http://[::1]:8080/jwks.json" })).not.toThrow();
    expect(JSON.stringify(new Parameters({ MANAGE_TOKEN: MANAGE }).list())).not.toContain(MANAGE);
  });
});

describe("parameters that hold a swarm, a peer or a request within bounds", () => {
  const status = async (url: string, peerId: string): Promise<[number, string | null]> => {
    const { status: code, headers } = await register(url, peerId);
    return [code, headers.get("PPSP-Reason")];
  };

  test("MEMBER_LIMIT and BODY_LIMIT", async () => {
    const { url } = await tracker({ parameters: { MEMBER_LIMIT: "1", BODY_LIMIT: "1024" } });
    expect(await status(url, "first")).toEqual([200, null]);
    expect(await status(url, "second")).toEqual([503, "Swarm is full"]);
    const headers = { "Content-Type": "application/xml" };
    const large = await fetch(url, { method: "POST", headers, body: " ".repeat(1025) });
    expect([large.status, large.headers.get("PPSP-Reason")]).toEqual([400, "Message body too large"]);
  });

  test("LIST_LIMIT and LIST_DEFAULT", async () => {
    const { url } = await tracker({ parameters: { LIST_LIMIT: "3", LIST_DEFAULT: "2" } });
    for (const id of ["a", "b", "c", "d"]) await register(url, id);
    expect((await register(url, "e")).message?.peers).toHaveLength(1 + 2);
    const seed = await register(url, "f", { peerMode: "SEED" });
    expect(seed.message?.peers).toHaveLength(1);
    const body = xmlCodec.encodeRequest({
      method: "CONNECT",
      transactionId: "t",
      peerId: "g",
      addresses: [],
      actions: [{ swarmId: "abcdef", action: "JOIN", peerMode: "LEECH", transactionId: "1" }],
      peerNum: { count: 50 },
    });
    const answer = await fetch(url, { method: "POST", body, headers: { "Content-Type": "application/xml" } });
    expect(xmlCodec.decodeResponse(await answer.text()).peers).toHaveLength(1 + 3);
  });

  test("PEER_SWARMS and GZIP_FROM", async () => {
    const { url } = await tracker({ parameters: { PEER_SWARMS: "1", GZIP_FROM: "0" } });
    const actions = ["aa", "bb"].map((swarmId) => ({
      swarmId,
      action: "JOIN" as const,
      peerMode: "LEECH" as const,
      transactionId: swarmId,
    }));
    const ask = (wanted: typeof actions): Promise<Response> => {
      const head = { method: "CONNECT", transactionId: "t", peerId: "p", addresses: [] } as const;
      const body = xmlCodec.encodeRequest({ ...head, actions: wanted });
      const headers = { "Content-Type": "application/xml", "Accept-Encoding": "gzip" };
      return fetch(url, { method: "POST", body, headers });
    };
    expect((await ask(actions)).status).toBe(403);
    const one = await ask(actions.slice(1));
    expect([one.status, one.headers.get("Content-Encoding")]).toEqual([200, "gzip"]);
  });

  test("SIGNAL_BURST and SIGNAL_RATE", async () => {
    const { url } = await tracker({ parameters: { SIGNAL_BURST: "2", SIGNAL_RATE: "1" } });
    const [from, to] = [client(url, "from"), client(url, "to")];
    await from.reaches("open");
    await to.reaches("open");
    for (let sent = 0; sent < 20; sent += 1) from.client.signal("to", sent);
    await from.reaches("connecting", 2);
    expect(to.signals).toEqual([
      ["from", 0],
      ["from", 1],
    ]);
  });
});

describe("hostile connections", () => {
  test("a body that does not come gets 408, half a head too, and others still get answers", async () => {
    const { port, url } = await tracker({ parameters: { REQUEST_TIMEOUT: "1" } });
    const slow = exchange(port, `${HEAD}Content-Length: 100\r\n\r\n<?xml`);
    const half = exchange(port, HEAD);
    expect((await register(url, "peer")).status).toBe(200);
    expect(await slow).toMatch(/^HTTP\/1\.1 408 Request took too long\r\n[\s\S]*\r\n\r\n$/u);
    expect(await half).toMatch(/^HTTP\/1\.1 408 /u);
  });

  test("a body that is announced as too large is refused at once, unread, and the connection ends", async () => {
    const { port } = await tracker();
    expect(await exchange(port, `${HEAD}Content-Length: 70000\r\n\r\n<?xml`)).toMatch(
      /^HTTP\/1\.1 400 Message body too large\r\n[\s\S]*connection: close/iu,
    );
  });

  test("too many header fields and what is no HTTP get 400: Appendix B.4 knows no 431", async () => {
    const { port } = await tracker();
    expect(await exchange(port, `${HEAD}X: ${"x".repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /u);
    expect(await exchange(port, "\0\0\0\0\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /u);
  });

  test("a flood from one address gets 503, the others still get answers, and it is logged once without an address", async () => {
    const lines: string[] = [];
    const parameters = { REQUEST_RATE: "1", REQUEST_BURST: "20", SOURCE_HEADER: "X-Source" };
    const { url } = await tracker({ parameters, log: (line) => lines.push(line) });
    const flood = await Promise.all(
      Array.from({ length: 60 }, (_, at) => register(url, `flood${at}`, { source: "192.0.2.66" })),
    );
    expect(flood.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(21);
    expect(flood.filter(({ status }) => status === 503).length).toBeGreaterThanOrEqual(39);
    expect((await register(url, "other", { source: "192.0.2.7" })).status).toBe(200);
    const logged = lines.filter((line) => line.includes('"flood"'));
    expect(logged).toHaveLength(1);
    expect(logged[0]).not.toContain("192.0.2.66");
  });

  test("the table of addresses is bounded, and an IPv6 subscriber is one source", () => {
    const limiter = new SourceLimiter(1, 1, 10);
    for (let at = 0; at < 100; at += 1) limiter.take(`192.0.2.${at}`, at);
    expect(limiter.size).toBe(10);
    expect(networkOf("2001:db8:0:1::5")).toBe(networkOf("2001:0db8:0000:0001:ffff::1"));
    expect(networkOf("2001:db8::5")).not.toBe(networkOf("2001:db8:0:1::5"));
    expect(networkOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
  });
});

describe("what an operator sees", () => {
  const parameters = { MANAGE_TOKEN: MANAGE, METRICS_TOKEN: "the-collectors-own-token" };

  test("/healthz, /stats.json and /metrics: totals for anybody, swarms for the collector, Peer-IDs and addresses for nobody", async () => {
    const { url } = await tracker({ parameters });
    const first = client(url, "peer-with-a-name");
    const second = client(url, "another-peer-name");
    await first.reaches("open");
    await second.reaches("open");
    first.client.signal("another-peer-name", 1);
    await eventually(() => second.signals.length > 0);
    expect(await (await fetch(new URL("healthz", url))).json()).toEqual({ status: "ok" });
    const stats = await (await fetch(new URL("stats.json", url))).text();
    expect(JSON.parse(stats)).toMatchObject({ swarms: 1, peers: 2, sockets: 2, signals: 1, totals: { joined: 2 } });
    expect((await fetch(new URL("metrics", url))).status).toBe(401);
    const headers = { Authorization: `Bearer ${parameters.METRICS_TOKEN}` };
    const metrics = await (await fetch(new URL("metrics", url), { headers })).text();
    expect(metrics).toMatch(/^ppsp_peers 2$/mu);
    expect(metrics).toMatch(/^ppsp_signals_total 1$/mu);
    expect(metrics).toMatch(/^ppsp_requests_total\{type="CONNECT",status="200"\} 2$/mu);
    expect(metrics).toMatch(/^ppsp_swarm_peers\{swarm="abcdef"\} 2$/mu);
    for (const line of metrics.trimEnd().split("\n")) {
      expect(line).toMatch(
        /^(?:# (?:HELP|TYPE) ppsp_\w+ .+|ppsp_\w+(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? [\d.e+-]+)$/u,
      );
    }
    for (const said of [stats, metrics]) expect(said).not.toMatch(/peer-with|another-peer|127\.0\.0\.1/u);
  });

  test("however many ask for /stats.json and /metrics, all swarms are described once a second at most", async () => {
    const { url } = await tracker({ parameters });
    await register(url, "peer");
    const collect = vi.spyOn(LocalObjects.prototype, "collect");
    opened.push(() => collect.mockRestore());
    const began = Date.now();
    const paths = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? "stats.json" : "metrics"));
    const authorization = `Bearer ${parameters.METRICS_TOKEN}`;
    const answers = await Promise.all(
      paths.map(async (path) => (await fetch(new URL(path, url), { headers: { authorization } })).text()),
    );
    for (const answer of answers) expect(answer).toMatch(/"peers":1|ppsp_peers 1/u);
    expect(collect.mock.calls.length).toBeLessThanOrEqual(1 + (Date.now() - began) / 1000);
  });

  test("the management API is there only with its token, and answers nobody else", async () => {
    const closed = await tracker();
    expect((await fetch(new URL("manage/swarms", closed.url))).status).toBe(404);
    const { url } = await tracker({ parameters });
    expect((await manage(url, "/swarms", { headers: { Authorization: "Bearer wrong" } }))[0]).toBe(401);
    expect((await manage(url, "/swarms"))[0]).toBe(200);
    expect((await manage(url, "/nothing"))[0]).toBe(404);
    expect((await manage(url, "/swarms", { method: "DELETE" }))[0]).toBe(405);
    expect(await manage(url, "/limits", { method: "PUT", body: '{"requestRate":-1,"requestBurst":1}' })).toEqual([
      400,
      { error: "requestRate takes a number from 0 to 1000000" },
    ]);
  });

  test("swarms with what they hold, peers without their addresses, log events", async () => {
    const { url } = await tracker({ parameters });
    await register(url, "a-peer", { peerMode: "SEED" });
    const content = { title: "A film", kind: "vod", byteLength: 1e9, chunkCount: 1e6, duration: 5400 };
    await manage(url, "/swarms/abcdef", { method: "PUT", body: JSON.stringify({ content }) });
    const [, { swarms }] = await manage(url, "/swarms");
    expect(swarms).toMatchObject([{ swarmId: "abcdef", members: 1, seeds: 1, p2p: true, content }]);
    const [, peers] = await manage(url, "/swarms/abcdef/peers");
    expect(peers["peers"]).toMatchObject([{ peerId: "a-peer", peerMode: "SEED", reachable: false }]);
    expect(JSON.stringify(peers)).not.toContain("127.0.0.1");
    const [, { events }] = await manage(url, "/events");
    expect(events).toEqual(
      expect.arrayContaining([expect.objectContaining({ event: "swarm-started", swarmId: "abcdef" })]),
    );
    const [, { parameters: list }] = await manage(url, "/parameters");
    expect(list).toContainEqual(expect.objectContaining({ name: "MANAGE_TOKEN", value: "(set)" }));
  });

  test("an operator ends a swarm, bans a peer with its address, switches P2P off and sets limits", async () => {
    const { url } = await tracker({ parameters: { ...parameters, SOURCE_HEADER: "X-Source" } });
    const watching = client(url, "watching");
    await watching.reaches("open");
    expect(await manage(url, "/swarms/abcdef", { method: "DELETE" })).toEqual([200, { removed: 1 }]);
    await watching.reaches("open", 2);
    await register(url, "rude", { source: "192.0.2.9" });
    const body = JSON.stringify({ address: true, seconds: 60 });
    expect(await manage(url, "/swarms/abcdef/bans/rude", { method: "PUT", body })).toEqual([200, { present: true }]);
    expect((await register(url, "rude", { source: "192.0.2.10" })).status).toBe(403);
    expect((await register(url, "new-name", { source: "192.0.2.9" })).status).toBe(403);
    expect((await register(url, "polite", { source: "192.0.2.10" })).status).toBe(200);
    expect((await manage(url, "/swarms/abcdef/bans/rude", { method: "DELETE" }))[0]).toBe(204);
    expect((await register(url, "rude", { source: "192.0.2.9" })).status).toBe(200);
    await manage(url, "/swarms/abcdef", { method: "PUT", body: '{"p2p":false}' });
    const { status, headers } = await register(url, "polite");
    expect([status, headers.get("PPSP-Reason")]).toEqual([403, "P2P is switched off for this swarm"]);
    await manage(url, "/swarms/abcdef", { method: "PUT", body: '{"p2p":true}' });
    expect((await register(url, "polite")).status).toBe(200);
    await manage(url, "/limits", { method: "PUT", body: '{"requestRate":1,"requestBurst":1}' });
    const all = await Promise.all(Array.from({ length: 5 }, () => register(url, "x", { source: "192.0.2.11" })));
    expect(all.filter((one) => one.status === 503).length).toBeGreaterThan(2);
  });

  test("PPSP-TP T54, §6.4: sums of uploads and downloads that do not agree are logged", async () => {
    const lines: string[] = [];
    const { url } = await tracker({ parameters, log: (line) => lines.push(line) });
    const { message } = await register(url, "liar");
    const token = message?.registration?.token ?? "";
    const stats = [{ swarmId: "abcdef", uploadedBytes: 1e9, downloadedBytes: 0 }];
    const request = {
      method: "STAT_REPORT",
      transactionId: "1",
      peerId: "liar",
      stats,
      registration: { token },
    } as const;
    const init = { method: "POST", headers: { "Content-Type": "application/xml" } };
    expect((await fetch(url, { ...init, body: xmlCodec.encodeRequest(request) })).status).toBe(200);
    await fetch(new URL("stats.json", url));
    const found = lines
      .map((line) => JSON.parse(line) as object)
      .filter((line) => JSON.stringify(line).includes("mismatch"));
    expect(found).toMatchObject([{ event: "accounting-mismatch", level: "warning", swarmId: "abcdef" }]);
  });

  test("CORS: any page by default, only the named ones where the operator names some", async () => {
    const named = await tracker({ parameters: { ALLOW_ORIGIN: "https://video.example" } });
    const allowed = async (path: string, origin: string): Promise<string | null> =>
      (await fetch(new URL(path, named.url), { headers: { Origin: origin } })).headers.get(
        "Access-Control-Allow-Origin",
      );
    expect(await allowed("/", "https://video.example")).toBe("https://video.example");
    expect(await allowed("/", "https://else.example")).toBeNull();
    expect(await allowed("/stats.json", "https://else.example")).toBeNull();
    expect(await allowed("/stats.json", "https://video.example")).toBe("https://video.example");
  });
});

describe("a restart with --state", () => {
  const folder = (): string => {
    const path = mkdtempSync(join(tmpdir(), "ppsp-state-"));
    opened.push(() => rmSync(path, { recursive: true }));
    return path;
  };

  test("members, their tokens, sums and bans survive it; nobody else can read the file", async () => {
    const state = join(folder(), "state");
    const parameters = { MANAGE_TOKEN: MANAGE };
    const before = await tracker({ state, parameters });
    const peer = client(before.url, "peer");
    await peer.reaches("open");
    await manage(before.url, "/swarms/abcdef/bans/rude", { method: "PUT", body: "{}" });
    await before.close();
    expect(statSync(state).mode & 0o777).toBe(0o600);
    const after = await tracker({ state, parameters, port: before.port });
    const [, { swarms }] = await manage(after.url, "/swarms");
    expect(swarms).toMatchObject([{ swarmId: "abcdef", members: 1, bans: 1 }]);
    expect((await register(after.url, "peer")).status).toBe(401);
    await peer.reaches("open", 2);
    expect((await register(after.url, "rude")).status).toBe(403);
    const [, { swarms: still }] = await manage(after.url, "/swarms");
    expect(still).toMatchObject([{ members: 1, totals: { joined: 1 } }]);
  });

  test("numbers of events go on, so that whoever asks for later ones gets them", async () => {
    const options = { state: join(folder(), "state"), parameters: { MANAGE_TOKEN: MANAGE } };
    const numbers = async ({ url }: { readonly url: string }, after: number): Promise<readonly number[]> => {
      const [, { events }] = await manage(url, `/events?after=${after}`);
      return (events as { readonly number: number }[]).map(({ number }) => number);
    };
    const before = await tracker(options);
    await register(before.url, "peer");
    const last = (await numbers(before, 0)).at(-1) ?? 0;
    expect(last).toBeGreaterThan(0);
    await before.close();
    const later = await tracker(options);
    await manage(later.url, "/limits", { method: "PUT", body: '{"requestRate":0,"requestBurst":1}' });
    expect(await numbers(later, last)).toEqual(await numbers(later, 0));
  });

  test("it is written while the tracker runs, so that a crash loses seconds", async () => {
    const state = join(folder(), "state");
    const { url } = await tracker({ state, parameters: { STATE_INTERVAL: "1" } });
    await register(url, "peer");
    await eventually(() => {
      try {
        return statSync(state).size > 200;
      } catch {
        return false;
      }
    }, "the file");
  });

  test("a file that is something else is refused, not overwritten", async () => {
    const state = join(folder(), "state");
    writeFileSync(state, "my diary\n");
    await expect(tracker({ state })).rejects.toThrow("is not the state of a tracker");
    await expect(tracker({ state: tmpdir() })).rejects.toThrow("is no file");
    await expect(tracker({ state: join(state, "below") })).rejects.toThrow(/below: a part of the path is no folder/u);
    await expect(tracker({ state: join(tmpdir(), "no-such-folder", "state") })).rejects.toThrow(
      /state: the state cannot be kept there: does not exist/u,
    );
  });
});
