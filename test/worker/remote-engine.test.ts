import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ContentError } from "../../src/core/content/error.ts";
import { serialisePresentation } from "../../src/core/content/presentation.ts";
import { PlaybackError } from "../../src/engine/errors.ts";
import type { Dial } from "../../src/link/dial.ts";
import { attach, openRemote, type RemoteOptions } from "../../src/worker/open.ts";
import { localPair, messagePort, type Port } from "../../src/worker/port.ts";
import type { ToHost, ToPage } from "../../src/worker/protocol.ts";
import type { RemoteEngine } from "../../src/worker/remote-engine.ts";
import { serve } from "../../src/worker/serve.ts";
import { Village } from "../engine/village.ts";

const host = vi.hoisted(() => ({ forgotten: false }));
vi.mock("../../src/worker/start.ts", () => {
  const dead: Port<ToHost, ToPage> = {
    post: () => undefined,
    set onmessage(_: (message: ToPage) => void) {},
    close: () => undefined,
  };
  const starting = Promise.resolve(() => dead);
  return { startHost: () => starting, forgetHost: (one: unknown) => (host.forgotten = one === starting) };
});

const ways = {
  "over a MessagePort, as with a worker": (): [Port<ToHost, ToPage>, Port<ToPage, ToHost>] => {
    const { port1, port2 } = new MessageChannel();
    return [messagePort(port1), messagePort(port2)];
  },
  "in one page": () => localPair<ToHost, ToPage>(),
};

/** A file's bytes, and how they came. */
async function read(engine: RemoteEngine, file: number, request: object = {}) {
  const parts: Uint8Array[] = [];
  const sources = new Set<string>();
  for await (const { bytes, source } of engine.fetch(file, { deadline: () => performance.now(), ...request })) {
    parts.push(bytes);
    sources.add(source);
  }
  return { bytes: Buffer.concat(parts), sources: [...sources], pieces: parts.length };
}

describe.each(Object.entries(ways))("an engine %s", (_name, pair) => {
  let village: Village;
  let engines: RemoteEngine[];
  let warnings: string[];
  /** What the page was told. */
  let told: ToPage[];
  /** The host is not heard any more. */
  let silent: boolean;

  beforeEach(async () => {
    village = await Village.open();
    writeFileSync(join(village.folder, "ppsp.json"), serialisePresentation(village.presentation));
    [engines, warnings, told, silent] = [[], [], [], false];
  });
  afterEach(() => {
    for (const engine of engines) engine.close();
  });

  async function open(
    options: Partial<RemoteOptions> = {},
    dial?: Dial,
    opening: (page: Port<ToHost, ToPage>) => void = () => undefined,
  ): Promise<RemoteEngine> {
    const [page, host] = pair();
    serve(host);
    opening(page);
    const heard: Port<ToHost, ToPage> = {
      post: (message, transfer) => page.post(message, transfer),
      set onmessage(listener: (message: ToPage) => void) {
        page.onmessage = (message) => {
          if (silent) return;
          told.push(message);
          listener(message);
        };
      },
      close: () => page.close(),
    };
    const engine = await attach(
      heard,
      { presentation: `${village.origin.url}ppsp.json`, trackers: [], ...options },
      { warn: (text) => warnings.push(text) },
      dial,
    );
    engines.push(engine);
    return engine;
  }

  test("gives the bytes of files and of parts of them, in few messages", async () => {
    const engine = await open();
    expect(engine.presentation.files).toEqual(village.presentation.files);
    const first = await read(engine, 1);
    expect(first.bytes).toEqual(village.published(1));
    expect(first.sources).toEqual(["http"]);
    expect(told.filter(({ type }) => type === "pieces").length).toBeLessThan(4);
    const part = await read(engine, 2, { offset: 20_000, length: 30_000 });
    expect(part.bytes).toEqual(village.published(2).subarray(20_000, 50_000));
    const again = await read(engine, 1);
    expect(again.bytes).toEqual(village.published(1));
    await expect.poll(() => engine.stats.cacheBytes).toBeGreaterThan(0);
    expect(engine.stats.httpBytes).toBeGreaterThanOrEqual(first.bytes.length);
  });

  test("knows what the origin costs, and says when its counts have changed", async () => {
    const engine = await open();
    const before = engine.expectedHttpMs(1_000_000);
    const changed = vi.fn();
    engine.on("statschange", changed);
    for (let file = 0; file < 4; file++) await read(engine, file);
    await expect.poll(() => changed.mock.calls.length).toBeGreaterThan(0);
    expect(engine.expectedHttpMs(1_000_000)).not.toBe(before);
    expect(engine.lineMs(2000)).toBeCloseTo(2 * engine.lineMs(1000));
    await expect.poll(() => engine.hashMs()).toBeGreaterThan(0);
    expect(engine.expecting).toBe(false);
    expect(engine.fileAt(`${village.origin.url}0.m4s?signed`)).toBe(1);
    expect(engine.fileAt("http://a b/0.m4s")).toBeUndefined();
  });

  test("errors are what they are without a port between", async () => {
    const engine = await open();
    await expect(read(engine, 99)).rejects.toBeInstanceOf(RangeError);
    await expect(read(engine, 1, { offset: 1_000_000 })).rejects.toBeInstanceOf(RangeError);
    const refused = read(engine, 1, { url: `${village.origin.url}none.m4s` });
    await expect(refused).rejects.toBeInstanceOf(PlaybackError);
    await expect(refused).rejects.toMatchObject({ code: "http" });
    const none = open({ presentation: `${village.origin.url}none.json` });
    await expect(none).rejects.toMatchObject({ name: "PlaybackError", code: "presentation" });
    writeFileSync(join(village.folder, "bad.json"), JSON.stringify({ version: 1 }));
    const bad = open({ presentation: `${village.origin.url}bad.json` });
    await expect(bad).rejects.toBeInstanceOf(ContentError);
    await expect(bad).rejects.toMatchObject({ code: "bad-field", path: "swarm" });
  });

  test("what was asked of the origin before the engine is there is not asked again", async () => {
    const url = `${village.origin.url}0.m4s`;
    const [page, host] = pair();
    serve(host);
    page.post({ type: "early", url });
    await expect.poll(() => village.origin.log.filter(({ url }) => url === "/0.m4s").length).toBe(1);
    const options = { presentation: `${village.origin.url}ppsp.json`, trackers: [] };
    const engine = await attach(page, options, { warn: () => undefined }, undefined);
    engines.push(engine);
    expect((await read(engine, 1, { url })).bytes).toEqual(village.published(1));
    expect(village.origin.log.filter(({ url }) => url === "/0.m4s").length).toBe(1);
  });

  test("a request that is taken back ends at the host, too", async () => {
    const engine = await open();
    const abort = new AbortController();
    const reading = read(engine, 1, { url: await hanging(), signal: abort.signal });
    await expect.poll(() => requests.length).toBe(1);
    abort.abort();
    await expect(reading).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(() => requests[0]!.destroyed).toBe(true);
  });

  test("once closed it gives nothing any more, and both ends of the port are closed", async () => {
    const engine = await open();
    const closed = vi.fn();
    engine.on("close", closed);
    const reading = read(engine, 1, { url: await hanging() });
    await expect.poll(() => requests.length).toBe(1);
    engine.close();
    engine.close();
    expect(closed).toHaveBeenCalledTimes(1);
    await expect(reading).rejects.toMatchObject({ code: "aborted" });
    await expect(read(engine, 1)).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(() => told.at(-1)?.type).toBe("closed");
    await expect.poll(() => requests[0]!.destroyed).toBe(true);
  });

  test("an engine whose host has fallen silent is lost: what runs fails, and trackers and neighbours are left", async () => {
    const engine = await open();
    const closed = vi.fn();
    engine.on("close", closed);
    const reading = read(engine, 1, { url: await hanging() });
    await expect.poll(() => requests.length).toBe(1);
    const heard = told.length;
    // A host that has nothing to tell answers when it is asked.
    await expect
      .poll(() => told.slice(heard).filter(({ type }) => type === "news").length, { timeout: 10_000 })
      .toBeGreaterThan(0);
    expect(engine.lost).toBe(false);
    silent = true;
    await expect(reading).rejects.toMatchObject({ code: "aborted" });
    expect(engine.lost).toBe(true);
    expect(closed).toHaveBeenCalledTimes(1);
  }, 30_000);

  test("what is closed before it is open never opens", async () => {
    const [page, host] = pair();
    serve(host);
    const presentation = await hanging();
    const opening = attach(page, { presentation, trackers: [] }, { warn: () => undefined }, undefined);
    await expect.poll(() => requests.length).toBe(1);
    page.post({ type: "close" });
    await expect(opening).rejects.toMatchObject({ code: "aborted" });
    await expect.poll(() => requests[0]!.destroyed).toBe(true);
  });

  test("warnings come also before there is an engine", async () => {
    await open();
    expect(warnings).toEqual(["This browser has no WebRTC: the video plays over HTTP only."]);
  });

  test("the page is asked for access tokens", async () => {
    const shown: unknown[] = [];
    const tracker = await listen((request, response) => {
      shown.push(request.headers.authorization);
      response.writeHead(401).end();
    });
    const asked: string[] = [];
    const accessToken = (url: string): string => `token${asked.push(url)}`;
    await open({ trackers: [tracker], accessToken }, () => ({ signal: () => undefined, close: () => undefined }));
    await expect.poll(() => shown.slice(0, 2)).toEqual(["Bearer token1", "Bearer token2"]);
    expect(asked.slice(0, 2)).toEqual([tracker, tracker]);
  });

  describe("neighbours are met", () => {
    let joins: number;
    let tracker: string;
    let page: Port<ToHost, ToPage>;
    beforeEach(async () => {
      joins = 0;
      tracker = await listen((_request, response) => {
        joins++;
        response.writeHead(500).end();
      });
      // The engine's time stands still.
      vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
    });
    afterEach(() => void vi.useRealTimers());

    const begin = (options: Partial<RemoteOptions> = {}): Promise<RemoteEngine> =>
      open(
        { trackers: [tracker], ...options },
        () => ({ signal: () => undefined, close: () => undefined }),
        (port) => (page = port),
      );
    /** Waits by real time: `expect.poll` would move the engine's. */
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise((resolve) => setImmediate(resolve));
    };
    const joined = () => until(() => joins > 0);
    /** Whatever was sent to the tracker before has come. */
    const settled = async (): Promise<void> => {
      const before = joins;
      await fetch(tracker);
      expect(joins).toBe(before + 1);
      joins = before;
    };

    test("with the first request", async () => {
      const engine = await begin();
      await settled();
      await read(engine, 1);
      await joined();
    });

    test("when it plays, where the page has been given what it requests", async () => {
      const engine = await begin();
      const url = new URL(engine.presentation.files[1]!.uri, engine.baseUrl).href;
      page.post({ type: "early", url });
      await until(() => told.some(({ type }) => type === "early"));
      await read(engine, 1, { url });
      await settled();
      engine.setPlayhead({ file: 1 });
      await joined();
    });

    test("where nothing is requested, after a while", async () => {
      await begin();
      vi.advanceTimersByTime(249);
      await settled();
      vi.advanceTimersByTime(1);
      await joined();
    });

    test("at once where the origin is slow", async () => {
      const presentation = await listen((_request, response) => {
        vi.advanceTimersByTime(61);
        response.end(serialisePresentation(village.presentation));
      });
      await begin({ presentation });
      await joined();
    });
  });

  const servers: Server[] = [];
  let requests: { readonly destroyed: boolean }[];
  beforeEach(() => (requests = []));
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function listen(answer: Parameters<typeof createServer>[1] & object): Promise<string> {
    const server = createServer(answer as never);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  /** A resource that begins and never ends. */
  const hanging = (): Promise<string> =>
    listen((request, response) => {
      requests.push(request.socket);
      response.write("1");
    });
});

test("a worker that has died while nothing was open is not asked again", async () => {
  vi.useFakeTimers();
  try {
    const { engine } = openRemote(
      { presentation: "https://o.example/ppsp.json", trackers: [] },
      { warn: () => undefined },
    );
    const failed = expect(engine).rejects.toThrow(/does not answer/u);
    await vi.advanceTimersByTimeAsync(3_500);
    await failed;
    expect(host.forgotten).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});
