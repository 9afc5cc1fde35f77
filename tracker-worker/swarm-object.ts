import { DurableObject } from "cloudflare:workers";
import type { Voucher } from "../src/tracker/auth/grant.ts";
import { readSubprotocols, SIGNAL_CODECS } from "../src/tracker/encodings.ts";
import { refuse } from "../src/tracker/exchange.ts";
import { jsonSignals } from "../src/tracker/json/signal.ts";
import { MAX_MEMBERS } from "../src/tracker/limits.ts";
import type { PolicyChange } from "../src/tracker/manage/desk.ts";
import type { SwarmPolicy } from "../src/tracker/manage/policy.ts";
import type { MemberSummary, SwarmSummary, SwarmTotals } from "../src/tracker/manage/summary.ts";
import type {
  ConnectRequest,
  FindRequest,
  PeerProperties,
  StatReport,
  StreamStatistics,
} from "../src/tracker/messages.ts";
import type { Asker, Entry, Listing, Outcome, Wish } from "../src/tracker/objects.ts";
import { randomNumber } from "../src/tracker/random.ts";
import { partOf } from "../src/tracker/shards/names.ts";
import { SwarmPart } from "../src/tracker/shards/part.ts";
import type { Exchange, Moved, Page, PassedSignal, SwarmObjectPort } from "../src/tracker/shards/port.ts";
import { movedResponse } from "../src/tracker/shards/router.ts";
import type { Window } from "../src/tracker/shards/windows.ts";
import { CLOSE, PING, POLL_PATH, PONG } from "../src/tracker/signal.ts";
import { type Environment, parametersOf, registryOf } from "./environment.ts";
import { SqlMembers } from "./sql-members.ts";

/**
 * One swarm, or a part of one that has grown: storage, timer and sockets for a {@link SwarmPart}. Evicted at any time, it
 * comes back the same.
 */
export class Swarm extends DurableObject<Environment> implements SwarmObjectPort {
  readonly #part: SwarmPart;
  readonly #members: SqlMembers;
  /** Milliseconds between two summaries for the registry. */
  readonly #interval: number;
  /** When the alarm is due; after an eviction, storage knows. */
  #alarm: number | undefined;
  /** When the next summary is due; unknown before the first member and after an eviction. */
  #summary: number | undefined;
  /** The registry has answered to all that it was told. */
  #told: Promise<void> = Promise.resolve();

  constructor(state: DurableObjectState, environment: Environment) {
    super(state, environment);
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    const parameters = parametersOf(environment);
    this.#interval = parameters.number("METRICS_INTERVAL") * 1000;
    this.#members = new SqlMembers(state.storage);
    this.#part = new SwarmPart({
      name: state.id.name ?? "",
      storage: this.#members,
      trackTimer: parameters.number("TRACK_TIMER") * 1000,
      // What an object has memory for.
      limits: { ...parameters.limits, members: Math.min(parameters.limits.members, MAX_MEMBERS) },
      topology: parameters.topology,
      // Who does not know which swarm it is ends no registration.
      named: state.id.name === undefined || parameters.names(partOf(state.id.name).swarmId),
      publishers: parameters.publishers,
      shardMembers: parameters.number("SHARD_MEMBERS"),
      shards: parameters.number("SHARDS"),
      now: () => Date.now(),
      iso: (at) => new Date(at).toISOString(),
      random: randomNumber,
      newToken,
      heard: (peerId) => Math.max(0, ...state.getWebSockets(peerId).map((socket) => this.#heard(socket))),
      sockets: (peerId) => this.#open(peerId),
      encoding: (socket) => SIGNAL_CODECS.get(attachment(socket as WebSocket).protocol ?? "") ?? jsonSignals,
      part: (name) => environment.SWARM.getByName(name),
      background: (work) => state.waitUntil(work),
      clear: () => this.#clear(),
    });
    for (const socket of this.#open()) this.#part.desk.reachable(peerOf(socket));
  }

  async onConnect(request: ConnectRequest, asker: Asker): Promise<Outcome | Moved> {
    return this.#timed(this.#part.onConnect(request, asker));
  }

  async onFind(request: FindRequest, asker: Asker): Promise<Outcome | Moved> {
    return this.#timed(this.#part.onFind(request, asker));
  }

  async onReport(request: StatReport, asker: Asker): Promise<Outcome | Moved> {
    return this.#timed(this.#part.onReport(request, asker));
  }

  async enter(entry: Entry, wish: Wish): Promise<Listing | "unauthorized" | "forbidden" | "unavailable" | Moved> {
    return this.#timed(this.#part.enter(entry, wish));
  }

  async find(peerId: string, asker: Asker, wish: Wish): Promise<Listing | undefined | Moved> {
    return this.#timed(this.#part.find(peerId, asker, wish));
  }

  async remove(peerId: string): Promise<void | Moved> {
    return this.#tidied(this.#part.remove(peerId));
  }

  async note(
    peerId: string,
    stat: StreamStatistics | undefined,
    properties: PeerProperties | undefined,
  ): Promise<void | Moved> {
    return this.#timed(this.#part.note(peerId, stat, properties));
  }

  async describe(): Promise<SwarmSummary> {
    return this.#timed(this.#part.describe());
  }

  async list(after: string, limit: number): Promise<readonly MemberSummary[]> {
    return this.#part.list(after, limit);
  }

  async change(change: PolicyChange): Promise<SwarmSummary> {
    return this.#tidied(this.#part.change(change));
  }

  async ban(peerId: string, withAddress: boolean, seconds: number | undefined): Promise<boolean> {
    return this.#timed(this.#part.ban(peerId, withAddress, seconds));
  }

  async unban(peerId: string): Promise<boolean> {
    return this.#tidied(this.#part.unban(peerId));
  }

  async close(): Promise<number> {
    return this.#tidied(this.#part.close());
  }

  async join(shard: number, shards: number, after: string): Promise<Page | Moved> {
    return this.#part.join(shard, shards, after);
  }

  async took(shard: number): Promise<void> {
    await this.#part.took(shard);
  }

  async exchange(shard: number, window: Window, policy: number, granted: Voucher | undefined): Promise<Exchange> {
    return this.#part.exchange(shard, window, policy, granted);
  }

  async leave(shard: number, departed: SwarmTotals): Promise<void> {
    await this.#tidied(this.#part.leave(shard, departed));
  }

  async wake(): Promise<void> {
    await this.#timed(this.#part.wake());
  }

  async relay(signals: readonly PassedSignal[]): Promise<readonly boolean[]> {
    return this.#part.relay(signals);
  }

  async obey(policy: SwarmPolicy): Promise<void> {
    await this.#tidied(this.#part.obey(policy));
  }

  async sourceOf(peerId: string): Promise<string | undefined> {
    return this.#part.sourceOf(peerId);
  }

  /** Opens a member's signalling socket, or answers a poll. */
  override async fetch(request: Request): Promise<Response> {
    const moved = await this.#timed(this.#part.admit());
    if (moved !== undefined) return movedResponse(moved);
    const { desk } = this.#part;
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === POLL_PATH) return desk.signals.poll(request);
    const peerId = searchParams.get("peer") ?? "";
    const { codec, token } = readSubprotocols(request.headers.get("Sec-WebSocket-Protocol"));
    if (codec === undefined) return refuse("malformed", "Subprotocol not supported");
    if (!desk.admits(peerId, token)) return refuse("forbidden", "Peer not registered");
    for (const socket of this.ctx.getWebSockets(peerId)) socket.close(CLOSE.replaced, "replaced by a newer socket");
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [peerId]);
    const { subprotocol: protocol } = codec;
    server.serializeAttachment({ peerId, opened: Date.now(), protocol } satisfies Attachment);
    server.send(desk.signals.opened(peerId, codec));
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { "Sec-WebSocket-Protocol": protocol },
    });
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    // More may come before the peer learns that its socket is closed.
    if (socket.readyState === WebSocket.OPEN) this.#part.desk.signals.receive(socket, peerOf(socket), message);
  }

  override webSocketClose(socket: WebSocket): void {
    // Completes the closing handshake.
    socket.close(1000);
    const peerId = peerOf(socket);
    if (this.#open(peerId).every((other) => other === socket)) this.#part.desk.signals.closed(peerId);
  }

  override webSocketError(socket: WebSocket): void {
    this.webSocketClose(socket);
  }

  override async alarm(): Promise<void> {
    this.#alarm = undefined;
    if (this.#part.isRoot && (this.#summary === undefined || this.#summary <= Date.now())) {
      this.#summary = undefined;
      // That it has ended is told below.
      if (!this.#part.desk.idle) this.#tell(await this.#part.describe());
    }
    await this.#part.handOver();
    await this.#tidied(this.#timed(Promise.resolve()));
  }

  /** Leaves nothing in storage, not even the alarm, when nobody is left and nothing has been decided. */
  async #tidied<T>(answer: Promise<T>): Promise<T> {
    const result = await answer;
    await this.#part.end();
    const { desk, isRoot } = this.#part;
    if (!isRoot || !desk.idle) return result;
    // Whether the registry knows the swarm is forgotten with an eviction, and an end of which it does not hear stays in it for ever.
    this.#tell(desk.describe());
    await this.#clear();
    return result;
  }

  async #clear(): Promise<void> {
    this.#alarm = undefined;
    this.#summary = undefined;
    await this.#members.clear();
  }

  /** Tells the registry, in nobody's way; what it misses comes with the next summary. */
  #tell(summary: SwarmSummary): void {
    // One after the other: a swarm that has ended would begin again with a summary from before.
    this.#told = this.#told
      .then(() => registryOf(this.env).report(summary))
      .catch((error: unknown) => console.error("tracker: the registry does not answer", error));
    this.ctx.waitUntil(this.#told);
  }

  /** Lets silent members and past bans go, and sets the one alarm of this object to when the next may have to, or a summary is due. */
  async #timed<T>(answer: Promise<T>): Promise<T> {
    const result = await answer;
    const expiry = this.#part.expire() ?? Infinity;
    const { isRoot, populated } = this.#part;
    if (!populated && expiry === Infinity) return result;
    this.#alarm ??= (await this.ctx.storage.getAlarm()) ?? undefined;
    // An alarm from before an eviction was set for the last summary at the latest: requests that come just after one eviction and
    // before the next would put both off for ever.
    if (isRoot && populated) this.#summary ??= Math.min(Date.now() + this.#interval, this.#alarm ?? Infinity);
    const due = Math.min(expiry, this.#summary ?? Infinity);
    if (due < (this.#alarm ?? Infinity)) {
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
  /** Subprotocol; sockets that are older than this field speak JSON. */
  readonly protocol?: string;
}

const attachments = new WeakMap<WebSocket, Attachment>();

/** Kept while the object is in memory: it is needed for each message. */
function attachment(socket: WebSocket): Attachment {
  const known = attachments.get(socket) ?? (socket.deserializeAttachment() as Attachment);
  attachments.set(socket, known);
  return known;
}

const peerOf = (socket: WebSocket): string => attachment(socket).peerId;

/** 128 random bits in characters that a WebSocket subprotocol may hold. */
function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
