import { malformed, STATUS, TrackerError } from "./errors.ts";
import { MAX_BODY, MAX_URI } from "./limits.ts";
import type { Codec, TrackerRequest } from "./messages.ts";
import {
  type Asker,
  type Outcome,
  type PeerPort,
  refusal,
  type TrackerObjects,
  type TrackerPolicy,
} from "./objects.ts";
import { xmlCodec } from "./xml/codec.ts";

/** Header that carries the reason of a refusal, which HTTP/2 has no status line for. */
export const REASON_HEADER = "PPSP-Reason";

/** What browsers of any origin may do: PPSP-TP uses no cookies. */
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": REASON_HEADER,
} as const;

/** The codec of each media type; text/plain is XML that spares a browser the CORS preflight. */
const CODECS: ReadonlyMap<string, Codec> = new Map([
  ["application/xml", xmlCodec],
  ["text/xml", xmlCodec],
  ["text/plain", xmlCodec],
]);

/**
 * Answers one PPSP-TP request over HTTP (§4, Appendix B). Never rejects: what goes wrong inside becomes a 500.
 */
export async function handleTracker(
  request: Request,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Promise<Response> {
  if (request.method === "OPTIONS") return preflight();
  try {
    checkTarget(request);
    const codec = codecOf(request.headers);
    const message = codec.decodeRequest(await readBody(request));
    const outcome = await dispatch(message, asker, objects, policy);
    return respond(outcome, codec, message);
  } catch (error) {
    if (error instanceof TrackerError && error.code in STATUS) {
      return refuse(error.code as keyof typeof STATUS, error.message);
    }
    // Set by the platform when an object cannot keep up.
    if (error instanceof Error && "overloaded" in error) return refuse("unavailable", "Overloaded");
    console.error("tracker: unexpected condition", error);
    return refuse("internal", "Unexpected condition");
  }
}

/** A response without body (§4.3). */
export function refuse(code: keyof typeof STATUS, reason: string): Response {
  const status = STATUS[code];
  // Reasons may quote the parser; header fields and status lines take no control characters.
  const clean = reason.replace(/[^\x20-\x7e]/gu, " ").slice(0, 200);
  return new Response(null, { status, statusText: clean, headers: { ...CORS, [REASON_HEADER]: clean } });
}

function preflight(): Response {
  const headers = {
    ...CORS,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
    "Access-Control-Max-Age": "86400",
  };
  return new Response(null, { status: 200, headers });
}

/** Checks the request line (§4.3, Appendix B.2). @throws TrackerError */
function checkTarget(request: Request): void {
  if (request.url.length > MAX_URI) throw new TrackerError("uri-too-long", "Request-URI too long");
  if (new URL(request.url).pathname !== "/") throw new TrackerError("not-found", "No such resource");
  if (request.method !== "POST") throw malformed("Method is not POST");
}

/** The codec that Content-Type names (Appendix B.1, B.3). @throws TrackerError "malformed". */
function codecOf(headers: Headers): Codec {
  const type = headers.get("Content-Type");
  if (type === null) throw malformed("Missing Content-Type header field");
  const [essence = "", ...parameters] = type
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const codec = CODECS.get(essence);
  if (codec === undefined) throw malformed("Content-Type is not XML");
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length);
  if (charset !== undefined && charset.replaceAll('"', "") !== "utf-8") throw malformed("Charset is not UTF-8");
  return codec;
}

/** The body as text (§4.3, Appendix B.3). @throws TrackerError "malformed" or "length". */
async function readBody(request: Request): Promise<string> {
  if (request.headers.has("Content-Encoding")) throw malformed("Content-Encoding is not supported");
  const length = request.headers.get("Content-Length");
  if (length === null || !/^\d{1,10}$/u.test(length)) throw new TrackerError("length", "Missing Content-Length");
  if (Number(length) > MAX_BODY) throw malformed("Message body too large");
  if (Number(length) === 0) throw malformed("Missing message body");
  // A body that ends early fails here: it is as much too short as one that can be read.
  const bytes = await request.arrayBuffer().catch(() => undefined);
  if (bytes?.byteLength !== Number(length)) throw new TrackerError("length", "Content-Length does not match");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new TrackerError("malformed", "Message body is not UTF-8", { cause: error });
  }
}

/** Finds the one object that answers: the swarm for peers with Registration, the Peer-ID's own for all others. */
async function dispatch(
  request: TrackerRequest,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Promise<Outcome> {
  const swarmIds = new Set(swarmsOf(request));
  for (const swarmId of swarmIds) {
    if (!(await policy.serves(swarmId))) return refusal("forbidden", "Swarm not served here");
  }
  if (request.registration === undefined) return ask(objects.peer(request.peerId), request, asker);
  const [swarmId, ...others] = swarmIds;
  if (swarmId === undefined || others.length > 0) throw malformed("Registration is for one swarm");
  return ask(objects.swarm(swarmId), request, asker);
}

/** SwarmIDs that a request names. */
function swarmsOf(request: TrackerRequest): string[] {
  if (request.method === "FIND") return [request.swarmId];
  const list = request.method === "CONNECT" ? request.actions : request.stats;
  return list.flatMap(({ swarmId }) => swarmId ?? []);
}

function ask(port: PeerPort, request: TrackerRequest, asker: Asker): Promise<Outcome> {
  switch (request.method) {
    case "CONNECT":
      return port.onConnect(request, asker);
    case "FIND":
      return port.onFind(request, asker);
    case "STAT_REPORT":
      return port.onReport(request, asker);
  }
}

function respond(outcome: Outcome, codec: Codec, request: TrackerRequest): Response {
  if (outcome.ok) return withBody(codec.encodeResponse(outcome.response, request), codec.contentType);
  if (outcome.code !== "unauthorized") return refuse(outcome.code, outcome.reason);
  const body = codec.encodeRefusal(outcome.code, request.transactionId) ?? "";
  const headers = { [REASON_HEADER]: outcome.reason, "WWW-Authenticate": "PPSP-Registration" };
  return withBody(body, codec.contentType, { status: 401, statusText: outcome.reason, headers });
}

function withBody(
  body: string,
  contentType: string,
  { headers, ...init }: { status?: number; statusText?: string; headers?: Record<string, string> } = {},
): Response {
  return new Response(body, {
    ...init,
    headers: { ...CORS, "Content-Type": contentType, "Cache-Control": "no-store", ...headers },
  });
}
