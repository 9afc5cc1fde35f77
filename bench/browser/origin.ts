/**
 * The HTTP origin of the browser benchmarks. Each viewer has a host name of its own, `v0.localhost`, `v1.localhost` and so
 * on, which browsers resolve to this machine: so the origin knows whose connection it is, and all responses to one viewer
 * share one line. Media is slow as that line is; pages and scripts are not.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join, sep } from "node:path";
import { performance } from "node:perf_hooks";
import { lookup } from "mrmime";
import parseRange from "range-parser";
import { Line, type LineSettings } from "./line.ts";

/** One answered request for media, playlists left out. */
export interface Served {
  /** Number of the viewer. */
  readonly viewer: number;
  readonly path: string;
  /** First byte that was asked for. */
  readonly start: number;
  /** Bytes that were asked for. */
  readonly length: number;
  /** When it was asked, ms of `performance.now()`. */
  readonly at: number;
  /** Bytes that were written before the end or the viewer's abort. */
  bytes: number;
}

/** A running origin. */
export interface Origin {
  readonly port: number;
  /** Every request for media and hashes so far. */
  readonly log: readonly Served[];
  /** Base URL for a viewer. */
  url(viewer: number): string;
  /** Changes a viewer's line from now on. */
  setLine(viewer: number, settings: LineSettings): void;
  close(): Promise<void>;
}

/** Folder names at the root of the URL → folders; only what is in `media/` is slow and counts. */
export type Folders = Readonly<Record<string, string>>;

const TYPES: Readonly<Record<string, string>> = { m3u8: "application/vnd.apple.mpegurl", m4s: "video/mp4" };
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers": "*",
  "Access-Control-Expose-Headers": "*",
  "Timing-Allow-Origin": "*",
  "Service-Worker-Allowed": "/",
};

/** Starts an origin on a free port of the loopback. */
export async function startOrigin(folders: Folders, settings: LineSettings): Promise<Origin> {
  const log: Served[] = [];
  const lines = new Map<number, Line>();
  const files = new Map<string, Promise<Buffer>>();

  function lineOf(viewer: number): Line {
    let line = lines.get(viewer);
    if (line === undefined) lines.set(viewer, (line = new Line(settings)));
    return line;
  }

  function find(path: string): Promise<Buffer> | undefined {
    const [, name = "", ...rest] = path.split("/");
    const folder = folders[name];
    if (folder === undefined) return undefined;
    const file = join(folder, ...rest);
    if (!file.startsWith(join(folder, sep))) return undefined;
    // Without a promise kept for each file the disk would be part of what is measured.
    let bytes = files.get(file);
    if (bytes === undefined) files.set(file, (bytes = readFile(file)));
    return bytes;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = performance.now();
    const viewer = Number(/^v(\d+)\./.exec(request.headers.host ?? "")?.[1] ?? -1);
    const path = new URL(request.url ?? "/", "http://origin").pathname;
    if (request.method === "OPTIONS") return void response.writeHead(204, CORS).end();
    const bytes = await find(path)?.catch(() => undefined);
    if (bytes === undefined) return void response.writeHead(404, CORS).end();
    const extension = path.slice(path.lastIndexOf(".") + 1);
    const ranges = request.headers.range === undefined ? -2 : parseRange(bytes.length, request.headers.range);
    if (ranges === -1) return void response.writeHead(416, CORS).end();
    const range = typeof ranges === "object" && ranges.length === 1 ? ranges[0] : undefined;
    const { start, end } = range ?? { start: 0, end: bytes.length - 1 };
    const body = bytes.subarray(start, end + 1);
    const headers = {
      ...CORS,
      "Content-Type": TYPES[extension] ?? lookup(extension) ?? "application/octet-stream",
      "Cache-Control": "no-cache",
      "Accept-Ranges": "bytes",
      "Content-Length": body.length,
      ...(range && { "Content-Range": `bytes ${start}-${end}/${bytes.length}` }),
    };
    const status = range === undefined ? 200 : 206;
    if (!path.startsWith("/media/")) return void response.writeHead(status, headers).end(body);
    const entry: Served = { viewer, path, start, length: body.length, at: asked, bytes: 0 };
    if (extension !== "m3u8") log.push(entry);
    const line = lineOf(viewer);
    await line.delay();
    if (response.destroyed) return;
    response.writeHead(status, headers);
    if (request.method === "HEAD") return void response.end();
    line.send(response, body, (written) => (entry.bytes += written));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    log,
    url: (viewer) => `http://v${viewer}.localhost:${port}/`,
    setLine: (viewer, changed) => lineOf(viewer).set(changed),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
