import { plainReason, type RefusalCode, STATUS } from "./errors.ts";
import type { Codec, TrackerRequest } from "./messages.ts";
import type { Asker } from "./objects.ts";
import type { Soon } from "./soon.ts";

/** Requests and answers as plain values: what a runtime makes of a request of its own, and of our answer, is its business. */

/** A request as PPSP-TP reads it. */
export interface Inquiry {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** A header field by its name in lower case; several of one name are joined with commas. */
  header(name: string): string | undefined;
  /**
   * All octets of the body.
   *
   * @param length - what Content-Length says
   * @param timeout - milliseconds that the peer may take to send it
   * @throws TrackerError "length" where there are not as many, "timeout".
   */
  body(length: number, timeout: number): Soon<Uint8Array<ArrayBuffer>>;
  /** Where an edge says that the request came from; only lists need it, and it is costly to ask. */
  place?(): Pick<Asker, "asn" | "country">;
}

/** What is answered. */
export interface Answer {
  readonly status: number;
  /** For the status line and PPSP-Reason; empty: what the status usually says. */
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | ArrayBuffer;
  /** What was asked, where it could be read. */
  readonly method?: TrackerRequest["method"];
}

/** Header that carries the reason of a refusal, which HTTP/2 has no status line for. */
export const REASON_HEADER = "PPSP-Reason";

/** What browsers of any origin may do: PPSP-TP uses no cookies. */
export const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": REASON_HEADER,
} as const;

/** The answer to what could not even be read: without body (§4.3), unless it is JSON. */
export function refusalAnswer(code: RefusalCode, reason: string, codec?: Codec, transactionId?: string): Answer {
  const clean = plainReason(reason, 200);
  const body = codec?.encodeRefusal(code, transactionId);
  const headers: Record<string, string> = { ...CORS, [REASON_HEADER]: clean };
  if (body === undefined || codec === undefined) return { status: STATUS[code], reason: clean, headers };
  headers["Content-Type"] = codec.contentType;
  return { status: STATUS[code], reason: clean, headers, body };
}

/** An answer for runtimes that take a Response. */
export function toResponse({ status, reason, headers, body }: Answer): Response {
  // Workers would compress once more what says that it is compressed; other platforms do not know the option.
  const init: ResponseInit & { readonly encodeBody?: "manual" } = {
    status,
    headers,
    ...(reason !== "" && { statusText: reason }),
    ...(typeof body === "object" && { encodeBody: "manual" }),
  };
  return new Response(body ?? null, init);
}

/** A refusal for runtimes that take a Response. */
export const refuse = (code: RefusalCode, reason: string): Response => toResponse(refusalAnswer(code, reason));
