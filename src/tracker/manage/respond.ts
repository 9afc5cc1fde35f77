/** What browsers of any origin may do with the resources beside PPSP-TP; the front narrows the origin. */
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
  "Access-Control-Allow-Headers": "Authorization, Content-Type",
  "Access-Control-Max-Age": "86400",
} as const;

/** A JSON response that nobody keeps. */
export function json(value: unknown, status = 200): Response {
  const headers: Record<string, string> = {
    ...CORS,
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
  };
  if (status === 401) headers["WWW-Authenticate"] = 'Bearer realm="manage"';
  return new Response(status === 204 ? null : JSON.stringify(value), { status, headers });
}

/** Whether the request shows one of these bearer tokens; empty ones are no tokens. */
export function bearer(request: Request, tokens: readonly string[]): boolean {
  const shown = /^Bearer +(\S+)$/iu.exec(request.headers.get("Authorization") ?? "")?.[1] ?? "";
  return tokens.map((token) => token !== "" && same(token, shown)).includes(true);
}

/** Compares in a time that says nothing about where two texts of one length differ. */
function same(left: string, right: string): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at += 1) difference |= left.charCodeAt(at) ^ right.charCodeAt(at);
  return difference === 0;
}
