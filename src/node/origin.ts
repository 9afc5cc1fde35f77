import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, sep } from "node:path";
import { performance } from "node:perf_hooks";
import { pipeline } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";
import { lookup } from "mrmime";
import parseRange from "range-parser";

/** What an origin serves, and how slowly. */
export interface OriginOptions {
  /** Folder that is served at `/`. */
  readonly root: string;
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  /** Address to listen on. @defaultValue "127.0.0.1": nobody but this machine. */
  readonly host?: string;
  /** Wait before each answer, ms. @defaultValue 0 */
  readonly delayMs?: number;
  /** Rate of each media response, kbit/s. @defaultValue Infinity */
  readonly kbit?: number;
  /** More folders: path that they are served at, with a slash at both ends → folder. */
  readonly paths?: Readonly<Record<string, string>>;
  /** Documents that are on no disk: path → value. They come before files. */
  readonly json?: Readonly<Record<string, object>>;
}

/** One request that the origin has answered or is answering. */
export interface OriginRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** The Range header. */
  readonly range: string | undefined;
  /** Status code; 0 until it is known. */
  status: number;
  /** Body bytes given to the connection so far. */
  bytes: number;
}

/** A running origin. */
export interface Origin {
  /** `http://HOST:PORT/`. */
  readonly url: string;
  readonly port: number;
  /** The newest 10,000 requests, oldest first. */
  readonly log: readonly OriginRequest[];
  /** Ends every connection and resolves when the port is free. */
  close(): Promise<void>;
}

const logLength = 10_000;

const mediaType = /^(video|audio)\/|^text\/vtt/;

/** What mrmime does not know. */
const types: Readonly<Record<string, string>> = { m3u8: "application/vnd.apple.mpegurl" };

/** Pages of other origins may read our answers and ask for ranges. */
const cors = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
  "Access-Control-Allow-Headers": "Range",
  "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag",
  "Access-Control-Max-Age": "86400",
  "Timing-Allow-Origin": "*",
};

/**
 * Serves a folder over HTTP as a CDN would: ranges, entity tags, CORS; on demand as slowly as a bad one.
 *
 * @throws the system's error when the port cannot be taken (`code` "EADDRINUSE").
 */
export async function startOrigin(options: OriginOptions): Promise<Origin> {
  const { host = "127.0.0.1" } = options;
  const log: OriginRequest[] = [];
  const server = createServer((request, response) => {
    const entry: OriginRequest = {
      method: request.method ?? "",
      url: request.url ?? "/",
      range: request.headers.range,
      status: 0,
      bytes: 0,
    };
    log.push(entry);
    if (log.length > logLength) log.shift();
    // Whatever goes wrong with one answer ends that answer: most often its viewer has gone.
    answer(options, request, response, entry).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://${host}:${port}/`, port, log, close };
}

async function answer(
  options: OriginOptions,
  request: IncomingMessage,
  response: ServerResponse,
  entry: OriginRequest,
): Promise<void> {
  const { delayMs = 0, kbit = Infinity } = options;
  function finish(status: number, headers: Record<string, string | number>, body?: string): void {
    entry.status = status;
    response.writeHead(status, { ...cors, ...headers }).end(body);
  }
  if (delayMs > 0) await wait(delayMs);
  if (entry.method === "OPTIONS") return finish(204, {});
  if (entry.method !== "GET" && entry.method !== "HEAD") return finish(405, { Allow: "GET, HEAD, OPTIONS" });

  const place = locate(options, entry.url);
  if (place === undefined) return finish(404, { "Content-Type": "text/plain" }, "not found\n");
  if (typeof place === "object") return finish(200, { "Content-Type": "application/json" }, JSON.stringify(place));
  const info = await stat(place).catch(() => undefined);
  if (info === undefined || !info.isFile()) return finish(404, { "Content-Type": "text/plain" }, "not found\n");

  const extension = place.slice(place.lastIndexOf(".") + 1);
  const type = types[extension] ?? lookup(extension) ?? "application/octet-stream";
  const etag = `"${info.size.toString(36)}-${Math.round(info.mtimeMs).toString(36)}"`;
  const headers = { "Content-Type": type, "Cache-Control": "no-cache", "Accept-Ranges": "bytes", ETag: etag };
  if (request.headers["if-none-match"]?.includes(etag) === true) return finish(304, headers);

  const ifRange = request.headers["if-range"];
  const asked =
    entry.range !== undefined && (ifRange === undefined || ifRange === etag) ? parseRange(info.size, entry.range) : -2;
  if (asked === -1) return finish(416, { "Content-Range": `bytes */${info.size}` });
  // Several ranges at once, and nonsense, may be answered with the whole resource (RFC 9110 §14.2).
  const range = typeof asked === "object" && asked.length === 1 ? asked[0] : undefined;
  const { start, end } = range ?? { start: 0, end: info.size - 1 };
  entry.status = range === undefined ? 200 : 206;
  response.writeHead(entry.status, {
    ...cors,
    ...headers,
    "Content-Length": end - start + 1,
    ...(range === undefined ? {} : { "Content-Range": `bytes ${start}-${end}/${info.size}` }),
  });
  if (entry.method === "HEAD" || end < start) return void response.end();
  const rate = mediaType.test(type) ? (kbit * 1000) / 8 : Infinity;
  await pipeline(createReadStream(place, { start, end }), pace(rate, entry), response);
}

/** The file or the JSON value that a request means; undefined for a path that leads out of its folder or makes no sense. */
function locate({ root, paths = {}, json = {} }: OriginOptions, url: string): string | object | undefined {
  let path: string;
  try {
    path = decodeURIComponent(new URL(url, "http://origin").pathname);
  } catch {
    return undefined;
  }
  const document = json[path];
  if (document !== undefined) return document;
  const [prefix, folder] = Object.entries(paths).find(([place]) => path.startsWith(place)) ?? ["/", root];
  const file = join(folder, path.slice(prefix.length), path.endsWith("/") ? "index.html" : "");
  return file.startsWith(join(folder, sep)) && !file.includes("\0") ? file : undefined;
}

/** Counts what goes out and spreads it over time: twenty small writes per second instead of one burst per buffer. */
function pace(bytesPerSecond: number, entry: OriginRequest) {
  const slice = Number.isFinite(bytesPerSecond) ? Math.max(256, Math.ceil(bytesPerSecond / 20)) : Infinity;
  return async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let due = performance.now();
    for await (const bytes of source) {
      for (let at = 0; at < bytes.length; at += slice) {
        const part = bytes.subarray(at, at + slice);
        due = Math.max(due, performance.now()) + (part.length / bytesPerSecond) * 1000;
        if (slice !== Infinity) await wait(due - performance.now());
        entry.bytes += part.length;
        yield part;
      }
    }
  };
}
