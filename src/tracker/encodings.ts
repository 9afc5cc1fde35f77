import { jsonSignals } from "./json/signal.ts";
import { SIGNAL_PROTOCOL, type SignalCodec, TOKEN_PREFIX, XML_SIGNAL_PROTOCOL } from "./signal.ts";
import { xmlSignals } from "./xml/signal.ts";

/** The encoding of a signalling socket by its subprotocol. */
export const SIGNAL_CODECS: ReadonlyMap<string, SignalCodec> = new Map([
  [SIGNAL_PROTOCOL, jsonSignals],
  [XML_SIGNAL_PROTOCOL, xmlSignals],
]);

/** What a peer offers for its signalling socket: the first encoding that we know, if any, and the token that it shows. */
export function readSubprotocols(header: string | null): { readonly codec: SignalCodec | undefined; token: string } {
  const names = (header ?? "").split(",").map((name) => name.trim());
  const known = names.find((name) => SIGNAL_CODECS.has(name)) ?? "";
  const token = names.find((name) => name.startsWith(TOKEN_PREFIX))?.slice(TOKEN_PREFIX.length) ?? "";
  return { codec: SIGNAL_CODECS.get(known), token };
}

/** The encoding of a poll: what its Content-Type says, else what it begins with (text/plain spares the CORS preflight). */
export function pollCodec(contentType: string | null, text: string): SignalCodec {
  const [essence = ""] = (contentType ?? "").toLowerCase().split(";");
  if (/^(?:application|text)\/xml$/u.test(essence.trim())) return xmlSignals;
  if (/^application\/(?:[\w.-]+\+)?json$/u.test(essence.trim())) return jsonSignals;
  return /^\s*</u.test(text) ? xmlSignals : jsonSignals;
}
