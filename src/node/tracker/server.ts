import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { bareAddress } from "../../tracker/address.ts";
import type { TrackerFront } from "../../tracker/front.ts";
import { readSubprotocols, SIGNAL_CODECS } from "../../tracker/encodings.ts";
import { type Answer, REASON_HEADER } from "../../tracker/exchange.ts";
import { MAX_SIGNAL, MAX_URI } from "../../tracker/limits.ts";
import type { Parameters } from "../../tracker/parameters.ts";
import { after, attempt, type Soon } from "../../tracker/soon.ts";
import { detached } from "../../tracker/values.ts";
import { CommandError } from "../publish/command-error.ts";
import { toInquiry, toRequest } from "./request.ts";
import type { LocalSwarm } from "./swarm.ts";

/** Octets of all header fields of a request. */
const MAX_HEADERS = 16 * 1024;
/** A signal in UTF-8 has at most three octets per character. */
const MAX_MESSAGE = 3 * MAX_SIGNAL;
/** How often Node looks for requests that are too slow, ms. */
const CHECK_MS = 1000;

/** What a server needs. */
export interface ServerOptions {
  readonly port: number;
  readonly host: string;
  /** PEM; absent: HTTP. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  readonly parameters: Parameters;
  readonly front: TrackerFront;
  /** The swarm of that name, if it has members. */
  readonly swarm: (swarmId: string) => LocalSwarm | undefined;
}

/** A tracker's HTTP or HTTPS server. @throws CommandError when the port cannot be had or the certificate not be used. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { port, host, tls, parameters } = options;
  const settings = {
    maxHeaderSize: MAX_HEADERS,
    requestTimeout: parameters.number("REQUEST_TIMEOUT") * 1000,
    headersTimeout: parameters.number("REQUEST_TIMEOUT") * 1000,
    keepAliveTimeout: parameters.number("IDLE_TIMEOUT") * 1000,
    connectionsCheckingInterval: CHECK_MS,
    noDelay: true,
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => answer(request, response, options);
  const server = tls === undefined ? createHttpServer(settings, listener) : secure(settings, tls, listener);
  server.maxConnections = parameters.number("SOCKET_LIMIT");
  // A peer that has said all it will say still gets its answer, as it does from workerd.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => refuseClient(error, socket));
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (names) => [...names].find((name) => SIGNAL_CODECS.has(name)) ?? false,
  });
  server.on("upgrade", (request, socket, head) => upgrade(request, socket, head, sockets, options));
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") throw new CommandError(`port ${port} is in use: choose another one with --port`);
    throw new CommandError(`cannot listen on ${host}, port ${port}: ${message}`);
  }
  return server;
}

/** Where a server that listens can be reached. */
export function addressOf(server: Server, secured: boolean): { readonly url: string; readonly port: number } {
  const { address, port, family } = server.address() as AddressInfo;
  const name = family === "IPv6" ? `[${address}]` : address;
  return { url: `${secured ? "https" : "http"}://${name}:${port}/`, port };
}

function secure(
  settings: object,
  tls: { readonly cert: string | Buffer; readonly key: string | Buffer },
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  try {
    return createHttpsServer({ ...settings, ...tls }, listener);
  } catch (error) {
    throw new CommandError(`the certificate or its key cannot be used: ${(error as Error).message}`);
  }
}

function answer(request: IncomingMessage, response: ServerResponse, options: ServerOptions): void {
  const { front, parameters } = options;
  const source = sourceOf(request, parameters.text("SOURCE_HEADER"));
  const refused = front.admit(source);
  if (refused !== undefined) return write(response, refused, request.complete);
  const failed = (error: unknown): void => {
    // The peer has gone, or was told by `clientError`.
    if (request.destroyed && !request.complete) return;
    console.error("tracker: unexpected condition", error);
    response.destroy();
  };
  const serve = (bytes: Buffer<ArrayBuffer> | undefined): Soon<void> =>
    after(
      request.url === "/"
        ? front.track(toInquiry(request, bytes), { source })
        : front.serve(toRequest(request, bytes), { source }, true).then(toAnswer),
      (answered) => write(response, answered, request.complete),
    );
  onBody(request, parameters.limits.body, (bytes) => void attempt(() => serve(bytes), failed));
}

/**
 * Hands the body over once it is there, up to what any handler takes; undefined where its length says that it will not be
 * taken anyway.
 */
function onBody(
  request: IncomingMessage,
  limit: number,
  received: (bytes: Buffer<ArrayBuffer> | undefined) => void,
): void {
  const length = request.headers["content-length"];
  if (length === undefined || Number(length) > limit || length === "0") return received(undefined);
  // Events, because a request's iterator costs as much as all that is done for a PPSP-TP request.
  const parts: Buffer<ArrayBuffer>[] = [];
  request.on("data", (part: Buffer<ArrayBuffer>) => parts.push(part));
  request.on("end", () => received(parts.length === 1 ? parts[0] : Buffer.concat(parts)));
}

const toAnswer = async (response: Response): Promise<Answer> => ({
  status: response.status,
  reason: response.statusText,
  headers: Object.fromEntries(response.headers),
  ...(response.body !== null && { body: await response.arrayBuffer() }),
});

function write(response: ServerResponse, { status, reason, headers, body }: Answer, complete: boolean): void {
  const content = typeof body === "object" ? Buffer.from(body) : body;
  const length = content === undefined ? 0 : Buffer.byteLength(content);
  // As a list, which Node takes as it is.
  const fields: string[] = [];
  for (const name in headers) fields.push(name, headers[name]!);
  if (status !== 204) fields.push("Content-Length", String(length));
  // What is still to come of a request that was refused is not read.
  if (!complete) fields.push("Connection", "close");
  if (reason === "") response.writeHead(status, fields);
  else response.writeHead(status, reason, fields);
  // Text that is all ASCII is written without being converted.
  response.end(content, length === content?.length ? "latin1" : "utf8");
}

/** The peer's address: its connection's, or what the proxy in front of the tracker says. */
function sourceOf({ headers, socket }: IncomingMessage, header: string): string {
  const stated = header === "" ? undefined : headers[header.toLowerCase()];
  // A proxy appends what it saw: only the last entry of a list is its own.
  const told = typeof stated === "string" ? stated.split(",").at(-1)?.trim() : undefined;
  const source = told ?? socket.remoteAddress ?? "0.0.0.0";
  // Members are kept with it, and the rest of a list is whatever a peer has written into the field.
  return detached(bareAddress(source));
}

/** A request that is too slow or not HTTP: 408 or 400 with an empty body (Appendix B.4 knows no 431). */
function refuseClient(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const slow = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  // The peer has said that nothing more will come, before all that it announced had come (T43).
  if (error.code === "HPE_INVALID_EOF_STATE") return end(socket, 411, "Content-Length does not match");
  end(socket, slow ? 408 : 400, slow ? "Request took too long" : "Not an HTTP request");
}

/** Answers on a bare socket and closes it. */
function end(socket: Duplex, status: number, reason: string): void {
  const lines = [
    `HTTP/1.1 ${status} ${reason}`,
    `${REASON_HEADER}: ${reason}`,
    "Access-Control-Allow-Origin: *",
    "Content-Length: 0",
    "Connection: close",
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n`, () => socket.destroy());
}

function upgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  sockets: WebSocketServer,
  { front, parameters, swarm: find }: ServerOptions,
): void {
  const { url: target = "/", headers } = request;
  socket.on("error", () => socket.destroy());
  const refuse = ({ status, reason }: Answer): void => end(socket, status, reason);
  const admitted = front.admit(sourceOf(request, parameters.text("SOURCE_HEADER")));
  if (admitted !== undefined) return refuse(admitted);
  if (target.length > MAX_URI || !URL.canParse(target, "http://tracker"))
    return end(socket, 414, "Request-URI too long");
  const url = new URL(target, "http://tracker");
  if (url.pathname !== "/signal") return end(socket, 404, "No such resource");
  const swarmId = url.searchParams.get("swarm") ?? "";
  const peerId = url.searchParams.get("peer") ?? "";
  const refused = front.signalRefusal(headers.upgrade ?? null, swarmId);
  if (refused !== undefined) return refuse(refused);
  const { codec, token } = readSubprotocols(headers["sec-websocket-protocol"] ?? null);
  if (codec === undefined) return end(socket, 400, "Subprotocol not supported");
  const swarm = find(swarmId);
  if (swarm === undefined || !swarm.desk.admits(peerId, token)) return end(socket, 403, "Peer not registered");
  sockets.handleUpgrade(request, socket, head, (opened) => {
    // Between the check and here nothing else has run.
    swarm.accept(peerId, opened, codec);
  });
}
