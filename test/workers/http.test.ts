import { env, exports } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import worker from "../../tracker-worker/index.ts";
import { connect, listed, post, report, send, unique } from "./tracker.ts";

const XML = { "Content-Type": "application/xml" };

/** A CONNECT as the draft prints it, with parts replaced. */
const example = (replace: readonly [string | RegExp, string] = ["", ""]): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<PPSPTrackerProtocol xmlns="TBD" schemaLocation="TBD" version="1.0">
  <Request>CONNECT</Request>
  <PeerID>${unique("656164657221")}</PeerID>
  <PeerNum abilityNAT="STUN">5</PeerNum>
  <SwarmID action="JOIN" peerMode="LEECH" transactionID="12345.1">1111</SwarmID>
  <TransactionID>12345.0</TransactionID>
  <PeerGroup><PeerInfo>
    <PeerAddress addrType="ipv4" ip="192.0.2.2" port="80" priority="1" peerProtocol="PPSP-PP" />
    <PeerAddress addrType="ipv6" ip="2001:db8::2" port="81" priority="2" peerProtocol="PPSP-PP" />
  </PeerInfo></PeerGroup>
</PPSPTrackerProtocol>`.replace(replace[0], replace[1]);

async function refusal(answer: ReturnType<typeof send>): Promise<readonly [number, string | null]> {
  const { status, body, headers } = await answer;
  expect(body).toBe("");
  return [status, headers.get("PPSP-Reason")];
}

describe("CONNECT and STAT_REPORT", () => {
  test("PPSP-TP T12 T16 T17 T32 MUST: a response repeats the TransactionIDs of the request and its actions", async () => {
    const answer = await post(example());
    expect(answer.status).toBe(200);
    expect(answer.body).toContain(
      '<TransactionID><Result transactionID="12345.0">200 OK</Result><Result transactionID="12345.1">200 OK</Result></TransactionID>',
    );
  });

  test("PPSP-TP T33 MUST: a CONNECT response has the asker's own public address, of type REFLEXIVE (T99)", async () => {
    const answer = await post(example(), "198.51.100.7");
    expect(answer.message?.peers?.[0]).toMatchObject({
      addresses: [{ addrType: "ipv4", ip: "198.51.100.7", port: 80, type: "REFLEXIVE", priority: 1 }],
    });
    const overIpv6 = await post(example(), "2001:db8::99");
    expect(overIpv6.message?.peers?.[0]?.addresses[0]).toMatchObject({
      addrType: "ipv6",
      ip: "2001:db8::99",
      port: 81,
    });
    const bare = await connect(unique("peer"), ["JOIN LEECH 1111"], { source: "198.51.100.8" });
    expect(bare.message?.peers?.[0]?.addresses[0]).toMatchObject({ ip: "198.51.100.8", port: 0 });
  });

  test("PPSP-TP T34 MUST: each entry of a peer list has a Peer-ID and an address, T22 MUST with type and priority", async () => {
    const peer = unique("peer");
    const stated = { addrType: "ipv4", ip: "203.0.113.66", port: 7777, peerProtocol: "PPSP-PP" } as const;
    await connect(peer, ["JOIN SEED 3333"], { source: "198.51.100.9", addresses: [stated] });
    const answer = await connect(unique("asker"), ["JOIN LEECH 3333"], { peerNum: { count: 50 } });
    expect(answer.message?.peers?.find(({ peerId }) => peerId === peer)).toEqual({
      swarmId: "3333",
      peerId: peer,
      // Nobody has shown that 203.0.113.66 is this peer's.
      addresses: [
        { addrType: "ipv4", ip: "198.51.100.9", port: 7777, priority: 1, type: "REFLEXIVE", peerProtocol: "PPSP-PP" },
      ],
    });
  });

  test("PPSP-TP T98 rule: LEECH gets at most PeerNum peers, SEED none unless it asks", async () => {
    for (let count = 0; count < 4; count += 1) await connect(unique("peer"), ["JOIN LEECH 2222"]);
    expect(listed(await connect(unique("leech"), ["JOIN LEECH 2222"], { peerNum: { count: 2 } }))).toHaveLength(2);
    expect(listed(await connect(unique("leech"), ["JOIN LEECH 2222"], { peerNum: { count: 0 } }))).toHaveLength(0);
    expect(listed(await connect(unique("seed"), ["JOIN SEED 2222"]))).toHaveLength(0);
    expect(listed(await connect(unique("seed"), ["JOIN SEED 2222"], { peerNum: { count: 3 } }))).toHaveLength(3);
    expect((await connect(unique("leech"), ["JOIN LEECH 2222"])).message?.peers?.length).toBeGreaterThan(1);
  });

  test("PPSP-TP T36 MUST: a STAT_REPORT response repeats the TransactionID as text", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    const stats = [{ swarmId: "1111", uploadedBytes: 512, downloadedBytes: 768, availBandwidth: 1_024_000 }];
    const answer = await report(peer, { transactionId: "12345", stats });
    expect(answer.status).toBe(200);
    expect(answer.body).toContain("<TransactionID>12345</TransactionID>");
    expect(answer.body).not.toContain("PeerGroup");
  });

  test("PPSP-TP T74 MUST: a response is compressed for who takes gzip, where it pays, and arrives whole", async () => {
    for (let count = 0; count < 20; count += 1) await connect(unique("peer"), ["JOIN LEECH 2222"]);
    const body = example([
      '>5</PeerNum>\n  <SwarmID action="JOIN" peerMode="LEECH" transactionID="12345.1">1111',
      '>20</PeerNum>\n  <SwarmID action="JOIN" peerMode="LEECH" transactionID="12345.1">2222',
    ]);
    const answer = await send({ method: "POST", body, headers: { ...XML, "Accept-Encoding": "gzip" } });
    expect([answer.status, answer.message?.peers?.length]).toEqual([200, 21]);
    expect(answer.headers.get("Content-Encoding")).toBe("gzip");
  });

  test("RFC 7846: JSON is answered in JSON", async () => {
    const peer = unique("peer");
    const swarm_action = [{ swarm_id: "1111", action: "JOIN", peer_mode: "LEECH" }];
    const connecting = {
      version: 1,
      request_type: "CONNECT",
      transaction_id: "7",
      peer_id: peer,
      connect: { swarm_action },
    };
    const headers = { "Content-Type": "application/ppsp-tracker+json" };
    const body = JSON.stringify({ PPSPTrackerProtocol: connecting });
    const response = await exports.default.fetch(
      new Request("https://tracker.example/", {
        method: "POST",
        body,
        headers: { ...headers, "Content-Length": String(body.length), "CF-Connecting-IP": "192.0.2.1" },
      }),
    );
    expect([response.status, response.headers.get("Content-Type")]).toEqual([200, headers["Content-Type"]]);
    expect(await response.json()).toMatchObject({
      PPSPTrackerProtocol: { version: 1, response_type: 0, error_code: 0, transaction_id: "7", peer_id: peer },
    });
  });

  test("PPSP-TP T70 T71 MUST: a response with a body has Content-Type and is not cached", async () => {
    const { headers } = await post(example());
    expect(headers.get("Content-Type")).toBe("application/xml; charset=utf-8");
    expect(headers.get("Cache-Control")).toBe("no-store");
  });
});

describe("errors of §4.3", () => {
  test("PPSP-TP T39 MUST, T40 SHOULD: a malformed message gets 400, empty, with what is wrong", async () => {
    const body = example();
    expect(await refusal(post("nonsense"))).toEqual([400, expect.stringMatching(/^XML: /)]);
    expect(await refusal(post(body.slice(0, -5)))).toEqual([400, expect.stringMatching(/^XML: /)]);
    const bytes = new TextEncoder().encode(body);
    const untyped = send({ method: "POST", body: bytes, headers: { "Content-Length": String(bytes.length) } });
    expect(await refusal(untyped)).toEqual([400, "Missing Content-Type header field"]);
    expect(await refusal(send({ method: "POST", body, headers: { "Content-Type": "image/png" } }))).toEqual([
      400,
      "Content-Type is not XML or JSON",
    ]);
  });

  test("PPSP-TP T9 T11 T13 T15 T18 T19 T20 T24 MUST: what a CONNECT has to say", async () => {
    const cases: readonly (readonly [string | RegExp, string, string])[] = [
      [/<Request>.*<\/Request>/u, "", "Missing Request"],
      ["CONNECT", "connect", "Bad Request method"],
      [/<TransactionID>.*<\/TransactionID>/u, "", "Missing TransactionID"],
      [/<SwarmID.*<\/SwarmID>/u, "", "Missing SwarmID"],
      [/<PeerID>.*<\/PeerID>/u, "", "Missing PeerID"],
      ['action="JOIN"', 'action="ENTER"', "Bad action"],
      ['peerMode="LEECH"', "", "Missing SwarmID peerMode"],
      ['transactionID="12345.1"', "", "Missing SwarmID transactionID"],
      ['port="80"', 'port="65536"', "Bad port"],
      ['ip="192.0.2.2"', 'ip="192.0.2.256"', "Bad ip"],
      [">5<", ">many<", "Bad PeerNum"],
    ];
    for (const [from, to, reason] of cases) expect(await refusal(post(example([from, to])))).toEqual([400, reason]);
  });

  test("PPSP-TP T41 MUST, T42 SHOULD: a version that is not supported gets 400 and is named", async () => {
    const answer = post(example(['Protocol xmlns="TBD" schemaLocation="TBD" version="1.0"', 'Protocol version="2.0"']));
    expect(await refusal(answer)).toEqual([400, "PPSP Version 2.0"]);
  });

  test("PPSP-TP T43 MUST: no Content-Length, or a wrong one, gets 411", async () => {
    const bytes = new TextEncoder().encode(example());
    const chunked = new Request("https://tracker.example/", {
      method: "POST",
      body: new Blob([bytes]).stream(),
      duplex: "half",
      headers: XML,
    } as RequestInit);
    const response = await worker.fetch(chunked as Parameters<typeof worker.fetch>[0], env);
    expect([response.status, response.headers.get("PPSP-Reason")]).toEqual([411, "Missing Content-Length"]);
    const headers = { ...XML, "Content-Length": String(bytes.length + 1) };
    expect(await refusal(send({ method: "POST", body: bytes, headers }))).toEqual([
      411,
      "Content-Length does not match",
    ]);
  });

  test("PPSP-TP T44 MUST: a Request-URI that is too long gets 414", async () => {
    const url = `https://tracker.example/?${"x".repeat(3000)}`;
    expect(await refusal(send({ method: "POST", body: example(), headers: XML }, undefined, url))).toEqual([
      414,
      "Request-URI too long",
    ]);
  });

  test("PPSP-TP T45 MUST, T46 SHOULD: an action that is not allowed gets 403 and the reason", async () => {
    expect(await refusal(connect(unique("peer"), ["LEAVE LEECH 1111"]))).toEqual([403, "Action not allowed"]);
    expect(await refusal(report(unique("peer")))).toEqual([403, "Peer not registered"]);
  });

  test("PPSP-TP T47 SHOULD: an unexpected condition gets 500", async () => {
    const body = example();
    const request = new Request("https://tracker.example/", {
      method: "POST",
      body,
      headers: { ...XML, "Content-Length": String(body.length) },
    });
    const broken = { ...env, PEER: { getByName: () => undefined } } as unknown as Cloudflare.Env;
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const response = await worker.fetch(request as Parameters<typeof worker.fetch>[0], broken);
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
    expect([response.status, await response.text()]).toEqual([500, ""]);
    expect(response.headers.get("PPSP-Reason")).toBe("Unexpected condition");
  });

  test("PPSP-TP T48 SHOULD: an object that is overloaded gets 503", async () => {
    const body = example();
    const headers = { ...XML, "Content-Length": String(body.length) };
    const request = new Request("https://tracker.example/", { method: "POST", body, headers });
    const overloaded = () =>
      Promise.reject(Object.assign(new Error("Durable Object is overloaded"), { overloaded: true }));
    const busy = { ...env, PEER: { getByName: () => ({ onConnect: overloaded }) } } as unknown as Cloudflare.Env;
    const response = await worker.fetch(request as Parameters<typeof worker.fetch>[0], busy);
    expect([response.status, await response.text()]).toEqual([503, ""]);
    expect(response.headers.get("PPSP-Reason")).toBe("Overloaded");
  });

  test("PPSP-TP T75 SHOULD NOT: other statuses do not occur; a wrong method gets 400, another resource 404", async () => {
    expect(await refusal(send({ method: "GET" }))).toEqual([400, "Method is not POST"]);
    expect(await refusal(send({ method: "PUT", body: example(), headers: XML }))).toEqual([400, "Method is not POST"]);
    const url = "https://tracker.example/other";
    expect(await refusal(send({ method: "POST", body: example(), headers: XML }, undefined, url))).toEqual([
      404,
      "No such resource",
    ]);
    const big = example([" ", " ".repeat(70_000)]);
    expect(await refusal(post(big))).toEqual([400, "Message body too large"]);
    expect(await refusal(send({ method: "POST", headers: { ...XML, "Content-Length": "0" } }))).toEqual([
      400,
      "Missing message body",
    ]);
  });

  test("a swarm that is not on the list gets 403, and the registration is not touched", async () => {
    const peer = unique("peer");
    await connect(peer, ["JOIN LEECH 1111"]);
    expect(await refusal(connect(peer, ["JOIN LEECH 9999"]))).toEqual([403, "Swarm not served here"]);
    expect((await report(peer)).status).toBe(200);
  });

  test("browsers of any origin may ask, without preflight, and read the reason", async () => {
    const { headers } = await send({ method: "GET" });
    expect(headers.get("Access-Control-Allow-Origin")).toBe("*");
    expect(headers.get("Access-Control-Expose-Headers")).toBe("PPSP-Reason");
    const simple = await send({
      method: "POST",
      body: example(),
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
    });
    expect([simple.status, simple.headers.get("Access-Control-Allow-Origin")]).toEqual([200, "*"]);
    const preflight = await send({ method: "OPTIONS", headers: { "Access-Control-Request-Method": "POST" } });
    expect([preflight.status, preflight.headers.get("Access-Control-Allow-Methods")]).toEqual([200, "POST"]);
  });
});
