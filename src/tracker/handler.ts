import { gzip, readBody, receive, takesGzip } from "./body.ts";
import { malformed, type RefusalCode, STATUS, TrackerError } from "./errors.ts";
import { type Answer, CORS, type Inquiry, refusalAnswer, toResponse } from "./exchange.ts";
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

/** What a 401 asks for where the operator asks for nothing else: our Registration extension. */
const REGISTRATION_CHALLENGE = "PPSP-Registration";

/** The codec of each media type. */
const CODECS: ReadonlyMap<string, Codec> = new Map([
  ["application/xml", xmlCodec],
  ["text/xml", xmlCodec],
  ["application/ppsp-tracker+json", jsonCodec],
  ["application/json", jsonCodec],
]);
/** Spares a browser the CORS preflight; the first character tells which encoding it is. */
const PLAIN = "text/plain";

/** Media types as they are mostly written: what they mean need not be found out again. */
const PLAINLY = new Map([...CODECS.keys(), PLAIN].map((essence) => [essence, { essence }]));

/** Answers one PPSP-TP request over HTTP (§4, Appendix B). Never rejects: what goes wrong inside becomes a 500. */
export async function handleTracker(
  request: Request,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Promise<Response> {
  return toResponse(await answerTracker(inquiryOf(request), asker, objects, policy));
}

/** What a host knows of its own Requests beyond the standard. */
export interface RequestTraits {
  /** The runtime itself ends a body at its Content-Length. */
  readonly endsBodies?: boolean;
  /** See Inquiry. */
  readonly placeOf?: (request: Request) => Pick<Asker, "asn" | "country">;
}

/** A Request as PPSP-TP reads it. */
export const inquiryOf = (request: Request, { endsBodies = false, placeOf }: RequestTraits = {}): Inquiry => ({
  method: request.method,
  target: request.url.slice(request.url.indexOf("/", request.url.indexOf("//") + 2)),
  header: (name) => request.headers.get(name) ?? undefined,
  body: (length, timeout) => receive(request, length, timeout, endsBodies),
  ...(placeOf !== undefined && { place: () => placeOf(request) }),
});

/** The same where the runtime has no Request or Response, or pays much for them. */
export async function answerTracker(
  inquiry: Inquiry,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Promise<Answer> {
  const answered = inquiry.method === "OPTIONS" ? preflight() : await answer(inquiry, asker, objects, policy);
  // A header field that is asked for costs a call out of the engine on some platforms.
  return policy.origins === undefined ? answered : restrict(answered, inquiry.header("origin"), policy.origins);
}

async function answer(inquiry: Inquiry, asker: Asker, objects: TrackerObjects, policy: TrackerPolicy): Promise<Answer> {
  const { limits = DEFAULT_LIMITS } = policy;
  let codec: Codec | undefined;
  let transactionId: string | undefined;
  try {
    const type = mediaType(inquiry.header("content-type"));
    codec = CODECS.get(type.essence);
    checkTarget(inquiry);
    if (type.fault !== undefined) throw malformed(type.fault);
    const text = await readBody(inquiry, policy.bodyTimeout, limits.body);
    codec ??= /^\s*\{/u.test(text) ? jsonCodec : xmlCodec;
    const message = codec.decodeRequest(text);
    ({ transactionId } = message);
    policy.decoded?.(message);
    const located = message.method === "CONNECT" ? { ...asker, ...inquiry.place?.() } : asker;
    const grant = await authorize(inquiry, message, located, policy);
    if (!grant.ok) return challenge(refusalAnswer(grant.code, grant.reason, codec, transactionId), grant.challenge);
    const outcome = await dispatch(message, grant.asker, objects, policy);
    if (!outcome.ok) return challenge(refusalAnswer(outcome.code, outcome.reason, codec, transactionId));
    return await respond(codec.encodeResponse(outcome.response, message), codec.contentType, inquiry, limits.gzipFrom);
  } catch (error) {
    if (error instanceof TrackerError && error.code in STATUS) {
      return refusalAnswer(error.code as RefusalCode, error.message, codec, transactionId);
    }
    // Set by the platform when an object cannot keep up.
    if (error instanceof Error && "overloaded" in error)
      return refusalAnswer("unavailable", "Overloaded", codec, transactionId);
    console.error("tracker: unexpected condition", error);
    return refusalAnswer("internal", "Unexpected condition", codec, transactionId);
  }
}

function preflight(): Answer {
  const headers = {
    ...CORS,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type, Content-Encoding, Authorization",
    "Access-Control-Max-Age": "86400",
  };
  return { status: 200, reason: "", headers };
}

/** Lets only the pages of some origins read an answer. */
function restrict(answered: Answer, origin: string | undefined, origins: readonly string[]): Answer {
  const { "Access-Control-Allow-Origin": _, Vary: vary, ...headers } = answered.headers;
  if (origin !== undefined && origins.includes(origin)) headers["Access-Control-Allow-Origin"] = origin;
  headers["Vary"] = vary === undefined ? "Origin" : `${vary}, Origin`;
  return { ...answered, headers };
}

/** Checks the request line (§4.3, Appendix B.2). @throws TrackerError */
function checkTarget({ method, target }: Inquiry): void {
  if (target.length > MAX_URI) throw new TrackerError("uri-too-long", "Request-URI too long");
  // The common case needs no URL object.
  if (target !== "/" && new URL(`http://tracker${target}`).pathname !== "/")
    throw new TrackerError("not-found", "No such resource");
  if (method !== "POST") throw malformed("Method is not POST");
}

/** What Content-Type says (Appendix B.1, B.3), and what is wrong with it. */
function mediaType(type: string | undefined): { readonly essence: string; readonly fault?: string } {
  if (type === undefined) return { essence: "", fault: "Missing Content-Type header field" };
  const plainly = PLAINLY.get(type);
  if (plainly !== undefined) return plainly;
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
  inquiry: Inquiry,
  request: TrackerRequest,
  asker: Asker,
  policy: TrackerPolicy,
): Promise<Grant> {
  if (policy.authorize === undefined) return { ok: true, asker };
  return await policy.authorize(inquiry.header("authorization") ?? null, request, asker);
}

/** Finds the one object that answers: the swarm for peers with Registration, the Peer-ID's own for all others. */
async function dispatch(
  request: TrackerRequest,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Promise<Outcome> {
  const swarmIds = swarmsOf(request);
  for (const swarmId of swarmIds) {
    const served = policy.serves(swarmId);
    if (!(typeof served === "boolean" ? served : await served)) return refusal("forbidden", "Swarm not served here");
  }
  if (request.registration === undefined) return ask(objects.peer(request.peerId), request, asker);
  const [first] = swarmIds;
  if (first === undefined || swarmIds.some((swarmId) => swarmId !== first))
    throw malformed("Registration is for one swarm");
  return ask(objects.swarm(first), request, asker);
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
function challenge(refused: Answer, scheme = REGISTRATION_CHALLENGE): Answer {
  if (refused.status === STATUS.unauthorized) refused.headers["WWW-Authenticate"] = scheme;
  return refused;
}

async function respond(text: string, contentType: string, inquiry: Inquiry, gzipFrom: number): Promise<Answer> {
  const headers: Record<string, string> = {
    ...CORS,
    "Content-Type": contentType,
    "Cache-Control": "no-store",
    Vary: "Accept-Encoding",
  };
  const pays = text.length >= gzipFrom && takesGzip(inquiry.header("accept-encoding"));
  if (!pays) return { status: 200, reason: "", headers, body: text };
  headers["Content-Encoding"] = "gzip";
  return { status: 200, reason: "", headers, body: await gzip(text) };
}
