import { TrackerError } from "../tracker/errors.ts";
import type { Codec, TrackerRequest, TrackerResponse } from "../tracker/messages.ts";

/** A tracker that takes longer is as good as none, ms. */
const TIMEOUT_MS = 10_000;
/** Bytes of an answer: 50 peers need about 16 KiB. */
const MAX_ANSWER = 128 * 1024;
/** Header with the reason of a refusal. */
const REASON_HEADER = "PPSP-Reason";

const POST = {
  method: "POST",
  // text/plain makes it a simple request: browsers ask no permission first (CORS preflight).
  headers: { "Content-Type": "text/plain; charset=utf-8" },
  credentials: "omit",
  cache: "no-store",
} as const satisfies RequestInit;

/** How requests leave: the host's own fetch, or another in tests. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * Sends one request to a tracker and reads the answer, trusting nothing about it. An answer that got lost is asked for
 * once more by the identical request (§4.3), unless that took long already.
 *
 * @param keepalive - whether the request outlives the page
 * @throws TrackerError "unreachable", "unauthorized", "forbidden", "unavailable" or "bad-response".
 */
export async function askTracker(
  fetch: Fetch,
  url: string,
  codec: Codec,
  request: TrackerRequest,
  keepalive = false,
): Promise<TrackerResponse> {
  const body = codec.encodeRequest(request);
  const once = () => ask(fetch, url, codec, request, body, keepalive);
  const late = Date.now() + TIMEOUT_MS / 2;
  try {
    return await once();
  } catch (error) {
    if (!(error instanceof TrackerError) || error.code !== "unreachable" || keepalive || Date.now() > late) throw error;
    return once();
  }
}

/** Sends a request from a page that goes, for whom there is no time for an answer; `token` as in `authorizedFetch`. */
export function tellTracker(url: string, body: string, token = ""): void {
  // Firefox loses a fetch of a page whose worker ends with it, but only a fetch shows a token.
  if (token === "") {
    navigator.sendBeacon(url, new Blob([body], { type: POST.headers["Content-Type"] }));
    return;
  }
  const headers = { ...POST.headers, Authorization: `Bearer ${token}` };
  fetch(url, { ...POST, headers, body, keepalive: true }).catch(() => undefined);
}

async function ask(
  fetch: Fetch,
  url: string,
  codec: Codec,
  request: TrackerRequest,
  body: string,
  keepalive: boolean,
): Promise<TrackerResponse> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(url, { ...POST, body, keepalive, signal: timeout.signal });
    const { status } = response;
    if (status !== 200) {
      void response.body?.cancel().catch(() => undefined);
      throw refused(status, response.headers.get(REASON_HEADER)?.slice(0, 200));
    }
    const answer = readAnswer(codec, await readText(response, MAX_ANSWER));
    if (answer.response !== "SUCCESSFUL" || answer.transactionId !== request.transactionId) {
      throw new TrackerError("bad-response", "the answer is not to this request");
    }
    return answer;
  } catch (error) {
    if (error instanceof TrackerError) throw error;
    throw new TrackerError("unreachable", "no answer", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function refused(status: number, reason = `HTTP status ${status}`): TrackerError {
  if (status === 401) return new TrackerError("unauthorized", reason);
  if (status === 403) return new TrackerError("forbidden", reason);
  return new TrackerError(status >= 500 ? "unavailable" : "bad-response", reason);
}

function readAnswer(codec: Codec, text: string): TrackerResponse {
  try {
    return codec.decodeResponse(text);
  } catch (error) {
    throw new TrackerError("bad-response", "the answer is not PPSP-TP", { cause: error });
  }
}

/** Reads a body up to a limit in bytes. @throws TrackerError "bad-response" beyond it. */
export async function readText(response: Response, limit: number): Promise<string> {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || value === undefined) return text + decoder.decode();
    size += value.byteLength;
    if (size > limit) {
      void reader?.cancel().catch(() => undefined);
      throw new TrackerError("bad-response", "the answer is too large");
    }
    text += decoder.decode(value, { stream: true });
  }
}
