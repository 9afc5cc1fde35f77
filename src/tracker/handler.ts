import { gzip, readBody, receive, takesGzip } from "./body.ts";
import { malformed, type RefusalCode, STATUS, TrackerError } from "./errors.ts";
import { type Answer, CORS, type Inquiry, refusalAnswer, toResponse } from "./exchange.ts";
import { jsonCodec } from "./json/codec.ts";
import { DEFAULT_LIMITS, type Limits, MAX_URI } from "./limits.ts";
import type { Codec, TrackerRequest, TrackerResponse } from "./messages.ts";
import {
  type Asker,
  type Outcome,
  type PeerPort,
  refusal,
  type TrackerObjects,
  type TrackerPolicy,
} from "./objects.ts";
import { after, attempt, type Soon } from "./soon.ts";
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
const PLAINLY = new Map(
  [...CODECS.keys(), PLAIN, xmlCodec.contentType].map((type) => [type, { essence: type.split(";", 1)[0]! }]),
);

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

/** The same where the runtime has no Request or Response, or pays much for them: at once where nothing has to be waited for. */
export function answerTracker(
  inquiry: Inquiry,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Soon<Answer> {
  const exchange = new Exchange(inquiry, asker, objects, policy);
  const answered =
    inquiry.method === "OPTIONS"
      ? preflight()
      : attempt(
          () => exchange.read(),
          (error) => exchange.failed(error),
        );
  // A header field that is asked for costs a call out of the engine on some platforms.
  const { origins } = policy;
  return origins === undefined
    ? answered
    : after(answered, (answer) => restrict(answer, inquiry.header("origin"), origins));
}

/** Header fields of what is answered in each encoding. */
const FIELDS: ReadonlyMap<Codec, Answer["headers"]> = new Map(
  [jsonCodec, xmlCodec].map((codec) => {
    const fields = { "Content-Type": codec.contentType, "Cache-Control": "no-store", Vary: "Accept-Encoding" };
    return [codec, { ...CORS, ...fields }];
  }),
);

/** One request on its way: each step ends with the next one. */
class Exchange {
  readonly #inquiry: Inquiry;
  readonly #asker: Asker;
  readonly #objects: TrackerObjects;
  readonly #policy: TrackerPolicy;
  readonly #limits: Limits;
  #codec: Codec | undefined;
  #request: TrackerRequest | undefined;

  constructor(inquiry: Inquiry, asker: Asker, objects: TrackerObjects, policy: TrackerPolicy) {
    this.#inquiry = inquiry;
    this.#asker = asker;
    this.#objects = objects;
    this.#policy = policy;
    this.#limits = policy.limits ?? DEFAULT_LIMITS;
  }

  /** Reads the request. @throws TrackerError */
  read(): Soon<Answer> {
    const type = mediaType(this.#inquiry.header("content-type"));
    this.#codec = CODECS.get(type.essence);
    checkTarget(this.#inquiry);
    if (type.fault !== undefined) throw malformed(type.fault);
    return after(readBody(this.#inquiry, this.#policy.bodyTimeout, this.#limits.body), (text) => this.#decode(text));
  }

  #decode(text: string): Soon<Answer> {
    const codec = (this.#codec ??= /^\s*\{/u.test(text) ? jsonCodec : xmlCodec);
    const request = codec.decodeRequest(text);
    this.#request = request;
    const place = request.method === "CONNECT" ? this.#inquiry.place?.() : undefined;
    const asker = place === undefined ? this.#asker : { ...this.#asker, ...place };
    const granted = this.#policy.authorize?.(this.#inquiry.header("authorization") ?? null, request, asker);
    if (granted === undefined) return this.#dispatch(codec, request, asker);
    return after(granted, (grant) =>
      grant.ok
        ? this.#dispatch(codec, request, grant.asker)
        : challenge(this.#refuse(grant.code, grant.reason), grant.challenge),
    );
  }

  #dispatch(codec: Codec, request: TrackerRequest, asker: Asker): Soon<Answer> {
    return after(dispatch(request, asker, this.#objects, this.#policy), (outcome) =>
      outcome.ok
        ? this.#respond(codec, request, outcome.response)
        : challenge(this.#refuse(outcome.code, outcome.reason)),
    );
  }

  #respond(codec: Codec, request: TrackerRequest, response: TrackerResponse): Soon<Answer> {
    const body = codec.encodeResponse(response, request);
    const { method } = request;
    const headers = FIELDS.get(codec)!;
    const pays = body.length >= this.#limits.gzipFrom && takesGzip(this.#inquiry.header("accept-encoding"));
    if (!pays) return { status: 200, reason: "", headers, body, method };
    const packed = { ...headers, "Content-Encoding": "gzip" };
    return after(gzip(body), (bytes) => ({ status: 200, reason: "", headers: packed, body: bytes, method }));
  }

  #refuse(code: RefusalCode, reason: string): Answer {
    const answer = refusalAnswer(code, reason, this.#codec, this.#request?.transactionId);
    return this.#request === undefined ? answer : { ...answer, method: this.#request.method };
  }

  /** What is answered when something went wrong. */
  failed(error: unknown): Answer {
    if (error instanceof TrackerError && error.code in STATUS)
      return this.#refuse(error.code as RefusalCode, error.message);
    // Set by the platform when an object cannot keep up.
    if (error instanceof Error && "overloaded" in error) return this.#refuse("unavailable", "Overloaded");
    console.error("tracker: unexpected condition", error);
    return this.#refuse("internal", "Unexpected condition");
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
  const { "Access-Control-Allow-Origin": _, Vary: vary, ...others } = answered.headers;
  const headers: Record<string, string> = others;
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

/** Finds the one object that answers: the swarm for peers with Registration, the Peer-ID's own for all others. */
function dispatch(
  request: TrackerRequest,
  asker: Asker,
  objects: TrackerObjects,
  policy: TrackerPolicy,
): Soon<Outcome> {
  const swarmIds = swarmsOf(request);
  for (const swarmId of swarmIds) if (!policy.serves(swarmId)) return refusal("forbidden", "Swarm not served here");
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
    case "STAT_REPORT": {
      const named: string[] = [];
      for (const { swarmId } of request.stats) if (swarmId !== undefined) named.push(swarmId);
      for (const { swarmId } of request.properties?.contentMap ?? []) named.push(swarmId);
      return named;
    }
  }
}

function ask(port: PeerPort, request: TrackerRequest, asker: Asker): Soon<Outcome> {
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
  if (refused.status !== STATUS.unauthorized) return refused;
  return { ...refused, headers: { ...refused.headers, "WWW-Authenticate": scheme } };
}
