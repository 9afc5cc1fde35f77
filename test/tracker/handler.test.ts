import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { RefusalCode } from "../../src/tracker/errors.ts";
import { TrackerError } from "../../src/tracker/errors.ts";
import { jsonCodec } from "../../src/tracker/json/codec.ts";
import { MAX_BODY } from "../../src/tracker/limits.ts";
import type { TrackerObjects, TrackerPolicy } from "../../src/tracker/objects.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { LocalObjects } from "./objects.ts";
import { ANYONE, CODECS, JOIN, JSON_TYPE, type Post, post, REPORT, send, XML } from "./post.ts";
import { validate } from "./schema.ts";

const errorCode = async (response: Response): Promise<unknown> =>
  (JSON.parse(await response.text()) as { PPSPTrackerProtocol: { error_code: unknown } }).PPSPTrackerProtocol
    .error_code;

/** Objects of which every request fails. */
const failing = (error: unknown): TrackerObjects => {
  const fail = () => Promise.reject(error as Error);
  const port = { onConnect: fail, onFind: fail, onReport: fail, enter: fail, find: fail, remove: fail, note: fail };
  return { swarm: () => port, peer: () => port };
};

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("errors, in XML and in JSON", () => {
  const refused: Record<string, [status: number, errorCode: number, post: (type: string) => Post]> = {
    "400 for what is malformed": [400, 1, () => ({ body: "{" })],
    "400 for a version that is not supported": [
      400,
      2,
      (type) => ({
        body: CODECS[type as keyof typeof CODECS]
          .encodeRequest(REPORT)
          .replace('version="1.0"', 'version="7.0"')
          .replace('"version":1', '"version":7'),
      }),
    ],
    "403 for what is not allowed": [403, 3, () => ({})],
    "404 for another resource": [404, 1, () => ({ path: "/other" })],
    "411 for a length that does not match": [411, 1, () => ({ length: 5 })],
    "414 for a Request-URI that is too long": [414, 1, () => ({ path: `/?${"x".repeat(3000)}` })],
    "500 for what nobody expected": [500, 4, () => ({ objects: failing(new Error("bug")) })],
    "503 for an object that is overloaded": [
      503,
      5,
      () => ({ objects: failing(Object.assign(new Error("too much"), { overloaded: true })) }),
    ],
  };
  test.each(Object.entries(refused))(
    "PPSP-TP T39 T41 T44 T45 T47 T48: %s, empty in XML, error_code in JSON",
    async (_, [status, code, make]) => {
      vi.spyOn(console, "error").mockReturnValue();
      for (const type of [XML, JSON_TYPE]) {
        const body = CODECS[type as keyof typeof CODECS].encodeRequest(REPORT);
        const response = await post({ body, type, ...make(type) });
        expect([type, response.status]).toEqual([type, status]);
        expect(response.headers.get("PPSP-Reason")).toMatch(/^[ -~]+$/u);
        expect(response.statusText).toBe(response.headers.get("PPSP-Reason"));
        if (type === JSON_TYPE) {
          expect(response.headers.get("Content-Type")).toBe(JSON_TYPE);
          expect(await errorCode(response)).toBe(code);
        } else {
          expect(await response.text()).toBe("");
        }
      }
    },
  );

  test("PPSP-TP T96 rule: 401 has a body with AUTHENTICATION REQUIRED and the TransactionID, and a challenge", async () => {
    const objects = new LocalObjects();
    await send(JOIN, { objects });
    for (const type of [XML, JSON_TYPE]) {
      const response = await send({ ...REPORT, transactionId: "77" }, { objects, type, source: "192.0.2.2" });
      expect([response.status, response.headers.get("WWW-Authenticate")]).toEqual([401, "PPSP-Registration"]);
      const body = await response.text();
      expect(CODECS[type as keyof typeof CODECS].decodeResponse(body)).toEqual({
        response: "AUTHENTICATION REQUIRED",
        transactionId: "77",
      });
      if (type === XML) validate(body);
    }
  });

  test("PPSP-TP T75 SHOULD NOT: a body that does not arrive in time gets 408", async () => {
    vi.useFakeTimers();
    let cancelled = false;
    const half = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("<?xml")),
      cancel: () => {
        cancelled = true;
      },
    });
    const answer = post({ body: half, length: 100, policy: { ...ANYONE, bodyTimeout: 5000 } });
    await vi.advanceTimersByTimeAsync(4999);
    expect(cancelled).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    const response = await answer;
    expect([response.status, await response.text(), cancelled]).toEqual([408, "", true]);
  });

  test("PPSP-TP T43 MUST: a body that ends early, or never stops, gets 411", async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error("reset")) });
    expect((await post({ body: broken, length: 100 })).status).toBe(411);
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1024)) });
    expect((await post({ body: endless, length: 100 })).status).toBe(411);
    expect((await post({ length: MAX_BODY + 1 })).status).toBe(400);
  });

  test("PPSP-TP T69 MUST: header fields of responses have no effect in a request", async () => {
    const headers = { "WWW-Authenticate": "Basic", Location: "/other", "PPSP-Reason": "none", Server: "x" };
    expect((await send(JOIN, { headers })).status).toBe(200);
  });
});

describe("content negotiation", () => {
  test("PPSP-TP T70 T71 T79: XML is answered in XML, JSON in JSON, once", async () => {
    for (const type of [XML, JSON_TYPE, "text/xml", "application/json"]) {
      const codec = type.includes("json") ? jsonCodec : xmlCodec;
      const response = await post({ type, body: codec.encodeRequest(JOIN) });
      expect([response.status, response.headers.get("Content-Type")]).toEqual([200, codec.contentType]);
      const message = codec.decodeResponse(await response.text());
      expect(message).toMatchObject({ response: "SUCCESSFUL", transactionId: "t", results: ["t.1"] });
      expect(message.peers?.[0]?.addresses[0]).toMatchObject({ ip: "192.0.2.1", type: "REFLEXIVE" });
    }
  });

  test("text/plain, which spares browsers the preflight, may be either", async () => {
    for (const codec of [xmlCodec, jsonCodec]) {
      const response = await post({ type: "text/plain; charset=utf-8", body: codec.encodeRequest(JOIN) });
      expect([response.status, response.headers.get("Content-Type")]).toEqual([200, codec.contentType]);
    }
  });

  test("PPSP-TP T104 rule: the character set is UTF-8, also where none is named", async () => {
    expect((await send(JOIN, { type: XML })).status).toBe(200);
    expect((await post({ type: `${XML}; charset="UTF-8"`, body: xmlCodec.encodeRequest(JOIN) })).status).toBe(200);
    const latin = await post({ type: `${XML}; charset=iso-8859-1` });
    expect([latin.status, latin.headers.get("PPSP-Reason")]).toEqual([400, "Charset is not UTF-8"]);
  });

  test("PPSP-TP T72 T103: a request is a POST with a body", async () => {
    for (const method of ["GET", "HEAD"]) expect((await post({ method })).status).toBe(400);
    expect((await post({ body: "" })).headers.get("PPSP-Reason")).toBe("Missing message body");
  });
});

describe("gzip", () => {
  const compressed = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(gzipSync(text));
  const gzip = { "Content-Encoding": "gzip" };

  test("PPSP-TP T73 MUST: a request that is compressed says so, and is understood", async () => {
    expect((await post({ body: compressed(xmlCodec.encodeRequest(JOIN)), headers: gzip })).status).toBe(200);
    expect(
      (await post({ body: compressed(jsonCodec.encodeRequest(JOIN)), headers: gzip, type: JSON_TYPE })).status,
    ).toBe(200);
    expect((await post({ body: compressed(xmlCodec.encodeRequest(JOIN)) })).status).toBe(400);
  });

  test("what is not gzip, is cut off, or has another encoding gets 400", async () => {
    const whole = compressed(xmlCodec.encodeRequest(JOIN));
    const bodies = [xmlCodec.encodeRequest(JOIN), whole.slice(0, -9), new Uint8Array(100)];
    for (const body of bodies) expect((await post({ body, headers: gzip })).status).toBe(400);
    expect((await post({ headers: { "Content-Encoding": "br" } })).status).toBe(400);
  });

  test("a body of 60 KiB that unfolds to 60 MiB gets 400 and is not unfolded", async () => {
    const bomb = compressed(" ".repeat(60 * 1024 * 1024));
    expect(bomb.byteLength).toBeLessThan(MAX_BODY);
    const response = await post({ body: bomb, headers: gzip });
    expect([response.status, response.headers.get("PPSP-Reason")]).toEqual([400, "Message body too large"]);
  });

  test("PPSP-TP T74 MUST: a response is compressed only for who takes gzip and where it pays, and only then says so", async () => {
    const objects = new LocalObjects();
    for (let index = 0; index < 30; index += 1) await send({ ...JOIN, peerId: `peer${index}` }, { objects });
    const ask = (accept: string) => send(JOIN, { objects, headers: { "Accept-Encoding": accept } });
    for (const accept of ["gzip", "br, gzip;q=0.5", "deflate, GZIP"]) {
      const response = await ask(accept);
      expect([accept, response.headers.get("Content-Encoding")]).toEqual([accept, "gzip"]);
      const bytes = new Uint8Array(await response.arrayBuffer());
      const text = gunzipSync(bytes).toString("utf8");
      expect(bytes.byteLength).toBeLessThan(text.length / 2);
      expect(xmlCodec.decodeResponse(text).peers).toHaveLength(21);
      validate(text);
    }
    for (const accept of ["", "br", "gzip;q=0", "identity"]) {
      expect([accept, (await ask(accept)).headers.get("Content-Encoding")]).toEqual([accept, null]);
    }
    const short = await send(REPORT, { objects, headers: { "Accept-Encoding": "gzip" } });
    expect(short.headers.get("Content-Encoding")).toBeNull();
  });
});

describe("who may ask", () => {
  test("PPSP-TP T97 rule: credentials are checked before registration", async () => {
    const objects = new LocalObjects();
    const seen: (string | null)[] = [];
    const refusal = {
      ok: false,
      code: "unauthorized" as RefusalCode,
      reason: "No token",
      challenge: "Bearer",
    } as const;
    const policy: TrackerPolicy = {
      ...ANYONE,
      authorize: async (authorization, _, asker) => {
        seen.push(authorization);
        return authorization === "Bearer good" ? { ok: true, asker: { ...asker, superNodeOf: ["1111"] } } : refusal;
      },
    };
    const refused = await send(JOIN, { objects, policy, headers: { Authorization: "Bearer bad" } });
    expect([refused.status, refused.headers.get("WWW-Authenticate")]).toEqual([401, "Bearer"]);
    expect(objects.stored.size).toBe(0);
    expect((await send(JOIN, { objects, policy, headers: { Authorization: "Bearer good" } })).status).toBe(200);
    expect(seen).toEqual(["Bearer bad", "Bearer good"]);
  });

  test("a check of credentials that fails itself gives 503 or 500, never an exception", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const unavailable: TrackerPolicy = {
      ...ANYONE,
      authorize: () => Promise.reject(new TrackerError("unavailable", "Keys not available")),
    };
    expect((await send(JOIN, { policy: unavailable })).status).toBe(503);
    const broken: TrackerPolicy = { ...ANYONE, authorize: () => Promise.reject(new Error("bug")) };
    expect((await send(JOIN, { policy: broken })).status).toBe(500);
  });

  test("pages of other origins cannot read the answer where the operator names origins", async () => {
    const policy: TrackerPolicy = { ...ANYONE, origins: ["https://video.example"] };
    const allowed = async (Origin: string) =>
      (await send(JOIN, { policy, headers: { Origin } })).headers.get("Access-Control-Allow-Origin");
    expect(await allowed("https://video.example")).toBe("https://video.example");
    expect(await allowed("https://other.example")).toBeNull();
    expect((await send(JOIN)).headers.get("Access-Control-Allow-Origin")).toBe("*");
  });
});
