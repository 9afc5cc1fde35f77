import type { SwarmReport } from "../engine/ports.ts";
import { TrackerError } from "../tracker/errors.ts";
import { DEFAULT_TRACK_TIMER } from "../tracker/limits.ts";
import { jsonSignals } from "../tracker/json/signal.ts";
import type {
  IceServer,
  PeerAddress,
  PeerInfo,
  PeerMode,
  PeerProperties,
  TrackerRequest,
  TrackerResponse,
} from "../tracker/messages.ts";
import { type Encoding, TOKEN_PREFIX } from "../tracker/signal.ts";
import { type EncodingName, loadEncoding } from "./encoding.ts";
import { askTracker, type Fetch } from "./tracker-http.ts";
import { PollSocket } from "./tracker-poll.ts";
import { connectRequest, findRequest, Reporter } from "./tracker-requests.ts";
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
  /** Members of the swarm with their addresses, for a peer that stated its own; what a tracker says, unchecked. */
  listed?(peers: readonly PeerInfo[]): void;
  /** Another member sent this; any JSON value, at most 16 KiB. */
  signal(from: string, payload: unknown): void;
  /** A signal to this member could not be delivered. */
  gone?(peerId: string): void;
  /** offline: neither list nor signals can be had now; the client keeps trying. */
  state(state: "connecting" | "open" | "offline"): void;
  /** The tracker does not serve this swarm: nothing more comes from it. */
  refused?(): void;
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
  /** Peers wanted at a time; 0: none, for a seeder that waits to be found. */
  readonly peerNum: number;
  readonly mode: PeerMode;
  /** Our own address is to be shown to nobody. @defaultValue false */
  readonly relayOnly?: boolean;
  /** The publisher's word for the swarm, for trackers that ask for it. @defaultValue none */
  readonly grant?: string | undefined;
  readonly events: TrackerClientEvents;
  /**
   * Where this peer takes connections. It then registers as the base protocol has it, bound to the address that its
   * requests come from, without token and signalling. @defaultValue none: it is reached by signalling
   */
  readonly addresses?: readonly PeerAddress[];
  /** @defaultValue json: a page then loads no XML parser */
  readonly encoding?: EncodingName;
  /** Of the tracker, s, as long as it does not tell its own. @defaultValue 120 */
  readonly trackTimer?: number;
  /** Told, each time that the tracker has registered this peer, what would take that back: see `tellTracker`. */
  readonly farewell?: (body: string) => void;
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
  readonly #reporter: Reporter;
  /** Of the base protocol: no token, no signalling. */
  readonly #base: boolean;
  #encoding: Encoding | undefined;
  #token: string | undefined;
  /** The tracker may know us: it was asked to register us. */
  #asked = false;
  /** It has said so. */
  #joined = false;
  #trackTimerMs: number;
  #state: State | undefined;
  #started = false;
  #left = false;
  #goodbye: Promise<void> = Promise.resolve();
  /** Ends the current wait. */
  #wake: () => void = () => undefined;

  constructor(options: TrackerClientOptions) {
    this.#options = options;
    this.#base = options.addresses !== undefined;
    this.#reporter = new Reporter(options);
    this.#trackTimerMs = (options.trackTimer ?? DEFAULT_TRACK_TIMER) * 1000;
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
    const open = options.openSocket ?? ((url, protocols) => new WebSocket(url, protocols));
    this.#openSocket = (url, protocols) => open(url.replace(/^http/u, "ws"), protocols);
  }

  /** Begins; events follow. Once only. */
  start(): void {
    if (this.#started) throw new RangeError("already started");
    this.#started = true;
    this.#reporter.begin();
    void this.#run();
  }

  /** Sends a JSON value to a member; false if it cannot travel now. */
  signal(to: string, payload: unknown): boolean {
    return this.#socket?.send(to, payload) ?? false;
  }

  /** Asks for more peers (FIND); a list follows if there are any. Nothing happens while the tracker cannot be used. */
  refresh(): void {
    if (this.#left || this.#state !== "open") return;
    this.#ask(findRequest(this.#options, this.#registration)).then(
      (answer) => {
        this.#heed(answer);
        this.#list(answer);
      },
      (error: unknown) => this.#doubt(error),
    );
  }

  /** The network is another one, or back: what was open may be dead without a word, and nothing is worth waiting for. */
  reconnect(): void {
    this.#socket?.close();
    this.#wake();
  }

  /** Leaves the swarm; no event comes after this. Safe on `pagehide`: the request outlives the page. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#wake();
    // In this order: Firefox sends nothing more from a page that closed a WebSocket in its pagehide.
    this.#goodbye = this.#sayGoodbye();
    this.#socket?.close();
  }

  /** After `leave`: resolves when the tracker knows, or cannot be told. */
  get goodbye(): Promise<void> {
    return this.#goodbye;
  }

  async #run(): Promise<void> {
    this.#enter("connecting");
    for (let failures = 0; !this.#left; failures += 1) {
      try {
        this.#encoding ??= await loadEncoding(this.#options.encoding ?? "json");
        await this.#register();
        if ((this.#base ? await this.#reporting() : await this.#reachable()) > STABLE_MS) failures = 0;
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
      if (!this.#left) this.#options.events.refused?.();
      return false;
    }
    this.#warn("offline", `Tracker ${url} does not answer (${error.message}): trying again from time to time.`);
    return true;
  }

  /** CONNECT, with the token of an earlier registration if there is one: the tracker then renews it or gives another. */
  async #register(): Promise<void> {
    const before = this.#base ? this.#asked : this.#token !== undefined;
    this.#asked = true;
    try {
      const answer = await this.#ask(connectRequest("JOIN", this.#options, this.#registration));
      const { token, trackTimer } = answer.registration ?? {};
      if (!this.#base && (token === undefined || !TOKEN.test(token))) {
        throw new TrackerError("bad-response", "the tracker gives no token");
      }
      this.#token = token;
      this.#joined = true;
      const leave = connectRequest("LEAVE", this.#options, this.#registration);
      this.#options.farewell?.(this.#encoding!.codec.encodeRequest(leave));
      this.#reporter.forget();
      this.#heed(answer);
      if (trackTimer !== undefined && trackTimer > 0) this.#trackTimerMs = trackTimer * 1000;
      if (this.#base) this.#list(answer);
    } catch (error) {
      if (!before || !isForgotten(error)) throw error;
      // What the tracker knew of us is void now (Table 8: a seeder that joins twice is thrown out).
      const token = this.#token;
      this.#asked = this.#joined = false;
      this.#token = undefined;
      await this.#register().catch((again: unknown) => {
        // Then it was the access token perhaps, and what the tracker knows of us is not to be had without this one.
        if (again instanceof TrackerError && again.code === "unauthorized") this.#token = token;
        throw again;
      });
    }
    if (this.#left) await this.#sayGoodbye();
  }

  /** Stays in the swarm by reports alone, until the tracker has forgotten this peer; for how long, ms. */
  async #reporting(): Promise<number> {
    const since = performance.now();
    this.#enter("open");
    try {
      for (;;) {
        await this.#wait(this.#reportMs);
        if (this.#left) break;
        await this.#report();
      }
    } catch (error) {
      if (!isForgotten(error)) throw error;
    }
    return performance.now() - since;
  }

  /** Stays in the swarm while it can be signalled; for how long, ms. */
  async #reachable(): Promise<number> {
    let lived = await this.#signalling("signal", this.#openSocket);
    // Some networks let no WebSocket through.
    if (lived === 0) lived = await this.#signalling("signal/poll", this.#openPoll);
    if (lived === 0) throw new TrackerError("unreachable", "signalling cannot be reached");
    return lived;
  }

  /** Holds the signalling socket and reports meanwhile, until it closes; for how long it was open, ms. */
  async #signalling(path: string, open: OpenSocket): Promise<number> {
    const [token, signals] = [this.#token, this.#encoding?.signals];
    if (this.#left || token === undefined || signals === undefined) return 0;
    const { url, peerId, swarmId, events } = this.#options;
    const address = new URL(path, url);
    address.search = new URLSearchParams({ swarm: swarmId, peer: peerId }).toString();
    let opened: number | undefined;
    let reports: ReturnType<typeof setInterval> | undefined;
    await new Promise<void>((closed) => {
      const socketEvents: SignalSocketEvents = {
        peers: (peerIds) => {
          opened ??= performance.now();
          reports ??= setInterval(() => {
            this.#report().catch((error: unknown) => this.#doubt(error));
          }, this.#reportMs);
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
        this.#socket = new SignalSocket(open, address.href, token, signals, socketEvents);
      } catch {
        // No WebSocket here, or not to this address.
        closed();
      }
    });
    clearInterval(reports);
    this.#socket = undefined;
    return opened === undefined ? 0 : Math.max(1, performance.now() - opened);
  }

  /** Milliseconds between two reports: two of them may get lost. */
  get #reportMs(): number {
    return Math.max(1000, this.#trackTimerMs / 3);
  }

  /** What shows that the registration is ours; undefined in the base protocol. */
  get #registration(): { readonly token?: string } | undefined {
    if (this.#base) return undefined;
    return this.#token === undefined ? {} : { token: this.#token };
  }

  /** STAT_REPORT. @throws TrackerError */
  async #report(last = false): Promise<void> {
    const [request, done] = this.#reporter.next(this.#registration);
    const answer = await this.#ask(request, last);
    done();
    this.#heed(answer);
  }

  /** Tells a peer list, without ourselves. */
  #list({ peers = [] }: TrackerResponse): void {
    if (this.#left) return;
    const { peerId, events } = this.#options;
    const others = peers.filter((peer) => peer.peerId !== peerId);
    events.peers(others.map((peer) => peer.peerId));
    if (this.#base) events.listed?.(others);
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
    // Anything else is the socket's affair, or the next report's: while they work, so does the tracker.
    if (!isForgotten(error)) return;
    this.#socket?.close();
    if (this.#base) this.#wake();
  }

  /** LEAVE; in the base protocol, where nothing else outlives this peer, with a last report before it. Never rejects. */
  async #sayGoodbye(): Promise<void> {
    if (!this.#joined) return;
    const leave = connectRequest("LEAVE", this.#options, this.#registration);
    this.#joined = false;
    this.#token = undefined;
    try {
      if (this.#base) await this.#report(true).catch(unlessGone);
      await this.#ask(leave, true);
    } catch {
      // The track timer says it.
    }
  }

  readonly #openPoll: OpenSocket = (url, protocols) => {
    const token = protocols.find((name) => name.startsWith(TOKEN_PREFIX))?.slice(TOKEN_PREFIX.length) ?? "";
    return new PollSocket(this.#fetch, url, token, this.#encoding?.signals ?? jsonSignals);
  };

  #ask(request: TrackerRequest, keepalive = false): Promise<TrackerResponse> {
    if (this.#encoding === undefined) throw new RangeError("asked before the encoding is there");
    return askTracker(this.#fetch, this.#options.url, this.#encoding.codec, request, keepalive);
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

/** Passes on what shows that a LEAVE would be in vain. @throws unknown what it was given */
function unlessGone(error: unknown): void {
  if (isForgotten(error) || (error instanceof TrackerError && error.code === "unreachable")) throw error;
}

/** A number in [0, 1). */
const random = (): number => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;
