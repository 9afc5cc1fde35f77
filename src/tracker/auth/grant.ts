import {
  base64url,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWK,
  jwtVerify,
  type KeyObject,
  SignJWT,
} from "jose";

/** Media type of a grant, which keeps other JWTs of the same key from being taken for one (RFC 8725 §3.11). */
const TYPE = "ppsp-grant+jwt";
/** Ends later than any clock will show, milliseconds since 1970; still an integer in JSON. */
const NO_END = Number.MAX_SAFE_INTEGER;

/**
 * Kinds of publishers' keys. A key is written as the SwarmID of its live swarms (RFC 7574 §6.1.2): a DNSSEC algorithm
 * number and the public key in that algorithm's format (RFC 6605, RFC 8080), in lower-case hex.
 */
const KINDS = [
  { number: "0d", octets: 64, alg: "ES256", algorithms: ["ES256"], head: { kty: "EC", crv: "P-256" } },
  { number: "0f", octets: 32, alg: "EdDSA", algorithms: ["EdDSA", "Ed25519"], head: { kty: "OKP", crv: "Ed25519" } },
] as const;

/** A publisher's word that it stands for a swarm. */
export interface Voucher {
  /** Public key of the publisher. */
  readonly publisher: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** A public key that grants are checked with. */
export interface PublisherKey {
  readonly jwk: JWK;
  readonly algorithms: readonly string[];
}

/** Reads a public key. @throws RangeError */
export function readPublisher(text: string): PublisherKey {
  const kind = KINDS.find(({ number, octets }) => text.startsWith(number) && text.length === 2 + 2 * octets);
  if (kind === undefined || !/^[0-9a-f]+$/u.test(text)) {
    throw new RangeError(`not the public key of a publisher: ${text.slice(0, 140)}`);
  }
  const key = Uint8Array.from({ length: kind.octets }, (_, at) => parseInt(text.slice(2 + 2 * at, 4 + 2 * at), 16));
  const x = base64url.encode(key.subarray(0, 32));
  return {
    jwk: { ...kind.head, x, ...(kind.octets === 64 && { y: base64url.encode(key.subarray(32)) }) },
    algorithms: kind.algorithms,
  };
}

/** Writes a public key; undefined for a kind that publishers cannot have. */
export function publisherOf({ crv, x = "", y = "" }: JWK): string | undefined {
  const kind = KINDS.find(({ head }) => head.crv === crv);
  if (kind === undefined) return undefined;
  const octets = [...base64url.decode(x), ...base64url.decode(y)];
  return kind.number + octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
}

/**
 * Signs a grant: a compact JWS whose claim `sub` is the SwarmID, with the publisher's key as `kid`.
 *
 * @param publisher - the public key
 * @param end - seconds since 1970; undefined: it does not expire
 */
export async function signGrant(
  key: KeyObject | JWK,
  publisher: string,
  swarmId: string,
  end: number | undefined,
): Promise<string> {
  const alg = KINDS.find(({ number }) => publisher.startsWith(number))?.alg ?? "";
  const grant = new SignJWT({}).setProtectedHeader({ alg, typ: TYPE, kid: publisher }).setSubject(swarmId);
  if (end !== undefined) grant.setExpirationTime(end);
  return grant.sign(key);
}

/** What a grant says of itself. */
export interface GrantClaims {
  readonly publisher: string;
  readonly swarmId: string;
  /** Seconds since 1970; undefined: it does not expire. */
  readonly end: number | undefined;
}

/** What a grant says of itself, unproven; undefined for what is none. */
export function readGrant(grant: string): GrantClaims | undefined {
  try {
    const { kid } = decodeProtectedHeader(grant);
    const { sub, exp } = decodeJwt(grant);
    return typeof kid === "string" && typeof sub === "string" ? { publisher: kid, swarmId: sub, end: exp } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Until when a grant holds, milliseconds since 1970; else what is wrong with it.
 *
 * @param clockTolerance - seconds
 */
export async function verifyGrant(
  grant: string,
  { jwk, algorithms }: PublisherKey,
  now: Date,
  clockTolerance: number,
): Promise<number | string> {
  try {
    const options = { typ: TYPE, algorithms: [...algorithms], currentDate: now, clockTolerance };
    const { payload } = await jwtVerify(grant, jwk, options);
    return payload.exp === undefined ? NO_END : Math.min((payload.exp + clockTolerance) * 1000, NO_END);
  } catch (error) {
    // WebCrypto has errors of its own for a listed key that is no point of its curve.
    return error instanceof errors.JWTExpired ? "Grant has expired" : "Grant is not valid";
  }
}
