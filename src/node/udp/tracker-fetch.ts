import { type IncomingMessage, request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import type { Fetch } from "../../link/tracker-http.ts";

/** A farewell that takes longer is not waited for, ms: the track timer says the same. */
const FAREWELL_MS = 2000;

/** How requests to one tracker are sent. */
export interface TrackerFetchOptions extends Pick<RequestOptions, "family" | "localAddress"> {
  readonly contentType: string;
  /** Ends all requests but farewells. */
  readonly ended: AbortSignal;
  /** Told the IP address of whoever answers, before the answer is read. */
  readonly answered: (address: string) => void;
}

/**
 * `fetch` as a tracker client needs it. Other than Node's own it can say who has answered and be told from which address to ask, and
 * it follows no redirect: a tracker is where the user says, and not where it says itself.
 */
export function trackerFetch({ contentType, ended, answered, ...route }: TrackerFetchOptions): Fetch {
  return (url, { body, keepalive = false, signal }) =>
    new Promise((resolve, reject) => {
      if (ended.aborted && !keepalive) throw new Error("not a member any more");
      const bytes = Buffer.from(typeof body === "string" ? body : "");
      const headers = { "Content-Type": contentType, "Content-Length": bytes.length };
      const ask = new URL(url).protocol === "https:" ? httpsRequest : httpRequest;
      const sent = ask(url, { ...route, method: "POST", headers }, (message) => {
        answered(message.socket.remoteAddress ?? "");
        resolve(toResponse(message));
      });
      const stop = (): void => void sent.destroy(new Error("given up"));
      const farewell = keepalive ? setTimeout(stop, FAREWELL_MS) : undefined;
      const signals = [signal, keepalive ? undefined : ended];
      for (const one of signals) one?.addEventListener("abort", stop);
      sent.on("error", reject);
      sent.on("close", () => {
        clearTimeout(farewell);
        for (const one of signals) one?.removeEventListener("abort", stop);
      });
      sent.end(bytes);
    });
}

/** The answer as `fetch` has it; only a 200 has a body that matters. */
function toResponse(message: IncomingMessage): Response {
  const { statusCode = 0, headers } = message;
  const reason = headers["ppsp-reason"];
  const fields = typeof reason === "string" ? { "PPSP-Reason": reason } : {};
  if (statusCode === 200) {
    return new Response(Readable.toWeb(message) as ReadableStream<Uint8Array<ArrayBuffer>>, { headers: fields });
  }
  message.resume();
  // A Response takes no other numbers, and a tracker may send any.
  return new Response(null, { status: statusCode >= 200 && statusCode <= 599 ? statusCode : 502, headers: fields });
}
