import { Authority } from "./auth/authority.ts";
import { enrol } from "./auth/enrol.ts";
import { NOT_SERVED, Publishers } from "./auth/publishers.ts";
import { handleTracker, refuse } from "./handler.ts";
import { withIceServers } from "./ice.ts";
import { answerManagement } from "./manage/api.ts";
import type { DeskPort } from "./manage/desk.ts";
import { METRICS_TYPE, metricsText } from "./manage/metrics.ts";
import type { Counts, RateLimits, RegistryPort } from "./manage/registry.ts";
import { bearer, json } from "./manage/respond.ts";
import type { TrackerRequest } from "./messages.ts";
import type { Asker, Grant, TrackerObjects } from "./objects.ts";
import type { Parameters } from "./parameters.ts";
import { POLL_PATH, SIGNAL_PATH } from "./signal.ts";
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
  /** Tells the registry of all swarms, where that costs little. */
  collect?(): Promise<void>;
  /** Milliseconds since 1970. */
  now(): number;
  /** A time as a Date. */
  date(at: number): Date;
}

/** How often a flood is logged, ms. */
const FLOOD_MS = 60_000;

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
  readonly #limiter: SourceLimiter;
  readonly #origins: readonly string[] | undefined;
  readonly #bodyTimeout: number;
  #counts: Record<string, number> = {};
  #flood = -Infinity;
  #flushed = 0;

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
    this.#bodyTimeout = parameters.number("REQUEST_TIMEOUT") * 1000;
  }

  /**
   * Answers any request. Never rejects.
   *
   * @param admitted - this request went through `admit` already
   */
  async serve(request: Request, asker: Asker, admitted = false): Promise<Response> {
    const refused = admitted ? undefined : this.admit(asker.source);
    const at = request.url.indexOf("/", request.url.indexOf("//") + 2);
    // The common case needs no URL object.
    if (refused === undefined && request.url.length === at + 1) return this.#track(request, asker);
    const special = refused ?? (await this.#special(request, asker));
    return special === undefined ? this.#track(request, asker) : this.#restrict(special, request.headers.get("Origin"));
  }

  /** Takes one request of this address; the refusal when it had its share (503, as T75 has it). */
  admit(source: string): Response | undefined {
    const now = this.#host.now();
    if (this.#limiter.take(source, now)) return undefined;
    this.count(`rejections_total{cause="rate"}`);
    if (now - this.#flood > FLOOD_MS) {
      this.#flood = now;
      void this.#host.registry.log({ event: "flood", level: "warning", detail: "an address asks too often" });
    }
    return refuse("unavailable", "Too many requests");
  }

  /** Why a signalling socket to this swarm is not opened; undefined when it may be. */
  signalRefusal(upgrade: string | null, swarmId: string): Response | undefined {
    if (upgrade?.toLowerCase() !== "websocket") return refuse("malformed", "Not a WebSocket");
    if (swarmId === "") return refuse("malformed", "Missing swarm");
    return this.#mayServe(swarmId) ? undefined : refuse("forbidden", NOT_SERVED);
  }

  /** Counts something for /metrics. */
  count(series: string, by = 1): void {
    this.#counts[series] = (this.#counts[series] ?? 0) + by;
  }

  /** Tells the registry what was counted, and hears from it which limits hold; at most so often, in ms. */
  async flush(interval = 0): Promise<void> {
    const now = this.#host.now();
    if (now - this.#flushed < interval) return;
    this.#flushed = now;
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

  /** Resources beside PPSP-TP; undefined for what is none of them. Never rejects. */
  async #special(request: Request, asker: Asker): Promise<Response | undefined> {
    try {
      return await this.#operate(request, new URL(request.url), asker);
    } catch (error) {
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
        return this.signalRefusal(upgrade, swarmId) ?? host.signal(request, swarmId);
      }
      case "/healthz":
        return json({ status: "ok" });
      case "/stats.json":
        await this.#gather();
        return json({ ...(await host.registry.stats()), time: host.date(host.now()).toISOString() });
      case "/metrics":
        return this.#metrics(request);
      case "/enrol":
        return host.parameters.flag("ENROL") ? this.#enrol(request, asker) : undefined;
    }
    if (url.pathname !== "/manage" && !url.pathname.startsWith("/manage/")) return undefined;
    if (host.parameters.text("MANAGE_TOKEN") === "") return undefined;
    await this.#gather();
    return answerManagement(request, url, {
      parameters: host.parameters,
      registry: host.registry,
      desk: (swarmId) => host.desk(swarmId),
      limit: (limits) => this.limit(limits),
    });
  }

  /** PPSP-TP itself. */
  async #track(request: Request, asker: Asker): Promise<Response> {
    let method = "none";
    const authority = this.#authority;
    const started = this.#host.now();
    const response = await handleTracker(request, asker, this.#objects, {
      serves: (swarmId) => this.#mayServe(swarmId),
      bodyTimeout: this.#bodyTimeout,
      limits: this.#host.parameters.limits,
      ...(this.#origins !== undefined && { origins: this.#origins }),
      authorize: async (authorization: string | null, message: TrackerRequest, from: Asker): Promise<Grant> => {
        method = message.method;
        const grant = await authority?.authorize(authorization, message, from);
        if (grant?.ok === false || this.#publishers === undefined) return grant ?? { ok: true, asker: from };
        return { ok: true, asker: await this.#publishers.vouch(message, grant?.asker ?? from, this.#serves) };
      },
    });
    this.count(`requests_total{type="${method}",status="${response.status}"}`);
    this.count(`request_seconds_total{type="${method}"}`, (this.#host.now() - started) / 1000);
    return response;
  }

  /** Of a swarm that a publisher may vouch for, the swarm itself knows best whether one does. */
  #mayServe(swarmId: string): boolean {
    return this.#publishers !== undefined || this.#serves(swarmId);
  }

  async #metrics(request: Request): Promise<Response> {
    const { parameters, registry } = this.#host;
    const tokens = [parameters.text("METRICS_TOKEN"), parameters.text("MANAGE_TOKEN")];
    const known = bearer(request, tokens);
    if (!known && tokens[0] !== "") return json({ error: "unauthorized" }, 401);
    await this.#gather();
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
