import { handleTracker } from "../../src/tracker/handler.ts";
import { jsonCodec } from "../../src/tracker/json/codec.ts";
import type { ConnectRequest, TrackerRequest } from "../../src/tracker/messages.ts";
import type { TrackerObjects, TrackerPolicy } from "../../src/tracker/objects.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { LocalObjects } from "./objects.ts";

/** Requests to a tracker in this process. */

export const XML = "application/xml";
export const JSON_TYPE = "application/ppsp-tracker+json";
export const ANYONE: TrackerPolicy = { serves: () => true };
export const CODECS = { [XML]: xmlCodec, [JSON_TYPE]: jsonCodec };

export const JOIN: ConnectRequest = {
  method: "CONNECT",
  transactionId: "t",
  peerId: "p",
  addresses: [],
  actions: [{ swarmId: "1111", action: "JOIN", peerMode: "LEECH", transactionId: "t.1" }],
};
export const REPORT = { method: "STAT_REPORT", transactionId: "t", peerId: "p", stats: [] } as const;

export interface Post {
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly type?: string;
  readonly headers?: Record<string, string>;
  readonly length?: number;
  readonly path?: string;
  readonly method?: string;
  readonly objects?: TrackerObjects;
  readonly policy?: TrackerPolicy;
  readonly source?: string;
}

export function post({ body = xmlCodec.encodeRequest(REPORT), type = XML, headers = {}, length, ...rest }: Post = {}) {
  const { path = "/", method = "POST", objects = new LocalObjects(), policy = ANYONE, source = "192.0.2.1" } = rest;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const size = length ?? ("byteLength" in bytes ? bytes.byteLength : 0);
  const all = { "Content-Type": type, "Content-Length": String(size), ...headers };
  const init = { method, headers: all, ...(method === "POST" && { body: bytes, duplex: "half" }) };
  return handleTracker(new Request(`https://tracker.example${path}`, init), { source }, objects, policy);
}

export const send = (request: TrackerRequest, rest: Post = {}) => {
  const codec = CODECS[(rest.type ?? XML) as keyof typeof CODECS];
  return post({ ...rest, body: codec.encodeRequest(request) });
};
