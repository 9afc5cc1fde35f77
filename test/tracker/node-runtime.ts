/** What the tests of test/workers import as `cloudflare:workers` when they run against the tracker under Node. */
import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { arrayBuffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { startTracker } from "../../src/node/tracker.ts";
import { PUBLISHERS } from "./publishers.ts";

const SWARMS =
  "1111 2222 3333 abcdef aa11 aa22 aa33 aa44 aa55 aa66 aa77 aa88 aa99 empty1 empty2 bb11 bb22 bb33 bb44 bb55 bb66 bb77 bb88 bb99";

const tracker = await startTracker({
  port: 0,
  parameters: { SWARMS, PUBLISHERS: PUBLISHERS.join(" "), SOURCE_HEADER: "CF-Connecting-IP" },
});

/** Sends a request as it is, on a connection of its own, and says at its end that nothing more will come. */
async function send(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const body = Buffer.from(await request.arrayBuffer());
  const headers = { ...Object.fromEntries(request.headers), connection: "close" };
  const options = { port: tracker.port, method: request.method, path: pathname + search, headers, agent: false };
  const sent = httpRequest(options);
  sent.on("socket", (socket) => sent.end(body, () => socket.end()));
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  const raw = Buffer.from(await arrayBuffer(answer));
  // As fetch does.
  const bytes = answer.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
  const fields = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) fields.set(name, String(value));
  const { statusCode: status = 0, statusMessage: statusText = "" } = answer;
  return new Response(bytes.length === 0 ? null : bytes, { status, statusText, headers: fields });
}

export const exports = { default: { fetch: send } };

/** The Worker's own entry, which some tests call with other bindings, loads but has no platform. */
export class DurableObject {}
export const waitUntil = (promise: Promise<unknown>): void => void promise;
export const env = { SWARMS, REGISTRY: { getByName: () => ({ add: async () => undefined }) } };
