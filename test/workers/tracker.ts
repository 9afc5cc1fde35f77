import { exports } from "cloudflare:workers";
import type { ConnectRequest, PeerMode, StatReport, SwarmAction, TrackerResponse } from "../../src/tracker/messages.ts";
import { SIGNAL_PROTOCOL, XML_SIGNAL_PROTOCOL } from "../../src/tracker/signal.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";

const URL_OF_TRACKER = "https://tracker.example/";

let transactions = 0;

/** A TransactionID that no test has used. */
export const newTransaction = (): string => `t${(transactions += 1)}`;

/** A Peer-ID or swarm name that no test has used. */
export const unique = (name: string): string => `${name}-${crypto.randomUUID()}`;

/** What came back from the tracker. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
  /** The decoded body of 200 and 401. */
  readonly message: TrackerResponse | undefined;
}

/** Sends any HTTP request to the Worker as if it came from `source`. */
export async function send(init: RequestInit, source = "192.0.2.1", url = URL_OF_TRACKER): Promise<Answer> {
  const headers = new Headers(init.headers);
  headers.set("CF-Connecting-IP", source);
  if (typeof init.body === "string" && !headers.has("Content-Length")) {
    headers.set("Content-Length", String(new TextEncoder().encode(init.body).length));
  }
  const response = await exports.default.fetch(new Request(url, { ...init, headers }));
  const body = await response.text();
  return {
    status: response.status,
    body,
    headers: response.headers,
    message: body === "" ? undefined : xmlCodec.decodeResponse(body),
  };
}

/** POSTs a body as XML. */
export const post = (body: string, source?: string): Promise<Answer> =>
  send({ method: "POST", body, headers: { "Content-Type": "application/xml" } }, source);

/** Text form of one action of a CONNECT: "JOIN LEECH 1111". */
type ActionText = `${SwarmAction["action"]} ${PeerMode} ${string}`;

/** Sends a CONNECT with these actions; `rest` replaces any part of it. */
export function connect(
  peerId: string,
  actions: readonly ActionText[],
  rest: Partial<ConnectRequest> & { source?: string } = {},
): Promise<Answer> {
  const { source, ...parts } = rest;
  const transactionId = newTransaction();
  const request: ConnectRequest = {
    method: "CONNECT",
    transactionId,
    peerId,
    addresses: [],
    actions: actions.map((text, index) => {
      const [action, peerMode, swarmId] = text.split(" ") as [SwarmAction["action"], PeerMode, string];
      return { action, peerMode, swarmId, transactionId: `${transactionId}.${index + 1}` };
    }),
    ...parts,
  };
  return post(xmlCodec.encodeRequest(request), source);
}

/** Sends a STAT_REPORT: a bare keep-alive unless `rest` says otherwise. */
export function report(peerId: string, rest: Partial<StatReport> & { source?: string } = {}): Promise<Answer> {
  const { source, ...parts } = rest;
  const request: StatReport = { method: "STAT_REPORT", transactionId: newTransaction(), peerId, stats: [], ...parts };
  return post(xmlCodec.encodeRequest(request), source);
}

/** Peer-IDs of the peer list, without the asker. */
export const listed = (answer: Answer): string[] => (answer.message?.peers ?? []).slice(1).map(({ peerId }) => peerId);

/** Registers with a token; the token. */
export async function enrol(peerId: string, swarmId: string, peerMode: PeerMode = "LEECH"): Promise<string> {
  const answer = await connect(peerId, [`JOIN ${peerMode} ${swarmId}`], { registration: {} });
  const token = answer.message?.registration?.token;
  if (token === undefined) throw new Error(`no token: ${answer.status} ${answer.headers.get("PPSP-Reason")}`);
  return token;
}

/** A signalling socket and everything that came from it. */
export class TestSocket {
  readonly messages: unknown[] = [];
  readonly socket: WebSocket;
  closed: number | undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => {
      this.messages.push(data === "pong" ? data : JSON.parse(String(data)));
    });
    socket.addEventListener("close", ({ code }) => {
      this.closed = code;
    });
    socket.accept();
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }
}

/** Asks for a signalling socket; the HTTP status when it is refused. */
export async function openSocket(swarmId: string, peerId: string, token: string): Promise<TestSocket | number> {
  const url = `${URL_OF_TRACKER}signal?swarm=${swarmId}&peer=${peerId}`;
  const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": `${SIGNAL_PROTOCOL}, token.${token}` };
  const response = await exports.default.fetch(new Request(url, { headers }));
  return response.webSocket === null ? response.status : new TestSocket(response.webSocket);
}

/** A signalling socket in XML, and every text that came from it. */
export async function openXmlSocket(
  swarmId: string,
  peerId: string,
  token: string,
): Promise<{ readonly socket: WebSocket; readonly texts: string[]; closed?: number }> {
  const url = `${URL_OF_TRACKER}signal?swarm=${swarmId}&peer=${peerId}`;
  const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": `${XML_SIGNAL_PROTOCOL}, token.${token}` };
  const response = await exports.default.fetch(new Request(url, { headers }));
  const socket = response.webSocket;
  if (socket === null) throw new Error(`socket refused: ${response.status}`);
  if (response.headers.get("Sec-WebSocket-Protocol") !== XML_SIGNAL_PROTOCOL) throw new Error("another subprotocol");
  const opened: Awaited<ReturnType<typeof openXmlSocket>> = { socket, texts: [] };
  socket.addEventListener("message", ({ data }) => void opened.texts.push(String(data)));
  socket.addEventListener("close", ({ code }) => {
    opened.closed = code;
  });
  socket.accept();
  return opened;
}

/** Registers with a token and opens the signalling socket. */
export async function member(swarmId: string, peerId: string): Promise<TestSocket> {
  const socket = await openSocket(swarmId, peerId, await enrol(peerId, swarmId));
  if (typeof socket === "number") throw new Error(`socket refused: ${socket}`);
  return socket;
}
