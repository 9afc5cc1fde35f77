import { DurableObject } from "cloudflare:workers";
import { refuse } from "../src/tracker/handler.ts";
import { Mailboxes } from "../src/tracker/mailbox.ts";
import type {
  ConnectRequest,
  FindRequest,
  PeerProperties,
  StatReport,
  StreamStatistics,
} from "../src/tracker/messages.ts";
import type { Asker, Entry, Listing, Outcome, SwarmPort, Wish } from "../src/tracker/objects.ts";
import {
  CLOSE,
  PING,
  POLL_PATH,
  PONG,
  readSignal,
  SIGNAL_PROTOCOL,
  SignalAllowance,
  TOKEN_PREFIX,
} from "../src/tracker/signal.ts";
import { SwarmTracker } from "../src/tracker/swarm.ts";
import { type Environment, topology, trackTimer } from "./environment.ts";
import { SqlMembers } from "./sql-members.ts";

/** One swarm: storage, timer and sockets for a {@link SwarmTracker}. Evicted at any time, it comes back the same. */
export class Swarm extends DurableObject<Environment> implements SwarmPort {
  readonly #swarm: SwarmTracker;
  readonly #members: SqlMembers;
  readonly #mailboxes: Mailboxes;
  readonly #allowances = new WeakMap<WebSocket, SignalAllowance>();
  /** When the alarm is due; unknown after an eviction. */
  #alarm: number | undefined;

  constructor(state: DurableObjectState, environment: Environment) {
    super(state, environment);
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#members = new SqlMembers(state.storage);
    this.#swarm = new SwarmTracker({
      storage: this.#members,
      trackTimer: trackTimer(environment),
      topology: topology(environment),
      now: () => Date.now(),
      random: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
      newToken,
      heard: (peerId) => {
        const sockets = state.getWebSockets(peerId).map((socket) => this.#heard(socket));
        return Math.max(this.#mailboxes.heard(peerId), ...sockets);
      },
      ended: (peerId) => {
        this.#mailboxes.delete(peerId);
        for (const socket of state.getWebSockets(peerId)) socket.close(CLOSE.ended, "registration ended");
      },
    });
    this.#mailboxes = new Mailboxes({
      admits: (peerId, token) => this.#swarm.admits(peerId, token),
      opened: (peerId) => {
        this.#replace(peerId);
        return this.#swarm.opened(peerId);
      },
      lapsed: (peerId) => {
        if (this.#open(peerId).length === 0) this.#swarm.closed(peerId);
      },
      deliver: (to, text) => {
        const [receiver] = this.#open(to);
        receiver?.send(text);
        return receiver !== undefined;
      },
      now: () => Date.now(),
      newSession: newToken,
    });
    for (const socket of state.getWebSockets()) {
      if (socket.readyState === WebSocket.OPEN) this.#swarm.reachable(peerOf(socket));
    }
  }

  async onConnect(request: ConnectRequest, asker: Asker): Promise<Outcome> {
    return this.#timed(this.#swarm.onConnect(request, asker));
  }

  async onFind(request: FindRequest): Promise<Outcome> {
    return this.#timed(this.#swarm.onFind(request));
  }

  async onReport(request: StatReport): Promise<Outcome> {
    return this.#timed(this.#swarm.onReport(request));
  }

  async enter(entry: Entry, wish: Wish): Promise<Listing | "unauthorized" | "unavailable"> {
    return this.#swarm.enter(this.ctx.id.name ?? "", entry, wish);
  }

  async find(peerId: string, asker: Asker, wish: Wish): Promise<Listing | undefined> {
    return this.#swarm.find(this.ctx.id.name ?? "", peerId, asker, wish);
  }

  async remove(peerId: string): Promise<void> {
    this.#swarm.remove(peerId);
    await this.#tidy();
  }

  async note(
    peerId: string,
    stat: StreamStatistics | undefined,
    properties: PeerProperties | undefined,
  ): Promise<void> {
    this.#swarm.note(peerId, stat, properties);
  }

  /** Opens a member's signalling socket, or answers a poll. */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === POLL_PATH) return this.#mailboxes.answer(request);
    const peerId = searchParams.get("peer") ?? "";
    const protocols = (request.headers.get("Sec-WebSocket-Protocol") ?? "").split(",").map((name) => name.trim());
    const token = protocols.find((name) => name.startsWith(TOKEN_PREFIX))?.slice(TOKEN_PREFIX.length) ?? "";
    if (!protocols.includes(SIGNAL_PROTOCOL)) return refuse("malformed", "Subprotocol not supported");
    if (!this.#swarm.admits(peerId, token)) return refuse("forbidden", "Peer not registered");
    this.#replace(peerId);
    this.#mailboxes.delete(peerId);
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [peerId]);
    server.serializeAttachment({ peerId, opened: Date.now() } satisfies Attachment);
    server.send(JSON.stringify({ peers: this.#swarm.opened(peerId) }));
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { "Sec-WebSocket-Protocol": SIGNAL_PROTOCOL },
    });
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    // More may come before the peer learns that its socket is closed.
    if (socket.readyState !== WebSocket.OPEN) return;
    const now = Date.now();
    const from = peerOf(socket);
    const allowance = this.#allowances.get(socket) ?? new SignalAllowance(now);
    this.#allowances.set(socket, allowance);
    if (!allowance.take(now)) {
      socket.close(CLOSE.tooMany, "too many signals");
      return;
    }
    const relay = readSignal(from, message);
    if (relay.kind === "close") {
      socket.close(relay.code, relay.reason);
      return;
    }
    const [receiver] = this.#open(relay.to);
    if (receiver !== undefined) receiver.send(relay.text);
    else if (!this.#mailboxes.put(relay.to, relay.text)) socket.send(JSON.stringify({ gone: relay.to }));
  }

  override webSocketClose(socket: WebSocket): void {
    // Completes the closing handshake.
    socket.close(1000);
    const peerId = peerOf(socket);
    if (this.#mailboxes.has(peerId)) return;
    if (this.#open(peerId).every((other) => other === socket)) this.#swarm.closed(peerId);
  }

  override webSocketError(socket: WebSocket): void {
    this.webSocketClose(socket);
  }

  override async alarm(): Promise<void> {
    this.#alarm = undefined;
    await this.#timed(undefined);
    await this.#tidy();
  }

  /** Leaves nothing in storage, not even the alarm, when nobody is left. */
  async #tidy(): Promise<void> {
    if (this.#swarm.size > 0) return;
    this.#alarm = undefined;
    await this.#members.clear();
  }

  /** Lets silent members go, and sets the one alarm of this object to when the next may have to. */
  async #timed<T>(result: T): Promise<T> {
    const due = this.#swarm.expire();
    if (due !== undefined && (this.#alarm === undefined || due < this.#alarm)) {
      this.#alarm = due;
      await this.ctx.storage.setAlarm(due);
    }
    return result;
  }

  #replace(peerId: string): void {
    for (const socket of this.ctx.getWebSockets(peerId)) socket.close(CLOSE.replaced, "replaced by a newer socket");
  }

  #open(peerId: string): WebSocket[] {
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
