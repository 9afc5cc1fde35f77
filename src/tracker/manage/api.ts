import { MAX_ID, MAX_SWARM_ID } from "../limits.ts";
import type { Parameters } from "../parameters.ts";
import type { DeskPort, PolicyChange } from "./desk.ts";
import type { RateLimits, RegistryPort } from "./registry.ts";
import { bearer, json } from "./respond.ts";
import type { ContentCharacteristics, SwarmSummary } from "./summary.ts";

/** What the management API works on. */
export interface ManagementHost {
  readonly parameters: Parameters;
  readonly registry: RegistryPort;
  readonly desk: (swarmId: string) => DeskPort;
  /** Lets new limits hold here at once. */
  limit(limits: RateLimits): void;
}

/** Bytes of a request body. */
const MAX_BODY = 4096;
/** Entries of one page. */
const PAGE = 100;
const MAX_PAGE = 1000;

/** Everything about a call that an operation needs. */
interface Call {
  readonly request: Request;
  readonly query: URLSearchParams;
  readonly swarmId: string;
  readonly peerId: string;
}

/** A mistake of the caller. */
class CallError extends Error {
  override readonly name = "CallError";
}

type Operation = (host: ManagementHost, call: Call) => Promise<Response>;

/** Operations by method and path, as docs/openapi.json has them. */
export const ROUTES: Readonly<Record<string, Operation>> = {
  "GET /manage/parameters": async ({ parameters }) => json({ parameters: parameters.list() }),
  "GET /manage/limits": async ({ parameters, registry }) => {
    const [requestRate, requestBurst] = [parameters.number("REQUEST_RATE"), parameters.number("REQUEST_BURST")];
    return json((await registry.limits()) ?? { requestRate, requestBurst });
  },
  "PUT /manage/limits": async (host, { request }) => {
    const body = await readJson(request, ["requestRate", "requestBurst"]);
    const limits = {
      requestRate: number(body["requestRate"], "requestRate", 0, 1_000_000),
      requestBurst: number(body["requestBurst"], "requestBurst", 1, 1_000_000),
    };
    await host.registry.setLimits(limits);
    host.limit(limits);
    return json(limits);
  },
  "GET /manage/events": async ({ registry }, { query }) => {
    const after = number(Number(query.get("after") ?? 0), "after", 0, Number.MAX_SAFE_INTEGER);
    return json({ events: await registry.events(after, page(query)) });
  },
  "GET /manage/swarms": async ({ registry }, { query }) =>
    json({ swarms: (await registry.swarms(query.get("after") ?? "", page(query))).map(shown) }),
  "GET /manage/swarms/{swarmId}": async (host, { swarmId }) => describe(host, swarmId),
  "PUT /manage/swarms/{swarmId}": async (host, { request, swarmId }) => {
    const body = await readJson(request, ["p2p", "content"]);
    const { p2p, content } = body;
    if (p2p !== undefined && typeof p2p !== "boolean") throw new CallError("p2p takes true or false");
    const change: PolicyChange = {
      ...(p2p !== undefined && { p2p }),
      ...(content !== undefined && { content: characteristics(content) }),
    };
    const swarm = await host.desk(swarmId).change(change);
    await host.registry.report(swarm);
    if (p2p !== undefined) {
      await host.registry.log({ event: "p2p-switched", level: "info", swarmId, detail: p2p ? "on" : "off" });
    }
    return json(shown(swarm));
  },
  "DELETE /manage/swarms/{swarmId}": async ({ desk, registry }, { swarmId }) => {
    const removed = await desk(swarmId).close();
    await registry.log({ event: "swarm-closed", level: "info", swarmId, detail: `${removed} registrations ended` });
    return json({ removed });
  },
  "GET /manage/swarms/{swarmId}/peers": async ({ desk }, { query, swarmId }) =>
    json({ peers: await desk(swarmId).list(query.get("after") ?? "", page(query)) }),
  "PUT /manage/swarms/{swarmId}/bans/{peerId}": async ({ desk, registry }, { request, swarmId, peerId }) => {
    const body = await readJson(request, ["address", "seconds"]);
    const seconds = body["seconds"] === undefined ? undefined : number(body["seconds"], "seconds", 1, 31_536_000);
    const { address = false } = body;
    if (typeof address !== "boolean") throw new CallError("address takes true or false");
    const present = await desk(swarmId).ban(peerId, address, seconds);
    await registry.log({ event: "peer-banned", level: "info", swarmId, peerId });
    return json({ present });
  },
  "DELETE /manage/swarms/{swarmId}/bans/{peerId}": async ({ desk, registry }, { swarmId, peerId }) => {
    if (!(await desk(swarmId).unban(peerId))) return json({ error: "no such ban" }, 404);
    await registry.log({ event: "peer-unbanned", level: "info", swarmId, peerId });
    return json({}, 204);
  },
};

const PATTERNS = Object.entries(ROUTES).map(([route, operation]) => {
  const [method = "", path = ""] = route.split(" ");
  return { method, parts: path.split("/"), operation };
});

/** Answers a request below /manage, from those who have the token. */
export async function answerManagement(request: Request, url: URL, host: ManagementHost): Promise<Response> {
  // Browsers ask first, without a token, and learn nothing.
  if (request.method === "OPTIONS") return json({});
  if (!bearer(request, [host.parameters.text("MANAGE_TOKEN")])) return json({ error: "unauthorized" }, 401);
  const parts = url.pathname.split("/");
  const matching = PATTERNS.filter((route) => fits(route.parts, parts));
  if (matching.length === 0) return json({ error: "no such resource" }, 404);
  const route = matching.find(({ method }) => method === request.method);
  if (route === undefined) return json({ error: "no such method here" }, 405);
  try {
    const swarmId = named(route.parts, parts, "{swarmId}", MAX_SWARM_ID);
    const peerId = named(route.parts, parts, "{peerId}", MAX_ID);
    // Each name is an object: none is made for swarms that the tracker is not there for.
    const served = host.parameters.text("PUBLISHERS") !== "" || host.parameters.names(swarmId);
    if (swarmId !== "" && !served) return json({ error: "swarm not served here" }, 404);
    return await route.operation(host, { request, query: url.searchParams, swarmId, peerId });
  } catch (error) {
    if (error instanceof CallError) return json({ error: error.message }, 400);
    throw error;
  }
}

async function describe({ desk, registry }: ManagementHost, swarmId: string): Promise<Response> {
  const summary = await desk(swarmId).describe();
  await registry.report(summary);
  return summary.ended === true ? json({ error: "no such swarm" }, 404) : json(shown(summary));
}

/** A summary without what counts from one to the next. */
const shown = (summary: SwarmSummary): object => ({ ...summary, signals: undefined });

const fits = (pattern: readonly string[], parts: readonly string[]): boolean =>
  pattern.length === parts.length && pattern.every((part, at) => part.startsWith("{") || part === parts[at]);

function named(pattern: readonly string[], parts: readonly string[], name: string, longest: number): string {
  const at = pattern.indexOf(name);
  if (at < 0) return "";
  let value = "";
  try {
    value = decodeURIComponent(parts[at] ?? "");
  } catch {
    // An empty name is refused just below.
  }
  if (value === "" || value.length > longest) throw new CallError(`no good ${name}`);
  return value;
}

async function readJson(request: Request, fields: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const length = Number(request.headers.get("Content-Length") ?? Number.NaN);
  if (!(length <= MAX_BODY)) throw new CallError(`a body takes a Content-Length of at most ${MAX_BODY}`);
  const text = await request.text();
  if (text.trim() === "") return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new CallError("the body is not JSON");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new CallError("the body is no object");
  const unknown = Object.keys(body).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw new CallError(`no such field: ${unknown.slice(0, 40)}`);
  return body as Record<string, unknown>;
}

function number(value: unknown, name: string, least: number, most: number): number {
  if (typeof value !== "number" || !(value >= least && value <= most)) {
    throw new CallError(`${name} takes a number from ${least} to ${most}`);
  }
  return value;
}

const page = (query: URLSearchParams): number => number(Number(query.get("limit") ?? PAGE), "limit", 1, MAX_PAGE);

function characteristics(value: unknown): ContentCharacteristics {
  if (typeof value !== "object" || value === null) throw new CallError("content takes an object");
  const { title, kind, byteLength, chunkCount, duration, ...others } = value as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new CallError(`no such field: content.${unknown.slice(0, 40)}`);
  if (title !== undefined && (typeof title !== "string" || title.length > 200)) {
    throw new CallError("content.title takes text of at most 200 characters");
  }
  if (kind !== undefined && kind !== "vod" && kind !== "live") throw new CallError("content.kind takes vod or live");
  const positive = (name: string, count: unknown): number =>
    number(count, `content.${name}`, 0, Number.MAX_SAFE_INTEGER);
  return {
    ...(title !== undefined && { title }),
    ...(kind !== undefined && { kind }),
    ...(byteLength !== undefined && { byteLength: positive("byteLength", byteLength) }),
    ...(chunkCount !== undefined && { chunkCount: positive("chunkCount", chunkCount) }),
    ...(duration !== undefined && { duration: positive("duration", duration) }),
  };
}
