import { describe, expect, test } from "vitest";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { exchange, HEAD, register, tracker } from "./service.ts";

const SECRET = "a secret that issuer and tracker share";
const BODY = xmlCodec.encodeRequest({ method: "STAT_REPORT", transactionId: "t1", peerId: "nobody", stats: [] });
const length = (body: string): string => `Content-Length: ${body.length}\r\n\r\n${body}`;
const CLOSE = HEAD.replace("\r\nHost", "\r\nConnection: close\r\nHost");

/** Status line, reason and body of a response as it came over the wire. */
function read(wire: string): { readonly line: string; readonly reason: string | undefined; readonly body: string } {
  const end = wire.indexOf("\r\n\r\n");
  const [line = "", ...fields] = wire.slice(0, end).split("\r\n");
  const reason = fields.find((field) => /^ppsp-reason:/iu.test(field));
  return { line, reason: reason?.slice(reason.indexOf(":") + 1).trim(), body: wire.slice(end + 4) };
}

describe("PPSP-TP §4.3, Table 7, Appendix B.4: each refusal on the wire", () => {
  const cases: readonly (readonly [status: number, reason: string, request: string])[] = [
    [400, "Missing message body", `${CLOSE}Content-Length: 0\r\n\r\n`],
    [400, "Method is not POST", `${CLOSE.replace("POST", "GET")}\r\n`],
    [403, "Peer not registered", CLOSE + length(BODY)],
    [404, "No such resource", CLOSE.replace("POST /", "POST /nowhere") + length(BODY)],
    [408, "Request took too long", `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY.slice(0, 20)}`],
    [411, "Missing Content-Length", `${CLOSE}Transfer-Encoding: chunked\r\n\r\n1\r\n<\r\n0\r\n\r\n`],
    [414, "Request-URI too long", CLOSE.replace("POST /", `POST /${"x".repeat(3000)}`) + length(BODY)],
  ];

  test.each(cases)("%i %s: the reason in status line and PPSP-Reason, no body", async (status, reason, request) => {
    const { port } = await tracker({ parameters: { REQUEST_TIMEOUT: "1" } });
    const answer = read(await exchange(port, request));
    expect(answer).toEqual({ line: `HTTP/1.1 ${status} ${reason}`, reason, body: "" });
  });

  test("401 Missing access token: with AUTHENTICATION REQUIRED and the TransactionID as its body", async () => {
    const { port } = await tracker({ parameters: { AUTH_SECRET: SECRET } });
    const { line, reason, body } = read(await exchange(port, CLOSE + length(BODY)));
    expect([line, reason]).toEqual(["HTTP/1.1 401 Missing access token", "Missing access token"]);
    expect(xmlCodec.decodeResponse(body)).toEqual({ response: "AUTHENTICATION REQUIRED", transactionId: "t1" });
  });

  test("503 Too many requests, 503 Swarm is full", async () => {
    const flooded = await tracker({ parameters: { REQUEST_RATE: "0.001", REQUEST_BURST: "1" } });
    await register(flooded.url, "first");
    const reason = "Too many requests";
    const flood = read(await exchange(flooded.port, CLOSE + length(BODY)));
    expect(flood).toEqual({ line: `HTTP/1.1 503 ${reason}`, reason, body: "" });
    const full = await tracker({ parameters: { MEMBER_LIMIT: "1" } });
    await register(full.url, "first");
    const connect = xmlCodec.encodeRequest({
      method: "CONNECT",
      transactionId: "t",
      peerId: "second",
      addresses: [],
      actions: [{ swarmId: "abcdef", action: "JOIN", peerMode: "LEECH", transactionId: "1" }],
    });
    const answer = read(await exchange(full.port, CLOSE + length(connect)));
    expect(answer).toEqual({ line: "HTTP/1.1 503 Swarm is full", reason: "Swarm is full", body: "" });
  });
});
