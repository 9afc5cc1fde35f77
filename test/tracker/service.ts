import { connect as connectTcp } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach } from "vitest";
import { type RunningTracker, startTracker, type TrackerOptions } from "../../src/node/tracker.ts";
import type { TrackerResponse } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { TestClient } from "./world.ts";

/** What a test has opened; closed after it, last first. */
export const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A tracker in this process, open unless told otherwise. */
export async function tracker(options: Partial<TrackerOptions> = {}): Promise<RunningTracker> {
  const running = await startTracker({ port: 0, open: true, ...options });
  opened.push(() => running.close());
  return running;
}

/** A client that leaves after the test. */
export function client(...args: ConstructorParameters<typeof TestClient>): TestClient {
  const made = new TestClient(...args);
  opened.push(() => made.client.leave());
  return made;
}

/** The operator's token. */
export const MANAGE = "the-operators-own-token";
/** A call of the management API; status and body. */
export const manage = async (
  url: string,
  path: string,
  init: RequestInit = {},
): Promise<[number, Record<string, unknown>]> => {
  const body = typeof init.body === "string" ? { "Content-Length": String(init.body.length) } : {};
  const headers = { Authorization: `Bearer ${MANAGE}`, ...body, ...(init.headers as Record<string, string>) };
  const response = await fetch(new URL(`manage${path}`, url), { ...init, headers });
  const answer = await response.text();
  return [response.status, answer === "" ? {} : (JSON.parse(answer) as Record<string, unknown>)];
};

/** CONNECT with Registration over XML; status, message and headers. */
export async function register(
  url: string,
  peerId: string,
  options: {
    authorization?: string;
    peerMode?: "SEED" | "LEECH";
    source?: string;
    swarmId?: string;
    grants?: readonly string[];
  } = {},
): Promise<{ status: number; message: TrackerResponse | undefined; headers: Headers }> {
  const { authorization, peerMode = "LEECH", source, swarmId = "abcdef", grants } = options;
  const body = xmlCodec.encodeRequest({
    method: "CONNECT",
    transactionId: crypto.randomUUID(),
    peerId,
    addresses: [],
    actions: [{ swarmId, action: "JOIN", peerMode, transactionId: "1" }],
    registration: {},
    ...(grants !== undefined && { grants }),
  });
  const headers = {
    "Content-Type": "application/xml",
    ...(authorization !== undefined && { Authorization: authorization }),
    ...(source !== undefined && { "X-Source": source }),
  };
  const response = await fetch(url, { method: "POST", body, headers });
  const answer = await response.text();
  const message = answer === "" ? undefined : xmlCodec.decodeResponse(answer);
  return { status: response.status, message, headers: response.headers };
}

/** Sends bytes as they are and gives all that comes back until the server ends the connection. */
export function exchange(port: number, bytes: string): Promise<string> {
  const socket = connectTcp({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.write(bytes);
  return text(socket);
}

/** Beginning of a request. */
export const HEAD = "POST / HTTP/1.1\r\nHost: tracker\r\nContent-Type: application/xml\r\n";
