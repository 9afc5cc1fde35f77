import { DurableObject } from "cloudflare:workers";
import { refuse } from "../src/tracker/exchange.ts";
import { type DeskPort, type PolicyChange, SwarmDesk } from "../src/tracker/manage/desk.ts";
import type { MemberSummary, SwarmSummary } from "../src/tracker/manage/summary.ts";
import type {
  ConnectRequest,
  FindRequest,
  PeerProperties,
  StatReport,
  StreamStatistics,
} from "../src/tracker/messages.ts";
import type { Asker, Entry, Listing, Outcome, SwarmPort, Wish } from "../src/tracker/objects.ts";
import { randomNumber } from "../src/tracker/random.ts";
import { CLOSE, PING, POLL_PATH, PONG, SIGNAL_PROTOCOL, TOKEN_PREFIX } from "../src/tracker/signal.ts";
import { topologyOf } from "../src/tracker/parameters.ts";
import { type Environment, parametersOf, registryOf } from "./environment.ts";
import { SqlMembers } from "./sql-members.ts";

/** One swarm: storage, timer and sockets for a {@link SwarmDesk}. Evicted at any time, it comes back the same. */
export class Swarm extends DurableObject<Environment> implements SwarmPort, DeskPort {
  readonly #desk: SwarmDesk;
  readonly #members: SqlMembers;
  /** Milliseconds between two summaries for the registry. */
  readonly #interval: number;
  /** When the alarm is due; unknown after an eviction. */
  #alarm: number | undefined;
  /** When the next summary is due; unknown before the first member and after an eviction. */
  #summary: number | undefined;

  constructor(state: DurableObjectState, environment: Environment) {
    super(state, environment);
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    const parameters = parametersOf(environment);
    this.#interval = parameters.number("METRICS_INTERVAL") * 1000;
    this.#members = new SqlMembers(state.storage);
    this.#desk = new SwarmDesk({
      swarmId: state.id.name ?? "",
      storage: this.#members,
      trackTimer: parameters.number("TRACK_TIMER") * 1000,
      topology: topologyOf(parameters),
      now: () => Date.now(),
      iso: (at) => new Date(at).toISOString(),
      random: randomNumber,
      newToken,
      heard: (peerId) => Math.max(0, ...state.getWebSockets(peerId).map((socket) => this.#heard(socket))),
      sockets: (peerId) => this.#open(peerId),
    });
    for (const socket of this.#open()) this.#desk.reachable(peerOf(socket));
  }

  async onConnect(request: ConnectRequest, asker: Asker): Promise<Outcome> {
    return this.#timed(this.#desk.onConnect(request, asker));
  }

  async onFind(request: FindRequest, asker: Asker): Promise<Outcome> {
    return this.#timed(this.#desk.onFind(request, asker));
  }

  async onReport(request: StatReport, asker: Asker): Promise<Outcome> {
    return this.#timed(this.#desk.onReport(request, asker));
  }

  async enter(entry: Entry, wish: Wish): Promise<Listing | "unauthorized" | "forbidden" | "unavailable"> {
    return this.#timed(this.#desk.enter(entry, wish));
  }

  async find(peerId: string, asker: Asker, wish: Wish): Promise<Listing | undefined> {
    return this.#desk.find(peerId, asker, wish);
  }

  async remove(peerId: string): Promise<void> {
    this.#desk.remove(peerId);
    await this.#tidy();
  }

  async note(
    peerId: string,
    stat: StreamStatistics | undefined,
    properties: PeerProperties | undefined,
  ): Promise<void> {
    this.#desk.note(peerId, stat, properties);
  }

  async describe(): Promise<SwarmSummary> {
    return this.#desk.describe();
  }

  async list(after: string, limit: number): Promise<readonly MemberSummary[]> {
    return this.#desk.list(after, limit);
  }

  async change(change: PolicyChange): Promise<SwarmSummary> {
    this.#desk.change(change);
    const summary = this.#desk.describe();
    await this.#tidy();
    return summary;
  }

  async ban(peerId: string, withAddress: boolean, seconds: number | undefined): Promise<boolean> {
    return this.#desk.ban(peerId, withAddress, seconds);
  }

  async unban(peerId: string): Promise<boolean> {
    const had = this.#desk.unban(peerId);
    await this.#tidy();
    return had;
  }

  async close(): Promise<number> {
    const count = this.#desk.close();
    await this.#tidy();
    return count;
  }

  /** Opens a member's signalling socket, or answers a poll. */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === POLL_PATH) return this.#desk.poll(request);
    const peerId = searchParams.get("peer") ?? "";
    const protocols = (request.headers.get("Sec-WebSocket-Protocol") ?? "").split(",").map((name) => name.trim());
    const token = protocols.find((name) => name.startsWith(TOKEN_PREFIX))?.slice(TOKEN_PREFIX.length) ?? "";
    if (!protocols.includes(SIGNAL_PROTOCOL)) return refuse("malformed", "Subprotocol not supported");
    if (!this.#desk.admits(peerId, token)) return refuse("forbidden", "Peer not registered");
    for (const socket of this.ctx.getWebSockets(peerId)) socket.close(CLOSE.replaced, "replaced by a newer socket");
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [peerId]);
    server.serializeAttachment({ peerId, opened: Date.now() } satisfies Attachment);
    server.send(this.#desk.opened(peerId));
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { "Sec-WebSocket-Protocol": SIGNAL_PROTOCOL },
    });
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    // More may come before the peer learns that its socket is closed.
    if (socket.readyState === WebSocket.OPEN) this.#desk.receive(socket, peerOf(socket), message);
  }

  override webSocketClose(socket: WebSocket): void {
    // Completes the closing handshake.
    socket.close(1000);
    const peerId = peerOf(socket);
    if (this.#open(peerId).every((other) => other === socket)) this.#desk.closed(peerId);
  }

  override webSocketError(socket: WebSocket): void {
    this.webSocketClose(socket);
  }

  override async alarm(): Promise<void> {
    this.#alarm = undefined;
    if (this.#summary === undefined || this.#summary <= Date.now()) {
      this.#summary = undefined;
      this.#tell(this.#desk.describe());
    }
    await this.#timed(undefined);
    await this.#tidy();
  }

  /** Leaves nothing in storage, not even the alarm, when nobody is left and nothing has been decided. */
  async #tidy(): Promise<void> {
    if (!this.#desk.idle) return;
    const known = this.#alarm !== undefined || this.#summary !== undefined;
    this.#alarm = undefined;
    this.#summary = undefined;
    if (known) this.#tell(this.#desk.describe());
    await this.#members.clear();
  }

  /** Tells the registry, in nobody's way; what it misses comes with the next summary. */
  #tell(summary: SwarmSummary): void {
    this.ctx.waitUntil(
      registryOf(this.env)
        .report(summary)
        .catch((error: unknown) => console.error("tracker: the registry does not answer", error)),
    );
  }

  /** Lets silent members go, and sets the one alarm of this object to when the next may have to, or a summary is due. */
  async #timed<T>(result: T): Promise<T> {
    const expiry = this.#desk.expire() ?? Infinity;
    if (this.#desk.size === 0) return result;
    this.#summary ??= Date.now() + this.#interval;
    const due = Math.min(expiry, this.#summary);
    if (this.#alarm === undefined || due < this.#alarm) {
      this.#alarm = due;
      await this.ctx.storage.setAlarm(due);
    }
    return result;
  }

  #open(peerId?: string): WebSocket[] {
    return this.ctx.getWebSockets(peerId).filter((socket) => socket.readyState === WebSocket.OPEN);
  }

  #heard(socket: WebSocket): number {
    const ping = this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;
    return Math.max(ping, attachment(socket).opened);
  }
}

interface Attachment {
  readonly peerId: string;
  /** Milliseconds since 1970. */
  readonly opened: number;
}

const attachment = (socket: WebSocket): Attachment => socket.deserializeAttachment() as Attachment;

const peerOf = (socket: WebSocket): string => attachment(socket).peerId;

/** 128 random bits in characters that a WebSocket subprotocol may hold. */
function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
