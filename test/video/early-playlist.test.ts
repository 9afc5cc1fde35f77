import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type {
  HlsConfig,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderStats,
  PlaylistLoaderContext,
} from "hls.js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EarlyPlaylist } from "../../src/video/early-playlist.ts";

const MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n";

/** Stands where hls.js's own XHR loader stands, which Node does not have. */
class PlainLoader implements Loader<PlaylistLoaderContext> {
  static loads: string[] = [];
  context: PlaylistLoaderContext | null = null;
  stats = { loaded: 0, total: 0, loading: { start: 0, first: 0, end: 0 } } as LoaderStats;
  load(context: PlaylistLoaderContext) {
    PlainLoader.loads.push(context.url);
  }
  abort() {}
  destroy() {}
}

const server = createServer();
let url: string;
let requests: string[];
let answer: (response: ServerResponse, path: string) => void;
server.on("request", ({ url: path = "" }, response) => {
  requests.push(path);
  answer(response, path);
});

beforeEach(async () => {
  PlainLoader.loads = [];
  requests = [];
  answer = (response) => response.end(MASTER);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/master.m3u8`;
});
afterEach(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

/** Loads as hls.js does, and tells what it was given. */
function load(early: EarlyPlaylist) {
  const PlaylistLoader = early.loader(PlainLoader as unknown as HlsConfig["loader"]);
  const loader = new PlaylistLoader({} as HlsConfig);
  const onSuccess = vi.fn<LoaderCallbacks<PlaylistLoaderContext>["onSuccess"]>();
  const callbacks = { onSuccess } as unknown as LoaderCallbacks<PlaylistLoaderContext>;
  loader.load({ url } as PlaylistLoaderContext, {} as LoaderConfiguration, callbacks);
  return { loader, onSuccess };
}

test("one request serves the first load, with its true times; the next load is hls.js's own", async () => {
  const early = EarlyPlaylist.ask(url)!;
  const { onSuccess } = load(early);
  await vi.waitFor(() => expect(onSuccess).toHaveBeenCalledOnce());
  const [response, stats] = onSuccess.mock.calls[0]!;
  expect(response).toEqual({ url, data: MASTER, code: 200 });
  expect(stats.loaded).toBe(MASTER.length);
  expect(stats.loading.start).toBeGreaterThan(0);
  expect(stats.loading.first).toBeGreaterThan(stats.loading.start);
  expect(stats.loading.end).toBeGreaterThanOrEqual(stats.loading.first);
  expect(requests).toEqual(["/master.m3u8"]);
  load(early);
  expect(PlainLoader.loads).toEqual([url]);
});

test("URIs in it are relative to where it was found after redirections", async () => {
  answer = (response, path) =>
    path === "/master.m3u8" ? response.writeHead(302, { Location: "/film/m.m3u8" }).end() : response.end(MASTER);
  const { onSuccess } = load(EarlyPlaylist.ask(url)!);
  await vi.waitFor(() => expect(onSuccess).toHaveBeenCalledOnce());
  expect(onSuccess.mock.calls[0]![0].url).toBe(url.replace("master.m3u8", "film/m.m3u8"));
});

test.each([
  ["refused", (response: ServerResponse) => response.writeHead(403).end()],
  ["cut off", (response: ServerResponse) => response.destroy()],
])("hls.js asks itself, with all that it knows, where the early request was %s", async (_, refuse) => {
  answer = refuse;
  const { onSuccess } = load(EarlyPlaylist.ask(url)!);
  await vi.waitFor(() => expect(PlainLoader.loads).toEqual([url]));
  expect(onSuccess).not.toHaveBeenCalled();
});

test.each(["loader", "pLoader", "xhrSetup", "fetchSetup"])("nothing is asked early where a page sets %s", (option) => {
  expect(EarlyPlaylist.ask(url, { [option]: () => undefined })).toBeUndefined();
});

test("a load that was given up gets no answer, and a closed one ends its request", async () => {
  let pending: ServerResponse | undefined;
  answer = (response) => (pending = response);
  const early = EarlyPlaylist.ask(url)!;
  const { loader, onSuccess } = load(early);
  await vi.waitFor(() => expect(pending).toBeDefined());
  loader.destroy();
  early.close();
  await vi.waitFor(() => expect(pending!.destroyed).toBe(true));
  expect(onSuccess).not.toHaveBeenCalled();
  expect(PlainLoader.loads).toEqual([]);
});
