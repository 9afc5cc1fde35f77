import { describe, expect, test } from "vitest";
import { askTracker } from "../../src/link/tracker-http.ts";
import { DEFAULT_LIMITS } from "../../src/tracker/limits.ts";
import type { ConnectRequest } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { LocalObjects } from "./objects.ts";
import { CODECS, JOIN, JSON_TYPE, post, REPORT, send, XML } from "./post.ts";
import { validate } from "./schema.ts";

describe("FIND", () => {
  const find = { method: "FIND", transactionId: "f", peerId: "p", swarmId: "1111", peerNum: { count: 3 } } as const;

  test("RFC 7846: FIND gives more peers of a swarm, never the asker, and changes no membership", async () => {
    for (const type of [XML, JSON_TYPE]) {
      const objects = new LocalObjects();
      for (const peerId of ["p", "a", "b", "c", "d"]) await send({ ...JOIN, peerId }, { objects });
      const before = [...(objects.stored.get("1111")?.keys() ?? [])];
      const response = await send(find, { objects, type });
      expect(response.status).toBe(200);
      const text = await response.text();
      if (type === XML) validate(text);
      const message = CODECS[type as keyof typeof CODECS].decodeResponse(text);
      expect([message.transactionId, message.results, message.peers?.length]).toEqual(["f", undefined, 3]);
      expect(message.peers?.map(({ peerId }) => peerId)).not.toContain("p");
      expect(message.swarmSizes).toEqual([{ swarmId: "1111", size: 5 }]);
      expect([...(objects.stored.get("1111")?.keys() ?? [])]).toEqual(before);
    }
  });

  test("FIND is 403 for who is not registered, or not in that swarm; ids of peers never leave the swarm", async () => {
    const objects = new LocalObjects();
    await send({ ...JOIN, peerId: "other" }, { objects });
    expect((await send(find, { objects })).status).toBe(403);
    await send(JOIN, { objects });
    expect((await send({ ...find, swarmId: "2222" }, { objects })).status).toBe(403);
    expect((await send(REPORT, { objects })).status).toBe(200);
  });

  test("FIND with a token asks the swarm alone, and is 401 without it", async () => {
    const objects = new LocalObjects();
    const joined = await send({ ...JOIN, registration: {} }, { objects });
    const token = xmlCodec.decodeResponse(await joined.text()).registration?.token ?? "";
    await send({ ...JOIN, peerId: "other" }, { objects });
    const answer = await send({ ...find, registration: { token } }, { objects });
    expect(xmlCodec.decodeResponse(await answer.text()).peers?.map(({ peerId }) => peerId)).toEqual(["other"]);
    expect((await send({ ...find, registration: { token: "guess" } }, { objects })).status).toBe(401);
  });
});

describe("STAT_REPORT", () => {
  test("PPSP-TP T95 rule: several Stat for several swarms; our properties are kept, each content map in its swarm only", async () => {
    const objects = new LocalObjects();
    const swarms = ["1111", "2222"];
    const actions = swarms.map((swarmId, index) => ({ ...JOIN.actions[0]!, swarmId, transactionId: `t.${index}` }));
    await send({ ...JOIN, actions }, { objects });
    const report = {
      ...REPORT,
      stats: swarms.map((swarmId, index) => ({ swarmId, uploadedBytes: index })),
      properties: {
        onlineTime: 60,
        playback: { chunksInTime: 100, chunksLate: 2, stalls: 1, rejected: 0 },
        nat: "STUN",
        access: "wifi",
        power: "battery",
        contentMap: [
          {
            swarmId: "2222",
            ranges: [
              [0, 9],
              [20, 20],
            ],
          },
        ],
      },
    } as const;
    for (const type of [XML, JSON_TYPE]) expect((await send(report, { objects, type })).status).toBe(200);
    const kept = (swarmId: string) => objects.stored.get(swarmId)?.get("p");
    const { contentMap, ...others } = report.properties;
    expect(kept("1111")).toMatchObject({ stat: { uploadedBytes: 0 }, properties: others });
    expect(kept("1111")?.properties).not.toHaveProperty("contentMap");
    expect(kept("2222")).toMatchObject({ stat: { uploadedBytes: 1 }, properties: { ...others, contentMap } });
    // Sent on change only: what a report leaves out stays.
    await send({ ...REPORT, properties: { onlineTime: 90 } }, { objects });
    expect(kept("2222")?.properties).toMatchObject({ onlineTime: 90, contentMap });
  });
});

describe("a request that is repeated because its answer was lost", () => {
  const leave: ConnectRequest = {
    ...JOIN,
    transactionId: "l",
    actions: [{ swarmId: "1111", action: "LEAVE", peerMode: "LEECH", transactionId: "l.1" }],
  };

  test("PPSP-TP T38 SHOULD: a LEAVE is answered the same and has no second effect", async () => {
    for (const token of [false, true]) {
      const objects = new LocalObjects();
      const joined = await send({ ...JOIN, ...(token && { registration: {} }) }, { objects });
      const registration = xmlCodec.decodeResponse(await joined.text()).registration;
      const request = { ...leave, ...(registration !== undefined && { registration }) };
      const answers = [];
      for (let time = 0; time < 2; time += 1) {
        const answer = await send(request, { objects });
        answers.push([answer.status, await answer.text()]);
      }
      expect(answers[1]).toEqual(answers[0]);
      expect(answers[0]?.[0]).toBe(200);
      // Another transaction is another request, and the peer is gone.
      expect((await send({ ...request, transactionId: "m" }, { objects })).status).toBe(403);
      // So is the same one from somewhere else.
      expect((await send(request, { objects, source: "192.0.2.9" })).status).toBe(403);
    }
  });

  test("PPSP-TP T38 SHOULD: a CONNECT that ended the registration with 403 is 403 again, and does not register", async () => {
    const objects = new LocalObjects();
    const seed: ConnectRequest = {
      ...JOIN,
      actions: [{ swarmId: "1111", action: "JOIN", peerMode: "SEED", transactionId: "t.1" }],
    };
    await send(seed, { objects });
    const again = { ...seed, transactionId: "u" };
    expect((await send(again, { objects })).status).toBe(403);
    expect((await send(again, { objects })).status).toBe(403);
    expect(objects.stored.get("1111")?.size).toBe(0);
    expect((await send({ ...seed, transactionId: "v" }, { objects })).status).toBe(200);
  });

  test("PPSP-TP T37 T102 SHOULD: a peer that could not read the answer repeats the identical request, once", async () => {
    const objects = new LocalObjects();
    const sent: string[] = [];
    const losing = async (_: string, { body }: RequestInit) => {
      const text = typeof body === "string" ? body : "";
      sent.push(text);
      const answer = await post({ body: text, objects });
      if (sent.length < 2) throw new TypeError("connection reset");
      return answer;
    };
    const request = { ...JOIN, transactionId: "w" };
    expect((await askTracker(losing, "https://tracker.example/", xmlCodec, request)).transactionId).toBe("w");
    expect(sent).toEqual([xmlCodec.encodeRequest(request), xmlCodec.encodeRequest(request)]);
    expect(objects.stored.get("1111")?.size).toBe(1);
    const deaf = () => Promise.reject(new TypeError("connection refused"));
    await expect(askTracker(deaf, "https://tracker.example/", xmlCodec, request)).rejects.toThrow("no answer");
  });

  test("the answer to a peer that leaves as many swarms as it may be in is kept, and that to a longer request is not", async () => {
    const swarms = Array.from({ length: DEFAULT_LIMITS.swarms }, (_, index) => index.toString(16).padStart(64, "f"));
    const all = (action: "JOIN" | "LEAVE", suffix: string): ConnectRequest["actions"] =>
      swarms.map((swarmId, index) => ({ swarmId, action, peerMode: "LEECH", transactionId: `${index}${suffix}` }));
    for (const [suffix, again] of [
      ["", 200],
      ["x".repeat(120), 403],
    ] as const) {
      const objects = new LocalObjects();
      expect((await send({ ...JOIN, actions: all("JOIN", "") }, { objects })).status).toBe(200);
      const request = { ...leave, actions: all("LEAVE", suffix) };
      expect((await send(request, { objects })).status).toBe(200);
      expect((await send(request, { objects })).status).toBe(again);
    }
  });

  test("the answer is forgotten after a minute", async () => {
    const objects = new LocalObjects();
    await send(JOIN, { objects });
    expect((await send(leave, { objects })).status).toBe(200);
    objects.now += 60_000;
    expect((await send(leave, { objects })).status).toBe(403);
  });
});
