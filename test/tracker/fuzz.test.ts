import { describe, expect, test } from "vitest";
import { handleTracker } from "../../src/tracker/handler.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { LocalObjects } from "./objects.ts";

const BODIES = 10_000;

const SEEDS = [
  xmlCodec.encodeRequest({
    method: "CONNECT",
    transactionId: "12345.0",
    peerId: "656164657221",
    peerNum: { count: 5, abilityNAT: "STUN" },
    actions: [
      { swarmId: "1111", action: "LEAVE", peerMode: "LEECH", transactionId: "12345.1" },
      { swarmId: "2222", action: "JOIN", peerMode: "SEED", transactionId: "12345.2" },
    ],
    addresses: [{ addrType: "ipv6", ip: "2001:db8::2", port: 80, priority: 2, peerProtocol: "PPSP-PP" }],
  }),
  xmlCodec.encodeRequest({
    method: "CONNECT",
    transactionId: "12345.0",
    peerId: "656164657221",
    actions: [{ swarmId: "1111", action: "JOIN", peerMode: "LEECH", transactionId: "12345.1" }],
    addresses: [],
    registration: {},
  }),
  xmlCodec.encodeRequest({
    method: "CONNECT",
    transactionId: "12345.0",
    peerId: "656164657222",
    actions: [{ swarmId: "1111", action: "JOIN", peerMode: "LEECH", transactionId: "12345.1" }],
    addresses: [],
  }),
  xmlCodec.encodeRequest({
    method: "STAT_REPORT",
    transactionId: "12345",
    peerId: "656164657221",
    stats: [{ swarmId: "1111", uploadedBytes: 512, downloadedBytes: 768, availBandwidth: 1_024_000 }],
  }),
];
const encoder = new TextEncoder();
const PARTS = [
  "<",
  ">",
  "</",
  "/>",
  "&",
  "&#0;",
  "]]>",
  "<![CDATA[",
  "<!--",
  '"',
  "\0",
  "\u{fffe}",
  "1e999",
  "-1",
  "JOIN",
  "SEED",
  "1111",
];

/** Numbers below `limit`, the same in every run. */
function* numbers(): Generator<number, never, number> {
  let state = 20_261_121;
  let limit = yield 0;
  for (;;) {
    state = (state * 48_271) % 2_147_483_647;
    limit = yield state % limit;
  }
}

describe("hostile bodies", () => {
  test(`${BODIES} damaged requests never give a status of 500 or more, nor an exception`, async () => {
    const source = numbers();
    source.next();
    const below = (limit: number): number => source.next(limit).value;
    const objects = new LocalObjects();
    const statuses = new Map<number, number>();
    for (let run = 0; run < BODIES; run += 1) {
      let body = encoder.encode(SEEDS[below(SEEDS.length)]);
      for (let damage = below(4); damage >= 0; damage -= 1) {
        const at = below(body.length + 1);
        const part = encoder.encode(PARTS[below(PARTS.length)]);
        const kind = below(5);
        if (kind === 0) body = Uint8Array.from([...body.subarray(0, at), ...part, ...body.subarray(at)]);
        else if (kind === 1) body = Uint8Array.from([...body.subarray(0, at), ...body.subarray(at + below(40))]);
        else if (kind === 2)
          body = Uint8Array.from([...body.subarray(0, at), ...body.subarray(Math.max(0, at - below(80)))]);
        else if (kind === 3 && at < body.length) body[at] = below(256);
        else body = body.slice(0, Math.max(1, at));
      }
      if (body.length === 0) continue;
      const headers = { "Content-Type": "application/xml", "Content-Length": String(body.length) };
      const request = new Request("http://tracker.example/", { method: "POST", body, headers });
      const response = await handleTracker(request, { source: `192.0.2.${below(3)}` }, objects, { serves: () => true });
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      const text = await response.text();
      if (response.status === 200 || response.status === 401) xmlCodec.decodeResponse(text);
      else expect(text).toBe("");
    }
    expect([...statuses.keys()].filter((status) => ![200, 400, 401, 403].includes(status))).toEqual([]);
    expect(statuses.size).toBe(4);
  });
});
