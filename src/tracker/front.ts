import { Authority } from "./auth/authority.ts";
import { enrol } from "./auth/enrol.ts";
import { NOT_SERVED, Publishers } from "./auth/publishers.ts";
import { type RefusalCode, STATUS, TrackerError } from "./errors.ts";
import { type Answer, type Inquiry, refusalAnswer, refuse, toResponse } from "./exchange.ts";
import { answerTracker, inquiryOf, type RequestTraits } from "./handler.ts";
import { withIceServers } from "./ice.ts";
import { pollLength } from "./mailbox.ts";
import { answerManagement } from "./manage/api.ts";
import type { DeskPort } from "./manage/desk.ts";
import { METRICS_TYPE, metricsText } from "./manage/metrics.ts";
import type { Counts, RateLimits, RegistryPort } from "./manage/registry.ts";
import { bearer, json } from "./manage/respond.ts";
import type { Asker, TrackerObjects, TrackerPolicy } from "./objects.ts";
import type { Parameters } from "./parameters.ts";
import { POLL_PATH, SIGNAL_PATH } from "./signal.ts";
import { after, type Soon } from "./soon.ts";
import { SourceLimiter } from "./sources.ts";

/** What the front of a tracker stands on. */
export interface FrontHost {
  readonly parameters: Parameters;
  readonly objects: TrackerObjects;
  readonly registry: RegistryPort;
  /** The management side of a swarm. */
  desk(swarmId: string): DeskPort;
  /** Whether this address may have one more Peer-ID. */
  mayEnrol(source: string): Promise<boolean>;
  /** Answers a poll for signals, and opens a signalling socket where the runtime does so with a Response. */
  signal(request: Request, swarmId: string): Promise<Response>;
  readonly requests?: RequestTraits;
  /** Tells the registry of all swarms, where that costs little. */
  collect?(): Promise<void>;
  /** Milliseconds since 1970. */
  now(): number;
  /** A time as a Date. */
  date(at: number): Date;
}

/** How often a flood is logged, ms. */
const FLOOD_MS = 60_000;
/** How often all swarms are described for whoever asks, ms: there may be many. */
const GATHER_MS = 1000;

/**
 * All that a tracker answers over HTTP: PPSP-TP at `/`, signalling at `/signal`, and what an operator needs. The same in a
 * Worker and under Node.
 */
export class TrackerFront {
  readonly #host: FrontHost;
  readonly #objects: TrackerObjects;
  readonly #serves: (swarmId: string) => boolean;
  readonly #authority: Authority | undefined;
  readonly #publishers: Publishers | undefined;
  readonly #policy: TrackerPolicy;
  readonly #limiter: SourceLimiter;
  readonly #origins: readonly string[] | undefined;
  #counts: Record<string, number> = {};
  /** Requests by type and status: their series have long names, which are made when somebody asks. */
  #tallies = new Map<string, Map<number, { requests: number; ms: number }>>();
  #flood = -Infinity;
  #flushed = 0;
  #gathering: Promise<void> | undefined;
  #gathered = -Infinity;

  constructor(host: FrontHost) {
    const { parameters } = host;
    this.#host = host;
    this.#objects = withIceServers(host.objects, parameters.iceServers, parameters.number("ICE_LIFE"), () =>
      host.now(),
    );
    this.#serves = (swarmId) => parameters.names(swarmId);
    this.#authority = Authority.from(parameters, host);
    this.#publishers = Publishers.from(parameters, host);
    this.#limiter = new SourceLimiter(
      parameters.number("REQUEST_RATE"),
      parameters.number("REQUEST_BURST"),
      parameters.number("SOURCE_TABLE"),
    );
    const origins = parameters.words("ALLOW_ORIGIN");
    this.#origins = origins.includes("*") ? undefined : origins;
    const authorize = this.#authorizer();
    this.#policy = {
      serves: (swarmId) => this.#mayServe(swarmId),
      bodyTimeout: parameters.number("REQUEST_TIMEOUT") * 1000,
      limits: parameters.limits,
      ...(this.#origins !== undefined && { origins: this.#origins }),
      ...(authorize !== undefined && { authorize }),
    };
  }

  /**
   * Answers any request. Never rejects.
   *
   * @param admitted - this request went through `admit` already
   */
  async serve(request: Request, asker: Asker, admitted = false): Promise<Response> {
    const refused = admitted ? undefined : this.admit(asker.source);
    const inquiry = inquiryOf(request, this.#host.requests);
    // The common case needs no URL object.
    if (refused === undefined && inquiry.target === "/") return toResponse(await this.track(inquiry, asker));
    const special = refused === undefined ? await this.#special(request, asker) : toResponse(refused);
    if (special === undefined) return toResponse(await this.track(inquiry, asker));
    return this.#restrict(special, request.headers.get("Origin"));
  }

  /** Answers a request for PPSP-TP itself, which went through `admit` already. Never rejects. */
  track(inquiry: Inquiry, asker: Asker): Soon<Answer> {
    const started = this.#host.now();
    return after(answerTracker(inquiry, asker, this.#objects, this.#policy), (answer) => {
      this.#tally(answer.method ?? "none", answer.status, this.#host.now() - started);
      return answer;
    });
  }

  /** Takes one request of this address; the refusal when it had its share (503, as T75 has it). */
  admit(source: string): Answer | undefined {
    const now = this.#host.now();
    if (this.#limiter.take(source, now)) return undefined;
    this.count(`rejections_total{cause="rate"}`);
    if (now - this.#flood > FLOOD_MS) {
      this.#flood = now;
      void this.#host.registry.log({ event: "flood", level: "warning", detail: "an address asks too often" });
    }
    return refusalAnswer("unavailable", "Too many requests");
  }

  /** Why a signalling socket to this swarm is not opened; undefined when it may be. */
  signalRefusal(upgrade: string | null, swarmId: string): Answer | undefined {
    if (upgrade?.toLowerCase() !== "websocket") return refusalAnswer("malformed", "Not a WebSocket");
    if (swarmId === "") return refusalAnswer("malformed", "Missing swarm");
    return this.#mayServe(swarmId) ? undefined : refusalAnswer("forbidden", NOT_SERVED);
  }

  /** Counts something for /metrics. */
  count(series: string, by = 1): void {
    this.#counts[series] = (this.#counts[series] ?? 0) + by;
  }

  /** Whether the registry was last told so long ago, in ms. */
  due(interval: number): boolean {
    return this.#host.now() - this.#flushed >= interval;
  }

  /** Tells the registry what was counted, and hears from it which limits hold. */
  async flush(): Promise<void> {
    this.#flushed = this.#host.now();
    for (const [type, tallies] of this.#tallies) {
      for (const [status, { requests, ms }] of tallies) {
        this.count(`requests_total{type="${type}",status="${status}"}`, requests);
        this.count(`request_seconds_total{type="${type}"}`, ms / 1000);
      }
    }
    this.#tallies = new Map();
    const counts: Counts = this.#counts;
    this.#counts = {};
    const limits = await this.#host.registry.add(counts);
    if (limits !== undefined) this.limit(limits);
  }

  /** Replaces the limits of the parameters. */
  limit({ requestRate, requestBurst }: RateLimits): void {
    this.#limiter.rate = requestRate;
    this.#limiter.burst = requestBurst;
  }

  #tally(type: string, status: number, ms: number): void {
    let tallies = this.#tallies.get(type);
    if (tallies === undefined) this.#tallies.set(type, (tallies = new Map()));
    const tally = tallies.get(status);
    if (tally === undefined) tallies.set(status, { requests: 1, ms });
    else {
      tally.requests += 1;
      tally.ms += ms;
    }
  }

  /** Resources beside PPSP-TP; undefined for what is none of them. Never rejects. */
  async #special(request: Request, asker: Asker): Promise<Response | undefined> {
    try {
      return await this.#operate(request, new URL(request.url), asker);
    } catch (error) {
      if (error instanceof TrackerError && error.code in STATUS)
        return refuse(error.code as RefusalCode, error.message);
      console.error("tracker: unexpected condition", error);
      return refuse("internal", "Unexpected condition");
    }
  }

  async #operate(request: Request, url: URL, asker: Asker): Promise<Response | undefined> {
    const host = this.#host;
    switch (url.pathname) {
      case SIGNAL_PATH:
      case POLL_PATH: {
        const swarmId = url.searchParams.get("swarm") ?? "";
        if (request.method === "OPTIONS") return json({});
        const upgrade = url.pathname === POLL_PATH ? "websocket" : request.headers.get("Upgrade");
        const refused = this.signalRefusal(upgrade, swarmId);
        if (refused !== undefined) return toResponse(refused);
        // Nothing of a body without bound goes to an object, which would have to take it before it could refuse it.
        if (url.pathname === POLL_PATH) pollLength(request, host.parameters.limits.body);
        return host.signal(request, swarmId);
      }
      case "/healthz":
        return json({ status: "ok" });
      case "/stats.json":
        await this.#gatherSeldom();
        return json({ ...(await host.registry.stats()), time: host.date(host.now()).toISOString() });
      case "/metrics":
        return this.#metrics(request);
      case "/enrol":
        return host.parameters.flag("ENROL") ? this.#enrol(request, asker) : undefined;
    }
    if (url.pathname !== "/manage" && !url.pathname.startsWith("/manage/")) return undefined;
    const token = host.parameters.text("MANAGE_TOKEN");
    if (token === "") return undefined;
    if (bearer(request, [token])) await this.#gather();
    return answerManagement(request, url, {
      parameters: host.parameters,
      registry: host.registry,
      desk: (swarmId) => host.desk(swarmId),
      limit: (limits) => this.limit(limits),
    });
  }

  /** Of a swarm that a publisher may vouch for, the swarm itself knows best whether one does. */
  #mayServe(swarmId: string): boolean {
    return this.#publishers !== undefined || this.#serves(swarmId);
  }

  /** Finds out as whom a peer asks, from tokens and publishers' grants; undefined where neither matters. */
  #authorizer(): TrackerPolicy["authorize"] {
    const [authority, publishers] = [this.#authority, this.#publishers];
    if (publishers === undefined) {
      return authority && ((authorization, request, asker) => authority.authorize(authorization, request, asker));
    }
    return async (authorization, request, asker) => {
      const grant = (await authority?.authorize(authorization, request, asker)) ?? { ok: true, asker };
      return grant.ok ? { ok: true, asker: await publishers.vouch(request, grant.asker, this.#serves) } : grant;
    };
  }

  async #metrics(request: Request): Promise<Response> {
    const { parameters, registry } = this.#host;
    const tokens = [parameters.text("METRICS_TOKEN"), parameters.text("MANAGE_TOKEN")];
    const known = bearer(request, tokens);
    if (!known && tokens[0] !== "") return json({ error: "unauthorized" }, 401);
    await this.#gatherSeldom();
    const swarms = known ? await registry.swarms("", parameters.number("METRICS_SWARMS")) : [];
    const headers = { "Content-Type": METRICS_TYPE, "Cache-Control": "no-store" };
    return new Response(metricsText(await registry.stats(), swarms), { headers });
  }

  async #enrol(request: Request, { source }: Asker): Promise<Response> {
    if (request.method === "OPTIONS") return json({});
    if (request.method !== "POST") return refuse("malformed", "Method is not POST");
    const { parameters } = this.#host;
    if (!(await this.#host.mayEnrol(source))) {
      this.count(`rejections_total{cause="enrolment"}`);
      return refuse("unavailable", "Too many new Peer-IDs from this address");
    }
    this.count("enrolments_total");
    return json(await enrol(parameters, this.#host.now()));
  }

  /** Brings the registry up to date, as far as this costs little. */
  async #gather(): Promise<void> {
    await this.flush();
    await this.#host.collect?.();
  }

  /** The same for whoever may ask: at most once a second, for all that ask meanwhile together. */
  async #gatherSeldom(): Promise<void> {
    if (this.#gathering === undefined && this.#host.now() - this.#gathered < GATHER_MS) return;
    this.#gathering ??= this.#gather().finally(() => {
      this.#gathering = undefined;
      this.#gathered = this.#host.now();
    });
    await this.#gathering;
  }

  #restrict(response: Response, origin: string | null): Response {
    // A socket's response cannot be changed, and CORS does not apply to it.
    if (this.#origins === undefined || response.status === 101) return response;
    const { headers } = response;
    headers.set("Vary", "Origin");
    if (origin !== null && this.#origins.includes(origin)) headers.set("Access-Control-Allow-Origin", origin);
    else headers.delete("Access-Control-Allow-Origin");
    return response;
  }
}
