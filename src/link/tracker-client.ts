import type { SwarmReport } from "../engine/ports.ts";
import { TrackerError } from "../tracker/errors.ts";
import { jsonCodec } from "../tracker/json/codec.ts";
import { DEFAULT_TRACK_TIMER } from "../tracker/limits.ts";
import type {
  Codec,
  ConnectRequest,
  IceServer,
  PeerMode,
  PeerProperties,
  TrackerRequest,
  TrackerResponse,
} from "../tracker/messages.ts";
import { TOKEN_PREFIX } from "../tracker/signal.ts";
import { askTracker, type Fetch } from "./tracker-http.ts";
import { PollSocket } from "./tracker-poll.ts";
import { type OpenSocket, SignalSocket, type SignalSocketEvents } from "./tracker-socket.ts";

/** Longest wait between two attempts to reach a tracker, ms. */
const MAX_BACKOFF_MS = 60_000;
/** A socket that lived this long shows that the tracker works: what comes next is a first failure again, ms. */
const STABLE_MS = 10_000;
/** Tokens travel as a WebSocket subprotocol, so they have only its characters. */
const TOKEN = /^[\w.-]{1,128}$/u;

/** What happens to a registration. */
export interface TrackerClientEvents {
  /** Members of the swarm that can be signalled, never oneself; again after each reconnection. */
  peers(peerIds: readonly string[]): void;
  /** Another member sent this; any JSON value, at most 16 KiB. */
  signal(from: string, payload: unknown): void;
  /** A signal to this member could not be delivered. */
  gone?(peerId: string): void;
  /** offline: neither list nor signals can be had now; the client keeps trying. */
  state(state: "connecting" | "open" | "offline"): void;
  /** One line for the console, once per kind of trouble. */
  warning(message: string): void;
  /** How many members the swarm has, oneself included; with each answer. */
  size?(members: number): void;
  /** STUN and TURN servers that the tracker offers, with credentials that expire; fresh ones with each list. */
  iceServers?(servers: readonly IceServer[]): void;
  /** Called when a report is due, and for the playhead when peers are asked for. */
  report(): PeerReport;
}

/** What a peer tells of its swarm, and of itself. */
export type PeerReport = SwarmReport & Pick<PeerProperties, "nat" | "access" | "power">;

/** What a registration needs. */
export interface TrackerClientOptions {
  /** The tracker's URL; the signalling socket is at `signal` relative to it. */
  readonly url: string;
  readonly peerId: string;
  /** Lower-case hex. */
  readonly swarmId: string;
  /** Peers wanted at a time. */
  readonly peerNum: number;
  readonly mode: PeerMode;
  /** The publisher's word for the swarm, for trackers that ask for it. @defaultValue none */
  readonly grant?: string | undefined;
  readonly events: TrackerClientEvents;
  /** @defaultValue JSON: a page then loads no XML parser */
  readonly codec?: Codec;
  /** @defaultValue the host's fetch */
  readonly fetch?: Fetch;
  /** @defaultValue the host's WebSocket; Node 20 has none, and polls */
  readonly openSocket?: OpenSocket;
}

type State = Parameters<TrackerClientEvents["state"]>[0];

/** One peer's registration in one swarm at one tracker, kept alive until `leave`. */
export class TrackerClient {
  readonly #options: TrackerClientOptions;
  readonly #fetch: Fetch;
  readonly #openSocket: OpenSocket;
  readonly #warned = new Set<string>();
  #socket: SignalSocket | undefined;
  #token: string | undefined;
  #trackTimerMs = DEFAULT_TRACK_TIMER * 1000;
  #state: State | undefined;
  /** The ContentMap that the tracker has, as text. */
  #contentMap = "[]";
  #startedAt = 0;
  #started = false;
  #left = false;
  /** Ends the current wait. */
  #wake: () => void = () => undefined;

  constructor(options: TrackerClientOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
    const open = options.openSocket ?? ((url, protocols) => new WebSocket(url, protocols));
    this.#openSocket = (url, protocols) => open(url.replace(/^http/u, "ws"), protocols);
  }

  /** Begins; events follow. Once only. */
  start(): void {
    if (this.#started) throw new RangeError("already started");
    this.#started = true;
    this.#startedAt = performance.now();
    void this.#run();
  }

  /** Sends a JSON value to a member; false if it cannot travel now. */
  signal(to: string, payload: unknown): boolean {
    return this.#socket?.send(to, payload) ?? false;
  }

  /** Asks for more peers (FIND); `peers` follows if there are any. Nothing happens while the tracker cannot be used. */
  refresh(): void {
    if (this.#left || this.#token === undefined || this.#state !== "open") return;
    const { peerId, swarmId, peerNum, events } = this.#options;
    const { position } = events.report();
    const find = this.#ask({
      method: "FIND",
      transactionId: newTransactionId(),
      peerId,
      swarmId,
      peerNum: { count: peerNum },
      registration: { token: this.#token },
      ...(position !== undefined && { position }),
    });
    find.then(
      (answer) => {
        const others = (answer.peers ?? []).flatMap((peer) => (peer.peerId === peerId ? [] : peer.peerId));
        this.#heed(answer);
        if (!this.#left) events.peers(others);
      },
      (error: unknown) => this.#doubt(error),
    );
  }

  /** Leaves the swarm; no event comes after this. Safe on `pagehide`: the request outlives the page. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#wake();
    // In this order: Firefox sends nothing more from a page that closed a WebSocket in its pagehide.
    this.#sayGoodbye();
    this.#socket?.close();
  }

  async #run(): Promise<void> {
    this.#enter("connecting");
    for (let failures = 0; !this.#left; failures += 1) {
      try {
        await this.#register();
        let lived = await this.#signalling("signal", this.#openSocket);
        // Some networks let no WebSocket through.
        if (lived === 0) lived = await this.#signalling("signal/poll", this.#openPoll);
        if (lived > STABLE_MS) failures = 0;
        if (lived === 0) throw new TrackerError("unreachable", "signalling cannot be reached");
        this.#enter("connecting");
      } catch (error) {
        this.#enter("offline");
        if (!this.#survives(error)) return;
      }
      // Jitter spreads the members of a swarm whose tracker comes back.
      await this.#wait(Math.min(MAX_BACKOFF_MS, 1000 * 2 ** failures) * (0.5 + random() / 2));
    }
  }

  /** Warns once per kind of trouble; false when asking again is pointless. */
  #survives(error: unknown): boolean {
    if (!(error instanceof TrackerError)) throw error;
    const { url } = this.#options;
    if (error.code === "forbidden") {
      this.#warn("forbidden", `Tracker ${url} does not serve this video (${error.message}): no peers from there.`);
      return false;
    }
    this.#warn("offline", `Tracker ${url} does not answer (${error.message}): trying again from time to time.`);
    return true;
  }

  /** CONNECT, with the token of an earlier registration if there is one: the tracker then renews it or gives another. */
  async #register(): Promise<void> {
    const shown = this.#token;
    try {
      const answer = await this.#ask(this.#connect("JOIN", shown));
      const { token, trackTimer } = answer.registration ?? {};
      if (token === undefined || !TOKEN.test(token)) {
        throw new TrackerError("bad-response", "the tracker gives no token");
      }
      this.#token = token;
      this.#contentMap = "[]";
      this.#heed(answer);
      if (trackTimer !== undefined && trackTimer > 0) this.#trackTimerMs = trackTimer * 1000;
    } catch (error) {
      if (shown === undefined || !isForgotten(error)) throw error;
      this.#token = undefined;
      await this.#register();
    }
    if (this.#left) this.#sayGoodbye();
  }

  /** Holds the signalling socket and reports meanwhile, until it closes; for how long it was open, ms. */
  async #signalling(path: string, open: OpenSocket): Promise<number> {
    const token = this.#token;
    if (this.#left || token === undefined) return 0;
    const { url, peerId, swarmId, events } = this.#options;
    const address = new URL(path, url);
    address.search = new URLSearchParams({ swarm: swarmId, peer: peerId }).toString();
    let opened: number | undefined;
    let reports: ReturnType<typeof setInterval> | undefined;
    await new Promise<void>((closed) => {
      const socketEvents: SignalSocketEvents = {
        peers: (peerIds) => {
          opened ??= performance.now();
          reports ??= setInterval(() => void this.#report(), Math.max(1000, this.#trackTimerMs / 3));
          this.#enter("open");
          if (!this.#left) events.peers(peerIds.filter((other) => other !== peerId));
        },
        signal: (from, payload) => {
          if (!this.#left) events.signal(from, payload);
        },
        gone: (other) => {
          if (!this.#left) events.gone?.(other);
        },
        closed,
      };
      try {
        this.#socket = new SignalSocket(open, address.href, token, socketEvents);
      } catch {
        // No WebSocket here, or not to this address.
        closed();
      }
    });
    clearInterval(reports);
    this.#socket = undefined;
    return opened === undefined ? 0 : Math.max(1, performance.now() - opened);
  }

  /** STAT_REPORT; when the tracker has forgotten this peer, the socket is closed, and `#run` registers again. */
  async #report(): Promise<void> {
    const { peerId, swarmId, events } = this.#options;
    const { uploadedBytes, downloadedBytes, availBandwidth, held, playback, nat, access, power } = events.report();
    const stat = { swarmId, uploadedBytes, downloadedBytes, availBandwidth };
    const ranges = (held ?? []).map(({ start, end }) => [start, end] as const);
    const contentMap = JSON.stringify(ranges);
    const properties: PeerProperties = {
      onlineTime: Math.floor((performance.now() - this.#startedAt) / 1000),
      ...(contentMap !== this.#contentMap && { contentMap: [{ swarmId, ranges }] }),
      ...(playback !== undefined && { playback }),
      ...(nat !== undefined && { nat }),
      ...(access !== undefined && { access }),
      ...(power !== undefined && { power }),
    };
    const registration = { ...(this.#token !== undefined && { token: this.#token }) };
    try {
      const answer = await this.#ask({
        method: "STAT_REPORT",
        transactionId: newTransactionId(),
        peerId,
        stats: [stat],
        properties,
        registration,
      });
      this.#contentMap = contentMap;
      this.#heed(answer);
    } catch (error) {
      this.#doubt(error);
    }
  }

  /** Tells what an answer says beside its peer list. */
  #heed({ swarmSizes, iceServers }: TrackerResponse): void {
    const { swarmId, events } = this.#options;
    if (this.#left) return;
    if (iceServers !== undefined) events.iceServers?.(iceServers);
    const size = swarmSizes?.find((swarm) => swarm.swarmId === swarmId)?.size;
    if (size !== undefined) events.size?.(size);
  }

  /** After a request failed: who has been forgotten registers again. */
  #doubt(error: unknown): void {
    // Anything else is the socket's affair: while it works, so does the tracker.
    if (isForgotten(error)) this.#socket?.close();
  }

  #sayGoodbye(): void {
    if (this.#token === undefined) return;
    const token = this.#token;
    this.#token = undefined;
    this.#ask(this.#connect("LEAVE", token), true).catch(() => undefined);
  }

  #connect(action: "JOIN" | "LEAVE", token: string | undefined): ConnectRequest {
    const { peerId, swarmId, mode, peerNum, grant, events } = this.#options;
    const transactionId = newTransactionId();
    const { position } = action === "JOIN" ? events.report() : {};
    return {
      method: "CONNECT",
      transactionId,
      peerId,
      actions: [{ swarmId, action, peerMode: mode, transactionId: `${transactionId}.1` }],
      addresses: [],
      registration: token === undefined ? {} : { token },
      ...(action === "JOIN" && { peerNum: { count: peerNum }, ...(grant !== undefined && { grants: [grant] }) }),
      ...(position !== undefined && { position }),
    };
  }

  readonly #openPoll: OpenSocket = (url, protocols) => {
    const token = protocols.find((name) => name.startsWith(TOKEN_PREFIX))?.slice(TOKEN_PREFIX.length) ?? "";
    return new PollSocket(this.#fetch, url, token);
  };

  #ask(request: TrackerRequest, keepalive = false): ReturnType<typeof askTracker> {
    const { url, codec = jsonCodec } = this.#options;
    return askTracker(this.#fetch, url, codec, request, keepalive);
  }

  #enter(state: State): void {
    // While offline, further attempts are no news.
    if (this.#left || this.#state === state || (this.#state === "offline" && state === "connecting")) return;
    this.#state = state;
    this.#options.events.state(state);
  }

  #warn(kind: string, message: string): void {
    if (this.#left || this.#warned.has(kind)) return;
    this.#warned.add(kind);
    this.#options.events.warning(message);
  }

  #wait(delayMs: number): Promise<void> {
    if (this.#left) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Whether the tracker no longer takes the token that was shown. */
const isForgotten = (error: unknown): boolean =>
  error instanceof TrackerError && (error.code === "forbidden" || error.code === "unauthorized");

/** A number in [0, 1). */
const random = (): number => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;

/** Unguessable, because a repeated CONNECT is recognised by it. */
const newTransactionId = (): string =>
  [...crypto.getRandomValues(new Uint32Array(4))].map((word) => word.toString(16).padStart(8, "0")).join("");
