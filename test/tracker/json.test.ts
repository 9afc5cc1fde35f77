import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TrackerError } from "../../src/tracker/errors.ts";
import { jsonCodec } from "../../src/tracker/json/codec.ts";
import type { TrackerRequest } from "../../src/tracker/messages.ts";
import { anyExchange, anyRequest } from "./messages.ts";

/** RFC 7846 has no TransactionIDs of actions: they follow from that of the request. */
const derived = (request: TrackerRequest): TrackerRequest =>
  request.method === "CONNECT"
    ? {
        ...request,
        actions: request.actions.map((action, index) => ({
          ...action,
          transactionId: `${request.transactionId}.${index + 1}`,
        })),
      }
    : request;

const code = (value: unknown): string => {
  try {
    jsonCodec.decodeRequest(typeof value === "string" ? value : JSON.stringify({ PPSPTrackerProtocol: value }));
  } catch (error) {
    return error instanceof TrackerError ? `${error.code}: ${error.message}` : String(error);
  }
  return "accepted";
};

const HEAD = { version: 1, transaction_id: "12345", peer_id: "656164657221" };
const KEEP_ALIVE = { ...HEAD, request_type: "STAT_REPORT" };
const CONNECT = {
  ...HEAD,
  request_type: "CONNECT",
  connect: {
    peer_num: {
      peer_count: 5,
      ability_nat: "STUN",
      concurrent_links: "HIGH",
      online_time: "NORMAL",
      upload_bandwidth_level: "NORMAL",
    },
    peer_addr: [
      {
        ip_address: { address_type: "ipv4", address: "192.0.2.2" },
        port: 80,
        priority: 1,
        type: "HOST",
        connection: "wireless",
        asn: "45645",
        peer_protocol: "PPSP-PP",
      },
    ],
    swarm_action: [{ swarm_id: "1111", action: "JOIN", peer_mode: "LEECH" }],
  },
};

describe("the JSON codec", () => {
  test("every request survives encoding and decoding", () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        expect(jsonCodec.decodeRequest(jsonCodec.encodeRequest(request))).toEqual(derived(request));
      }),
      { numRuns: 300 },
    );
  });

  test("every answer to a CONNECT survives encoding and decoding", () => {
    fc.assert(
      fc.property(anyExchange, ({ request, response }) => {
        expect(jsonCodec.decodeResponse(jsonCodec.encodeResponse(response, request))).toEqual(response);
      }),
      { numRuns: 300 },
    );
  });

  test("RFC 7846: a CONNECT with every member is understood", () => {
    expect(jsonCodec.decodeRequest(JSON.stringify({ PPSPTrackerProtocol: CONNECT }))).toEqual({
      method: "CONNECT",
      transactionId: "12345",
      peerId: "656164657221",
      peerNum: { count: 5, abilityNAT: "STUN", concurrentLinks: "HIGH", onlineTime: "NORMAL", uploadBWlevel: "NORMAL" },
      addresses: [
        {
          addrType: "ipv4",
          ip: "192.0.2.2",
          port: 80,
          priority: 1,
          type: "HOST",
          connection: "wireless",
          asn: "45645",
          peerProtocol: "PPSP-PP",
        },
      ],
      actions: [{ swarmId: "1111", action: "JOIN", peerMode: "LEECH", transactionId: "12345.1" }],
    });
  });

  test("what an address says is told to peers of any encoding: control characters, which XML has not, are left out", () => {
    const [address] = CONNECT.connect.peer_addr;
    const connect = { ...CONNECT.connect, peer_addr: [{ ...address, connection: "wire\u0001less\uffff" }] };
    const text = JSON.stringify({ PPSPTrackerProtocol: { ...CONNECT, connect } });
    expect(jsonCodec.decodeRequest(text)).toMatchObject({ addresses: [{ connection: "wireless" }] });
  });

  test("RFC 7846: FIND names a swarm, STAT_REPORT has STREAM_STATS", () => {
    const find = { ...HEAD, request_type: "FIND", swarm_id: "1111", peer_num: { peer_count: 5 } };
    expect(jsonCodec.decodeRequest(JSON.stringify({ PPSPTrackerProtocol: find }))).toMatchObject({
      method: "FIND",
      swarmId: "1111",
      peerNum: { count: 5 },
    });
    const stat = [{ swarm_id: "1111", uploaded_bytes: 512, downloaded_bytes: 768, available_bandwidth: 1_024_000 }];
    const report = { ...KEEP_ALIVE, stat_report: { type: "STREAM_STATS", stat } };
    expect(jsonCodec.decodeRequest(JSON.stringify({ PPSPTrackerProtocol: report }))).toMatchObject({
      stats: [{ swarmId: "1111", uploadedBytes: 512, downloadedBytes: 768, availBandwidth: 1_024_000 }],
    });
  });

  test("RFC 7846: each refusal has its error_code", () => {
    const codes = (
      ["malformed", "version", "forbidden", "internal", "unavailable", "unauthorized", "length"] as const
    ).map((refusal) => JSON.parse(jsonCodec.encodeRefusal(refusal, "7") ?? "").PPSPTrackerProtocol);
    expect(codes.map(({ error_code }) => error_code)).toEqual([1, 2, 3, 4, 5, 6, 1]);
    expect(codes[0]).toEqual({ version: 1, response_type: 1, error_code: 1, transaction_id: "7" });
    expect(jsonCodec.decodeResponse(jsonCodec.encodeRefusal("unauthorized", "7") ?? "").response).toBe(
      "AUTHENTICATION REQUIRED",
    );
    expect(() => jsonCodec.decodeResponse(jsonCodec.encodeRefusal("forbidden", "7") ?? "")).toThrow("error_code 3");
  });

  test("members that are not known are ignored, as are those that an object inherits", () => {
    expect(code({ ...KEEP_ALIVE, later: { deeper: [1] } })).toBe("accepted");
    expect(code(`{"PPSPTrackerProtocol":{"__proto__":${JSON.stringify(KEEP_ALIVE)}}}`)).toBe(
      "malformed: Missing version",
    );
    expect(code({ ...KEEP_ALIVE, registration: null })).toBe("accepted");
  });

  const hostile: Record<string, [unknown, string]> = {
    "no JSON": ["{", "JSON: syntax error"],
    "an array": ["[]", "Bad JSON"],
    "deep nesting": [`${"[".repeat(30_000)}${"]".repeat(30_000)}`, "JSON: nested too deeply"],
    "a string full of brackets": [{ ...KEEP_ALIVE, peer_id: "[".repeat(200) }, "Bad peer_id"],
    "no root": ["{}", "Missing PPSPTrackerProtocol"],
    "a request type in lower case": [{ ...KEEP_ALIVE, request_type: "connect" }, "Bad request_type"],
    "a number as Peer-ID": [{ ...KEEP_ALIVE, peer_id: 5 }, "Bad peer_id"],
    "a Peer-ID with control characters": [{ ...KEEP_ALIVE, peer_id: "a\nb" }, "Bad peer_id"],
    "a Peer-ID without end": [{ ...KEEP_ALIVE, peer_id: "p".repeat(129) }, "Bad peer_id"],
    "no actions": [{ ...CONNECT, connect: { swarm_action: [] } }, "Missing swarm_action"],
    "too many actions": [
      { ...CONNECT, connect: { swarm_action: Array(33).fill(CONNECT.connect.swarm_action[0]) } },
      "Too many swarm_action",
    ],
    "a count that is no integer": [
      { ...CONNECT, connect: { ...CONNECT.connect, peer_num: { peer_count: 1.5 } } },
      "Bad peer_count",
    ],
    "an amount below zero": [
      { ...KEEP_ALIVE, stat_report: { type: "STREAM_STATS", stat: [{ uploaded_bytes: -1 }] } },
      "Bad uploaded_bytes",
    ],
    "ranges that overlap": [
      {
        ...KEEP_ALIVE,
        stat_report: {
          type: "STREAM_STATS",
          content_map: [
            {
              swarm_id: "1",
              ranges: [
                [0, 5],
                [5, 6],
              ],
            },
          ],
        },
      },
      "Bad ranges",
    ],
    "too many ranges": [
      {
        ...KEEP_ALIVE,
        stat_report: {
          type: "STREAM_STATS",
          content_map: [{ swarm_id: "1", ranges: Array.from({ length: 65 }, (_, at) => [at * 2, at * 2]) }],
        },
      },
      "Too many ranges",
    ],
  };
  test.each(Object.entries(hostile))("%s is malformed", (_, [value, reason]) => {
    expect(code(value)).toBe(`malformed: ${reason}`);
  });

  test("PPSP-TP T41 MUST: another version is refused and named", () => {
    expect(code({ ...KEEP_ALIVE, version: 2 })).toBe("version: PPSP Version 2");
    expect(code({ ...KEEP_ALIVE, version: "1.0" })).toBe("version: PPSP Version unknown");
  });
});
