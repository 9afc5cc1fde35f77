import { gzip, readBody, takesGzip } from "./body.ts";
import { malformed, type RefusalCode, STATUS, TrackerError } from "./errors.ts";
import { jsonCodec } from "./json/codec.ts";
import { DEFAULT_LIMITS, MAX_URI } from "./limits.ts";
import type { Codec, TrackerRequest } from "./messages.ts";
import {
  type Asker,
  type Grant,
  type Outcome,
  type PeerPort,
  refusal,
  type TrackerObjects,
  type TrackerPolicy,
} from "./objects.ts";
import { xmlCodec } from "./xml/codec.ts";

/** Header that carries the reason of a refusal, which HTTP/2 has no status line for. */
export const REASON_HEADER = "PPSP-Reason";
/** What a 401 asks for where the operator asks for nothing else: our Registration extension. */
const REGISTRATION_CHALLENGE = "PPSP-Registration";

/** What browsers of any origin may do: PPSP-TP uses no cookies. */
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": REASON_HEADER,
} as const;

/** The codec of each media type. */
const CODECS: ReadonlyMap<string, Codec> = new Map([
  ["application/xml", xmlCodec],
  ["text/xml", xmlCodec],
  ["application/ppsp-tracker+json", jsonCodec],
  ["application/json", jsonCodec],
]);
/** Spares a browser the CORS preflight; the first character tells which encoding it is. */
const PLAIN = "text/plain";

/** Answers one PPSP-TP request over HTTP (§4, Appendix B). Never rejects: what goes wrong inside becomes a 500. */
export async function handleTracker(
  request: Request,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Promise<Response> {
  const response = request.method === "OPTIONS" ? preflight() : await answer(request, asker, objects, policy);
  return restrict(response, request.headers.get("Origin"), policy.origins);
}

/** A response to what could not even be read: without body (§4.3), unless it is JSON. */
export function refuse(code: RefusalCode, reason: string, codec?: Codec, transactionId?: string): Response {
  // Reasons may quote the parser; header fields and status lines take no control characters.
  const clean = reason.replace(/[^\x20-\x7e]/gu, " ").slice(0, 200);
  const body = codec?.encodeRefusal(code, transactionId);
  const headers = new Headers({ ...CORS, [REASON_HEADER]: clean });
  if (body !== undefined && codec !== undefined) headers.set("Content-Type", codec.contentType);
  return new Response(body ?? null, { status: STATUS[code], statusText: clean, headers });
}

async function answer(
  request: Request,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Promise<Response> {
  const { limits = DEFAULT_LIMITS } = policy;
  let codec: Codec | undefined;
  let transactionId: string | undefined;
  try {
    const type = mediaType(request.headers);
    codec = CODECS.get(type.essence);
    checkTarget(request);
    if (type.fault !== undefined) throw malformed(type.fault);
    const text = await readBody(request, policy.bodyTimeout, limits.body);
    codec ??= /^\s*\{/u.test(text) ? jsonCodec : xmlCodec;
    const message = codec.decodeRequest(text);
    ({ transactionId } = message);
    const grant = await authorize(request.headers.get("Authorization"), message, asker, policy);
    if (!grant.ok) return challenge(refuse(grant.code, grant.reason, codec, transactionId), grant.challenge);
    const outcome = await dispatch(message, grant.asker, objects, policy);
    if (!outcome.ok) return challenge(refuse(outcome.code, outcome.reason, codec, transactionId));
    return await respond(
      codec.encodeResponse(outcome.response, message),
      codec.contentType,
      takesGzip(request.headers) ? limits.gzipFrom : Infinity,
    );
  } catch (error) {
    if (error instanceof TrackerError && error.code in STATUS) {
      return refuse(error.code as RefusalCode, error.message, codec, transactionId);
    }
    // Set by the platform when an object cannot keep up.
    if (error instanceof Error && "overloaded" in error)
      return refuse("unavailable", "Overloaded", codec, transactionId);
    console.error("tracker: unexpected condition", error);
    return refuse("internal", "Unexpected condition", codec, transactionId);
  }
}

function preflight(): Response {
  const headers = {
    ...CORS,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type, Content-Encoding, Authorization",
    "Access-Control-Max-Age": "86400",
  };
  return new Response(null, { status: 200, headers });
}

/** Lets only the pages of some origins read a response. */
function restrict(response: Response, origin: string | null, origins: readonly string[] | undefined): Response {
  if (origins === undefined) return response;
  response.headers.delete("Access-Control-Allow-Origin");
  if (origin !== null && origins.includes(origin)) response.headers.set("Access-Control-Allow-Origin", origin);
  response.headers.append("Vary", "Origin");
  return response;
}

/** Checks the request line (§4.3, Appendix B.2). @throws TrackerError */
function checkTarget(request: Request): void {
  if (request.url.length > MAX_URI) throw new TrackerError("uri-too-long", "Request-URI too long");
  if (new URL(request.url).pathname !== "/") throw new TrackerError("not-found", "No such resource");
  if (request.method !== "POST") throw malformed("Method is not POST");
}

/** What Content-Type says (Appendix B.1, B.3), and what is wrong with it. */
function mediaType(headers: Headers): { readonly essence: string; readonly fault?: string } {
  const type = headers.get("Content-Type");
  if (type === null) return { essence: "", fault: "Missing Content-Type header field" };
  const [essence = "", ...parameters] = type
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  if (essence !== PLAIN && !CODECS.has(essence)) return { essence, fault: "Content-Type is not XML or JSON" };
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length);
  if (charset !== undefined && charset.replaceAll('"', "") !== "utf-8")
    return { essence, fault: "Charset is not UTF-8" };
  return { essence };
}

async function authorize(
  authorization: string | null,
  request: TrackerRequest,
  asker: Asker,
  policy: TrackerPolicy,
): Promise<Grant> {
  return (await policy.authorize?.(authorization, request, asker)) ?? { ok: true, asker };
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
  switch (request.method) {
    case "CONNECT":
      return request.actions.map(({ swarmId }) => swarmId);
    case "FIND":
      return [request.swarmId];
    case "STAT_REPORT":
      return [...request.stats, ...(request.properties?.contentMap ?? [])].flatMap(({ swarmId }) => swarmId ?? []);
  }
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

/** A 401 says what it wants (RFC 9110 §11.6.1). */
function challenge(response: Response, scheme = REGISTRATION_CHALLENGE): Response {
  if (response.status === STATUS.unauthorized) response.headers.set("WWW-Authenticate", scheme);
  return response;
}

async function respond(text: string, contentType: string, compressFrom: number): Promise<Response> {
  const headers = new Headers({ ...CORS, "Content-Type": contentType, "Cache-Control": "no-store" });
  headers.set("Vary", "Accept-Encoding");
  const compressed = await gzip(text, compressFrom);
  if (compressed === undefined) return new Response(text, { headers });
  headers.set("Content-Encoding", "gzip");
  // Workers would compress it once more, other platforms do not know the option.
  const init: ResponseInit & { readonly encodeBody: "manual" } = { headers, encodeBody: "manual" };
  return new Response(compressed, init);
}
