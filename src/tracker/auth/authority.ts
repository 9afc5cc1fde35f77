import {
  createRemoteJWKSet,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyResult,
  type JWTVerifyOptions,
} from "jose";
import type { TrackerRequest } from "../messages.ts";
import type { Asker, Grant } from "../objects.ts";
import type { Parameters } from "../parameters.ts";

/** Characters of an Authorization header; an access token with two RSA-4096 signatures fits. */
const MAX_AUTHORIZATION = 8192;

/** What a peer may do in a swarm; each includes those before it. */
export const SCOPES = ["watch", "seed", "super-node"] as const;
export type Scope = (typeof SCOPES)[number];

/** An access token that was found good. */
interface Known {
  readonly payload: JWTPayload;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Where {@link Authority} gets keys and time from. */
export interface AuthorityHost {
  /** Milliseconds since 1970. */
  now(): number;
  /** A time as a Date, which jose asks for. */
  date(at: number): Date;
}

/**
 * Checks OAuth 2.0 access tokens (RFC 6750; JWT as in RFC 9068): `sub` is whom it was given to, `scope` holds `watch`,
 * `seed` or `super-node` for all swarms or, with a colon and a SwarmID behind it, for one; `peer_id`, where present, is
 * the only Peer-ID that it may be used for.
 */
export class Authority {
  readonly #verify: (token: string) => Promise<JWTVerifyResult>;
  readonly #host: AuthorityHost;
  /** By how much clocks may differ, s. */
  readonly #clockTolerance: number;
  /** Tokens whose check is remembered. */
  readonly #table: number;
  readonly #known = new Map<string, Known>();

  private constructor(
    verify: (token: string) => Promise<JWTVerifyResult>,
    host: AuthorityHost,
    clockTolerance: number,
    table: number,
  ) {
    this.#verify = verify;
    this.#clockTolerance = clockTolerance;
    this.#table = table;
    this.#host = host;
  }

  /** The authority that the parameters name; undefined when access tokens are not asked for. */
  static from(parameters: Parameters, host: AuthorityHost): Authority | undefined {
    const [url, secret] = [parameters.text("AUTH_JWKS_URL"), parameters.text("AUTH_SECRET")];
    const [issuer, audience] = [parameters.text("AUTH_ISSUER"), parameters.text("AUTH_AUDIENCE")];
    if (url === "" && secret === "") return undefined;
    const [clockTolerance, table] = [parameters.number("AUTH_CLOCKS"), parameters.number("AUTH_TABLE")];
    const remote = url === "" ? undefined : createRemoteJWKSet(new URL(url));
    const key = new TextEncoder().encode(secret);
    const verify = async (token: string): Promise<JWTVerifyResult> => {
      const options: JWTVerifyOptions = {
        clockTolerance,
        currentDate: host.date(host.now()),
        requiredClaims: ["sub", "exp"],
        ...(issuer !== "" && { issuer }),
        ...(audience !== "" && { audience }),
      };
      // The algorithms of shared secrets and of key pairs never meet: a public key is no secret (RFC 8725 §2.1).
      if (secret !== "" && isSymmetric(token)) return jwtVerify(token, key, { ...options, algorithms: ["HS256"] });
      if (remote === undefined) throw new errors.JOSEAlgNotAllowed("not signed with the shared secret");
      return jwtVerify(token, remote, { ...options, algorithms: [...ASYMMETRIC] });
    };
    return new Authority(verify, host, clockTolerance, table);
  }

  /** See TrackerPolicy. */
  async authorize(authorization: string | null, request: TrackerRequest, asker: Asker): Promise<Grant> {
    if (authorization === null) return unauthorized("Missing access token", undefined);
    const token = /^Bearer +([\w~+/.=-]+) *$/iu.exec(authorization)?.[1];
    if (token === undefined || authorization.length > MAX_AUTHORIZATION) {
      return unauthorized("Authorization is not a Bearer token", "invalid_request");
    }
    const payload = await this.#check(token);
    if (typeof payload === "string") return unauthorized(payload, "invalid_token");
    const { sub, scope, peer_id: peerId } = payload;
    if (peerId !== undefined && peerId !== request.peerId) {
      return unauthorized("Access token is for another Peer-ID", "invalid_token");
    }
    const scopes = new Set(typeof scope === "string" ? scope.split(" ") : []);
    for (const [swarmId, needed] of needs(request)) {
      if (!allows(scopes, swarmId, needed)) {
        return { ok: false, code: "forbidden", reason: `Access token lacks scope ${needed}` };
      }
    }
    const superNodeOf = needs(request).flatMap(([swarmId]) => (allows(scopes, swarmId, "super-node") ? [swarmId] : []));
    return { ok: true, asker: { ...asker, subject: String(sub), ...(superNodeOf.length > 0 && { superNodeOf }) } };
  }

  /** The claims of a good token, else what is wrong with it. */
  async #check(token: string): Promise<JWTPayload | string> {
    const now = this.#host.now();
    const known = this.#known.get(token);
    if (known !== undefined) {
      if (known.until > now) return known.payload;
      this.#known.delete(token);
    }
    try {
      const { payload } = await this.#verify(token);
      if (this.#known.size >= this.#table) {
        const [oldest] = this.#known.keys();
        if (oldest !== undefined) this.#known.delete(oldest);
      }
      this.#known.set(token, { payload, until: ((payload.exp ?? 0) + this.#clockTolerance) * 1000 });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) return "Access token has expired";
      // Keys that cannot be had are no fault of the peer.
      if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) throw error;
      return "Access token is not valid";
    }
  }
}

const ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] as const;

/** Whether a token says that it is signed with a shared secret; anything unreadable is not. */
function isSymmetric(token: string): boolean {
  try {
    const head = token.slice(0, token.indexOf(".")).replaceAll("-", "+").replaceAll("_", "/");
    return (JSON.parse(atob(head)) as { alg?: unknown }).alg === "HS256";
  } catch {
    return false;
  }
}

/** Which scope a request needs in which swarm. */
function needs(request: TrackerRequest): readonly (readonly [swarmId: string, scope: Scope])[] {
  switch (request.method) {
    case "CONNECT":
      return request.actions.map(({ swarmId, action, peerMode }) => [
        swarmId,
        action === "JOIN" && peerMode === "SEED" ? "seed" : "watch",
      ]);
    case "FIND":
      return [[request.swarmId, "watch"]];
    case "STAT_REPORT":
      return request.stats.flatMap(({ swarmId }) => (swarmId === undefined ? [] : [[swarmId, "watch"] as const]));
  }
}

/** Whether one of the scopes, or a greater one, covers this swarm. */
function allows(scopes: ReadonlySet<string>, swarmId: string, needed: Scope): boolean {
  return SCOPES.slice(SCOPES.indexOf(needed)).some((scope) => scopes.has(scope) || scopes.has(`${scope}:${swarmId}`));
}

function unauthorized(reason: string, error: string | undefined): Grant {
  const challenge = error === undefined ? 'Bearer realm="ppsp"' : `Bearer realm="ppsp", error="${error}"`;
  return { ok: false, code: "unauthorized", reason, challenge };
}
