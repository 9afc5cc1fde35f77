import { describe, expect, test } from "vitest";
import { handleTracker } from "../../src/tracker/handler.ts";
import { TrackerError } from "../../src/tracker/errors.ts";
import { jsonSignals } from "../../src/tracker/json/signal.ts";
import { xmlSignals } from "../../src/tracker/xml/signal.ts";
import { jsonCodec } from "../../src/tracker/json/codec.ts";
import type { TrackerRequest } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { LocalObjects } from "./objects.ts";
import { validate } from "./schema.ts";

const BODIES = 10_000;

const SEEDS: readonly TrackerRequest[] = [
  {
    method: "CONNECT",
    transactionId: "12345.0",
    peerId: "656164657221",
    peerNum: { count: 5, abilityNAT: "STUN" },
    actions: [
      { swarmId: "1111", action: "LEAVE", peerMode: "LEECH", transactionId: "12345.1" },
      { swarmId: "2222", action: "JOIN", peerMode: "SEED", transactionId: "12345.2" },
    ],
    addresses: [{ addrType: "ipv6", ip: "2001:db8::2", port: 80, priority: 2, peerProtocol: "PPSP-PP" }],
  },
  {
    method: "CONNECT",
    transactionId: "12345.0",
    peerId: "656164657221",
    actions: [{ swarmId: "1111", action: "JOIN", peerMode: "LEECH", transactionId: "12345.1" }],
    addresses: [],
    registration: {},
    grants: ["eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMTExIn0.AAAA"],
  },
  {
    method: "CONNECT",
    transactionId: "12345.0",
    peerId: "656164657222",
    actions: [{ swarmId: "1111", action: "JOIN", peerMode: "LEECH", transactionId: "12345.1" }],
    addresses: [],
  },
  {
    method: "STAT_REPORT",
    transactionId: "12345",
    peerId: "656164657221",
    stats: [{ swarmId: "1111", uploadedBytes: 512, downloadedBytes: 768, availBandwidth: 1_024_000 }],
    properties: {
      onlineTime: 3600,
      playback: { chunksInTime: 1111, chunksLate: 2, stalls: 1, rejected: 0 },
      nat: "STUN",
      access: "wifi",
      power: "mains",
      contentMap: [
        {
          swarmId: "1111",
          ranges: [
            [0, 99],
            [200, 200],
          ],
        },
      ],
    },
  },
  {
    method: "FIND",
    transactionId: "12345",
    peerId: "656164657222",
    swarmId: "1111",
    peerNum: { count: 5, uploadBWlevel: "HIGH" },
    position: 1111,
  },
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
  "{",
  "[",
  "]",
  ",",
  ":null",
  ":[]",
  "\\",
  "\\u0000",
  '"__proto__":',
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
  const encodings = {
    XML: { codec: xmlCodec, type: "application/xml" },
    JSON: { codec: jsonCodec, type: "application/ppsp-tracker+json" },
  } as const;

  test.each(["XML", "JSON"] as const)(
    "10,000 damaged requests in %s never give a status of 500 or more, nor an exception, nor an answer beside the schema",
    async (name) => {
      const { codec, type } = encodings[name];
      const seeds = SEEDS.map((seed) => encoder.encode(codec.encodeRequest(seed)));
      const source = numbers();
      source.next();
      const below = (limit: number): number => source.next(limit).value;
      const objects = new LocalObjects();
      const statuses = new Map<number, number>();
      for (let run = 0; run < BODIES; run += 1) {
        const body = damage(seeds[below(seeds.length)] ?? new Uint8Array(), below);
        if (body.length === 0) continue;
        const headers = { "Content-Type": type, "Content-Length": String(body.length) };
        const request = new Request("http://tracker.example/", { method: "POST", body, headers });
        const asker = { source: `192.0.2.${below(3)}` };
        const response = await handleTracker(request, asker, objects, { serves: () => true });
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        const text = await response.text();
        if (response.status === 200 || response.status === 401) {
          codec.decodeResponse(text);
          if (name === "XML") validate(text);
        } else if (name === "XML") expect(text).toBe("");
        else expect(JSON.parse(text)).toHaveProperty("PPSPTrackerProtocol.error_code");
      }
      expect([...statuses.keys()].filter((status) => ![200, 400, 401, 403].includes(status))).toEqual([]);
      expect(statuses.size).toBe(4);
    },
  );
});

describe("hostile signals", () => {
  test.each([jsonSignals, xmlSignals])(
    "10,000 damaged messages of $subprotocol are read or refused, and never anything else",
    (codec) => {
      const signals = [{ to: "peer", payload: `{"sdp":"v=0 <&>","n":[1,null]}` }];
      const message = { from: "peer", payload: "7" };
      const kinds: readonly (readonly [seed: string, read: (text: string) => unknown])[] = [
        ...signals.map((signal) => [codec.writeSignal(signal), codec.readSignal] as const),
        [codec.writeMessage(message), codec.readMessage],
        [codec.writeMessage({ peers: ["a", "b"] }), codec.readMessage],
        [codec.writePoll({ token: "t", session: "s", received: 3, signals, wait: 25 }), codec.readPoll],
        [codec.writeAnswer({ session: "s", messages: [message, { gone: "x" }] }), codec.readAnswer],
      ];
      const source = numbers();
      source.next();
      const below = (limit: number): number => source.next(limit).value;
      let refused = 0;
      for (let run = 0; run < BODIES; run += 1) {
        const [seed, read] = kinds[below(kinds.length)]!;
        try {
          read(new TextDecoder().decode(damage(encoder.encode(seed), below)));
        } catch (error) {
          expect(error).toBeInstanceOf(TrackerError);
          refused += 1;
        }
      }
      expect(refused).toBeGreaterThan(BODIES / 10);
      expect(refused).toBeLessThan(BODIES);
    },
  );
});

/** A body with a few bytes inserted, cut, doubled, changed, or lost from its end. */
function damage(seed: Uint8Array, below: (limit: number) => number): Uint8Array<ArrayBuffer> {
  let body = seed.slice();
  for (let times = below(4); times >= 0; times -= 1) {
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
  return body;
}
