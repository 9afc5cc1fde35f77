/** The process in which a tracker of the benchmark runs, ours or the other; its parent makes the load. */
import { performance } from "node:perf_hooks";
import { handleTracker } from "../src/tracker/handler.ts";
import { startTracker } from "../src/node/tracker.ts";
import { LocalObjects, TrackerState } from "../src/node/tracker/objects.ts";
import { Parameters } from "../src/tracker/parameters.ts";
import { type CodecName, Population } from "./tracker-population.ts";

/** What the process can be asked to do. */
export type Order =
  /** Our tracker, on a free port; `usual`: with the limits that it has for users. */
  | { readonly type: "ours"; readonly usual?: boolean }
  /** bittorrent-tracker with room for so many peers in a swarm, on a free port. */
  | { readonly type: "bittorrent"; readonly room: number }
  /** A swarm of so many peers, in this process. */
  | { readonly type: "fill"; readonly codec: CodecName; readonly peers: number }
  /** Requests through our handler to that swarm, for so long. */
  | { readonly type: "run"; readonly ms: number };

/** What comes back. */
export interface Report {
  readonly port?: number;
  /** Requests a second. */
  readonly rate?: number;
  readonly error?: string;
}

/** The part of bittorrent-tracker that is used here. */
interface BittorrentServer {
  on(event: "error" | "warning", listener: (error: Error) => void): void;
  listen(port: number, host: string, listening: () => void): void;
  readonly http: { address(): { port: number } };
}

async function bittorrent(room: number): Promise<Report> {
  const url = new URL("../../bench/node_modules/bittorrent-tracker/server.js", import.meta.url);
  const { default: Server } = (await import(url.href)) as { default: new (options: object) => BittorrentServer };
  // Its default forgets all but the 1,000 peers that were heard last.
  const server = new Server({ udp: false, http: true, ws: true, stats: false, peersCacheLength: room });
  server.on("error", (error) => console.error(error));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.http.address().port };
}

/** All load comes from one address; every swarm is served, and nobody forgotten meanwhile. */
const UNLIMITED = { OPEN: "true", REQUEST_RATE: "0", TRACK_TIMER: "3600" } as const;

/** Requests that are made before a round; their order visits all parts of a swarm. */
const RING = 20_000;

let ask: ((body: string) => Promise<string>) | undefined;
let ring: readonly string[] = [];

/** Fills a swarm through our handler in this process. */
async function fill(codec: CodecName, peers: number): Promise<Report> {
  const objects = new LocalObjects(new Parameters(UNLIMITED), new TrackerState(), () => undefined);
  const policy = { serves: () => true };
  const population = new Population(codec, peers);
  ask = async (body) => {
    const headers = { "Content-Type": population.contentType, "Content-Length": String(body.length) };
    const request = new Request("http://tracker/", { method: "POST", headers, body });
    const response = await handleTracker(request, { source: "127.0.0.1" }, objects, policy);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`status ${response.status}: ${response.headers.get("PPSP-Reason")}`);
    return text;
  };
  for (let index = 0; index < peers; index++) population.enrolled(index, await ask(population.join(index)));
  ring = population.ring(RING);
  return {};
}

/** Requests a second that the handler answers when they come one after the other. */
async function run(ms: number): Promise<Report> {
  if (ask === undefined) throw new RangeError("nothing to run");
  const began = performance.now();
  let count = 0;
  for (; performance.now() - began < ms; count++) await ask(ring[count % RING]!);
  return { rate: (count * 1000) / (performance.now() - began) };
}

async function obey(order: Order): Promise<Report> {
  switch (order.type) {
    case "ours":
      return {
        port: (await startTracker({ port: 0, open: true, parameters: order.usual === true ? {} : UNLIMITED })).port,
      };
    case "bittorrent":
      return await bittorrent(order.room);
    case "fill":
      return await fill(order.codec, order.peers);
    case "run":
      return await run(order.ms);
  }
}

process.on("message", (order) => {
  obey(order as Order).then(
    (report) => process.send?.(report),
    (error: unknown) => process.send?.({ error: String(error) } satisfies Report),
  );
});
process.on("disconnect", () => process.exit());
