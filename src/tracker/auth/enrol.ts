import { SignJWT } from "jose";
import type { Parameters } from "../parameters.ts";

/** What a new peer of an open service gets (§6.1): a name, and the means to show that it is its own. */
export interface Enrolment {
  readonly peer_id: string;
  readonly access_token: string;
  readonly token_type: "Bearer";
  /** Seconds. */
  readonly expires_in: number;
  readonly scope: string;
}

/**
 * A new Peer-ID with an access token that holds for it alone.
 *
 * @param now - milliseconds since 1970
 */
export async function enrol(parameters: Parameters, now: number): Promise<Enrolment> {
  const peerId = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  const life = parameters.number("ENROL_LIFE");
  const scope = "watch seed";
  const seconds = Math.floor(now / 1000);
  const [issuer, audience] = [parameters.text("AUTH_ISSUER"), parameters.text("AUTH_AUDIENCE")];
  const token = new SignJWT({ scope, peer_id: peerId })
    .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
    .setSubject(peerId)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + life);
  if (issuer !== "") token.setIssuer(issuer);
  if (audience !== "") token.setAudience(audience);
  const access_token = await token.sign(new TextEncoder().encode(parameters.text("AUTH_SECRET")));
  return { peer_id: peerId, access_token, token_type: "Bearer", expires_in: life, scope };
}
