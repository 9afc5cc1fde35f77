import Hls, {
  type FragmentLoaderContext,
  type HlsConfig,
  type Loader,
  type LoaderCallbacks,
  type LoaderConfiguration,
  type LoaderStats,
} from "hls.js";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { EarlyAnswer } from "../../src/worker/protocol.ts";
import { fragmentLoader, type LoaderHost } from "../../src/video/hls-loader.ts";

type Engine = NonNullable<Awaited<ReturnType<Parameters<typeof fragmentLoader>[0]["engine"]>>>;
type Pieces = ReturnType<Engine["fetch"]>;

const FILES = [
  { uri: "init.mp4", length: 4 },
  { uri: "0.m4s", length: 6, duration: 4, rendition: 0 },
  { uri: "all.mp4", offset: 100, length: 6, duration: 4, rendition: 0 },
];

/** The part of an engine that the loader uses, with `fetch` as given. */
function engineWith(fetch: Engine["fetch"], neighbours = 1, on: Engine["on"] = () => () => undefined): Engine {
  return {
    on,
    presentation: { files: FILES },
    stats: { neighbours },
    expectedHttpMs: (bytes: number) => 100 + bytes / 50,
    lineMs: (bytes: number) => bytes / 50,
    hashMs: () => 0,
    fileAt: (url: string, offset?: number) => {
      const found = FILES.findIndex((file) => url === `http://o/${file.uri}` && (file.offset ?? offset) === offset);
      return found < 0 ? undefined : found;
    },
    fetch,
  } as unknown as Engine;
}

/** Stands where hls.js's own XHR loader stands, which Node does not have. */
class PlainLoader implements Loader<FragmentLoaderContext> {
  static loads: PlainLoader[] = [];
  context: FragmentLoaderContext | null = null;
  stats = { aborted: false, loaded: 0, retry: 0, total: 0, loading: { start: 0, first: 0, end: 0 } } as LoaderStats;
  callbacks: LoaderCallbacks<FragmentLoaderContext> | undefined;
  load(
    context: FragmentLoaderContext,
    _config: LoaderConfiguration,
    callbacks: LoaderCallbacks<FragmentLoaderContext>,
  ) {
    this.context = context;
    this.callbacks = callbacks;
    PlainLoader.loads.push(this);
  }
  abort() {
    this.callbacks?.onAbort?.(this.stats, this.context!, null);
  }
  destroy() {}
}

function setUp(
  engine: Engine | Promise<Engine | undefined> | undefined,
  uri: string,
  rangeStart = 0,
  rangeEnd = 0,
  answer?: Promise<EarlyAnswer>,
  askedAt?: number,
  earlier?: ReturnType<typeof fragmentLoader>,
) {
  PlainLoader.loads = [];
  const early = {
    asked: [] as string[],
    ask: (url: string) => early.asked.push(url),
    answer: (url: string) => (url.startsWith("http://o/0.m4s") ? answer : undefined),
    askedAt: () => askedAt,
    drop: () => undefined,
  };
  const events: string[] = [];
  const world = { currentTime: 0, playlistTtfb: Infinity, plainBytes: 0, failure: undefined as unknown };
  const host: LoaderHost = {
    engine: () => engine,
    early,
    playhead: {
      paused: false,
      playbackRate: 1,
      buffered: { length: 1, start: () => 0, end: () => 20 },
      get currentTime() {
        return world.currentTime;
      },
    },
    ttfbEstimate: () => 50,
    playlistTtfb: () => world.playlistTtfb,
    plainBytes: (bytes) => (world.plainBytes += bytes),
    engineFailed: (error) => (world.failure = error),
  };
  const FragmentLoader = earlier ?? fragmentLoader(host);
  const loader = new FragmentLoader({ loader: PlainLoader } as unknown as HlsConfig);
  const sn = uri === "init.mp4" ? "initSegment" : 1;
  const context = { url: `http://o/${uri}`, rangeStart, rangeEnd, frag: { sn, start: 20 } } as FragmentLoaderContext;
  const result = new Promise<{ data?: unknown; text?: string }>((resolve) => {
    const callbacks: LoaderCallbacks<FragmentLoaderContext> = {
      onSuccess: ({ data }) => (events.push("success"), resolve({ data })),
      onError: ({ text }) => (events.push("error"), resolve({ text })),
      onTimeout: () => (events.push("timeout"), resolve({})),
      onAbort: () => (events.push("abort"), resolve({})),
    };
    loader.load(context, { loadPolicy: Hls.DefaultConfig.fragLoadPolicy.default } as LoaderConfiguration, callbacks);
  });
  return { loader, events, world, result, asked: early.asked, FragmentLoader };
}

async function* pieces(...list: readonly [number[], "http" | "peer" | "cache"][]): Pieces {
  for (const [values, source] of list) yield { bytes: new Uint8Array(values), source, early: false };
}

describe("fragmentLoader", () => {
  test("assembles what the engine gives and counts what crossed the network", async () => {
    const engine = engineWith(() => pieces([[1, 2], "cache"], [[3], "peer"], [[4, 5, 6], "http"]));
    const { loader, result, events } = setUp(Promise.resolve(engine), "0.m4s");
    const { stats } = loader;
    expect((await result).data).toEqual(new Uint8Array([1, 2, 3, 4, 5, 6]).buffer);
    expect(events).toEqual(["success"]);
    expect(stats.total).toBe(6);
    expect(stats.loaded).toBe(4);
    expect(stats.loading.end).toBeGreaterThan(0);
    expect(PlainLoader.loads).toEqual([]);
  });

  test("asks for the range of a published range that a fragment is", async () => {
    const asked: unknown[] = [];
    const engine = engineWith((file, { offset, length }) => {
      asked.push({ file, offset, length });
      return pieces([[1, 2, 3], "http"]);
    });
    await setUp(Promise.resolve(engine), "all.mp4", 100, 103).result;
    expect(asked).toEqual([{ file: 2, offset: 0, length: 3 }]);
  });

  test("tells the deadline from where the playhead is when it is asked", async () => {
    const slacks: number[] = [];
    const set = setUp(
      Promise.resolve(
        engineWith(async function* (_file, { deadline }) {
          slacks.push(deadline() - performance.now());
          set.world.currentTime = 15;
          slacks.push(deadline() - performance.now());
          set.world.currentTime = 20;
          slacks.push(deadline() - performance.now());
          yield* pieces([[1, 2, 3, 4, 5, 6], "http"]);
        }),
      ),
      "0.m4s",
    );
    await set.result;
    expect(slacks.map((slack) => Math.abs(Math.round(slack / 100) * 100))).toEqual([19_700, 4700, 0]);
  });

  test.each([
    ["there is no engine", Promise.resolve(undefined), "0.m4s", 0, 0],
    ["the engine does not know the URL", Promise.resolve(engineWith(() => pieces())), "other.m4s", 0, 0],
    ["only a part of the range is published", Promise.resolve(engineWith(() => pieces())), "all.mp4", 100, 110],
  ])("leaves a load to hls.js's own loader where %s", async (_when, engine, uri, start, end) => {
    const { result, world } = setUp(engine, uri, start, end);
    await expect.poll(() => PlainLoader.loads.length).toBe(1);
    const [plain] = PlainLoader.loads;
    plain!.stats.loaded = 7;
    plain!.callbacks!.onSuccess({ url: "", data: new ArrayBuffer(7) }, plain!.stats, plain!.context!, null);
    expect((await result).data).toEqual(new ArrayBuffer(7));
    expect(world.plainBytes).toBe(7);
  });

  test("an engine that breaks or is closed leaves the load to hls.js's own loader", async () => {
    const broken = new TypeError("broken");
    const closed = Object.assign(new Error("closed"), { code: "aborted" });
    for (const [error, reported] of [
      [broken, broken],
      [closed, undefined],
    ]) {
      const engine = engineWith(async function* () {
        yield* pieces([[1, 2], "peer"]);
        throw error;
      });
      const { world, loader } = setUp(Promise.resolve(engine), "0.m4s");
      await expect.poll(() => PlainLoader.loads.length).toBe(1);
      expect(world.failure).toBe(reported);
      expect(loader.stats).toMatchObject({ loaded: 0, loading: { start: 0 } });
    }
  });

  test("a dead origin is an error for hls.js to act on", async () => {
    const engine = engineWith(async function* () {
      yield* pieces([[1, 2], "peer"]);
      throw Object.assign(new Error("no connection"), { code: "network" });
    });
    const { result, events } = setUp(Promise.resolve(engine), "0.m4s");
    expect(await result).toEqual({ text: "no connection" });
    expect(events).toEqual(["error"]);
  });

  test("an abort ends the engine's fetch, and no callback comes after it", async () => {
    let signal: AbortSignal | undefined;
    const engine = engineWith(async function* (_file, request) {
      signal = request.signal;
      yield* pieces([[1, 2], "peer"]);
      await new Promise((_resolve, reject) => signal!.addEventListener("abort", () => reject(new Error("aborted"))));
    });
    const { loader, events, result } = setUp(Promise.resolve(engine), "0.m4s");
    await expect.poll(() => signal).toBeDefined();
    loader.abort();
    loader.destroy();
    await result;
    expect(signal!.aborted).toBe(true);
    expect(loader.stats.aborted).toBe(true);
    await Promise.resolve();
    expect(events).toEqual(["abort"]);
  });

  test("of an abort of an init section hls.js hears nothing, for it would abort the next fragment and wait for it for ever", async () => {
    const { loader, events } = setUp(new Promise(() => {}), "init.mp4");
    loader.abort();
    loader.destroy();
    expect(events).toEqual([]);
    expect(loader.stats.aborted).toBe(true);
  });

  describe("what came early as a whole", () => {
    afterEach(() => void vi.useRealTimers());

    const { timeOrigin } = performance;
    const answer: EarlyAnswer = {
      url: "http://o/0.m4s",
      bytes: new Uint8Array([1, 2, 3, 4, 5, 6]).buffer,
      askedAt: timeOrigin + 10,
      firstByteAt: timeOrigin + 30,
      endedAt: timeOrigin + 40,
    };

    test("is played at once, told as the origin sent it, and asked of the engine, which shares it", async () => {
      let read = 0;
      const engine = engineWith(async function* () {
        for await (const piece of pieces([[1, 2, 3, 4, 5, 6], "http"])) {
          read += piece.bytes.length;
          yield piece;
        }
      });
      const { result, events, loader, world } = setUp(engine, "0.m4s", 0, 0, Promise.resolve(answer));
      expect((await result).data).toBe(answer.bytes);
      const { loading, loaded, total } = loader.stats;
      expect({ loaded, total }).toEqual({ loaded: 6, total: 6 });
      expect([loading.start, loading.first, loading.end].map(Math.round)).toEqual([10, 30, 40]);
      // hls.js is through with the loader now.
      loader.destroy();
      await expect.poll(() => read).toBe(6);
      expect(loader.stats).toMatchObject({ loaded: 6, aborted: false });
      expect(loader.stats.loading).toBe(loading);
      expect(events).toEqual(["success"]);
      expect([world.plainBytes, world.failure, PlainLoader.loads.length]).toEqual([0, undefined, 0]);
    });

    test("is left to the engine when the picture has had time to appear", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
      let asked = 0;
      const engine = engineWith(() => {
        asked++;
        return pieces([[1, 2, 3, 4, 5, 6], "http"]);
      });
      const { result } = setUp(engine, "0.m4s", 0, 0, Promise.resolve(answer));
      await result;
      await vi.advanceTimersByTimeAsync(150);
      expect(asked).toBe(0);
      await vi.advanceTimersByTimeAsync(100);
      expect(asked).toBe(1);
    });

    describe("comes to the engine before what is needed later,", () => {
      /** A first segment that is shown, whose bytes the engine gives when told, and a load behind it. */
      async function two() {
        vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
        const asked: number[] = [];
        let give: () => void = () => undefined;
        const engine = engineWith(async function* (file) {
          asked.push(file);
          if (asked.length === 1) await new Promise<void>((resolve) => (give = resolve));
          yield* pieces([[1, 2, 3, 4, 5, 6], "http"]);
        });
        const { result, FragmentLoader } = setUp(engine, "0.m4s", 0, 0, Promise.resolve(answer));
        await result;
        setUp(engine, "all.mp4", 100, 106, undefined, undefined, FragmentLoader);
        return { asked, give: () => give() };
      }

      test("which waits until the engine has it", async () => {
        const { asked, give } = await two();
        await vi.advanceTimersByTimeAsync(300);
        expect(asked).toEqual([1]);
        give();
        await vi.advanceTimersByTimeAsync(0);
        expect(asked).toEqual([1, 2]);
      });

      test("which does not wait for long", async () => {
        const { asked } = await two();
        await vi.advanceTimersByTimeAsync(600);
        expect(asked).toEqual([1, 2]);
      });
    });

    test("looks no faster for a worker that was busy when it began to come: playlists have told how soon that was", async () => {
      const { result, loader, world } = setUp(new Promise(() => {}), "0.m4s", 0, 0, Promise.resolve(answer));
      world.playlistTtfb = 5;
      await result;
      const { start, first, end } = loader.stats.loading;
      expect([start, first, end].map(Math.round)).toEqual([10, 15, 40]);
    });

    test("does not wait for ppsp.json, and is counted where there is none", async () => {
      let opened: (engine: undefined) => void = () => undefined;
      const opening = new Promise<undefined>((resolve) => (opened = resolve));
      const { result, events, world } = setUp(opening, "0.m4s", 0, 0, Promise.resolve(answer));
      expect((await result).data).toBe(answer.bytes);
      opened(undefined);
      await expect.poll(() => world.plainBytes).toBe(6);
      expect(events).toEqual(["success"]);
      expect(PlainLoader.loads).toEqual([]);
    });

    test("is not waited for long, and is nothing new after the engine's answer", async () => {
      let came: (answer: EarlyAnswer) => void = () => undefined;
      const late = new Promise<EarlyAnswer>((resolve) => (came = resolve));
      const engine = engineWith(() => pieces([[1, 2, 3, 4, 5, 6], "peer"]));
      const { result, events } = setUp(engine, "0.m4s", 0, 0, late);
      expect((await result).data).toEqual(answer.bytes);
      came(answer);
      await late;
      expect(events).toEqual(["success"]);
    });

    test.each([1, 0])("is not waited for where there are neighbours, of whom there are %i at first", async (first) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
      let asked = 0;
      const fetch = () => pieces([[++asked], "peer"]);
      const listeners: ((news: { neighbours: number }) => void)[] = [];
      const on = ((_name, listener) => {
        listeners.push(listener as never);
        return () => undefined;
      }) as Engine["on"];
      setUp(engineWith(fetch, first, on), "0.m4s", 0, 0, new Promise(() => {}));
      await vi.advanceTimersByTimeAsync(20);
      expect(asked).toBe(first);
      for (const tell of listeners) tell({ neighbours: 1 });
      await vi.advanceTimersByTimeAsync(0);
      expect(asked).toBe(1);
    });

    test("counts from when the origin was asked, where the engine gives it", async () => {
      const engine = engineWith(() => pieces([[1, 2, 3, 4, 5, 6], "http"]), 0);
      const before = performance.now();
      const { loader, result } = setUp(engine, "0.m4s", 0, 0, new Promise(() => {}), before - 500);
      await result;
      const { start, end } = loader.stats.loading;
      expect(start).toBeLessThanOrEqual(before - 499);
      expect(end).toBeGreaterThanOrEqual(before);
    });

    test("is nothing to hls.js after an abort", async () => {
      const { loader, events } = setUp(new Promise(() => {}), "0.m4s", 0, 0, Promise.resolve(answer));
      loader.abort();
      await Promise.resolve();
      expect(events).toEqual(["abort"]);
    });
  });

  test("asks the origin for the first segment while ppsp.json is awaited, and for nothing where the engine is there or will never be", async () => {
    expect(setUp(undefined, "0.m4s").asked).toEqual([]);
    const engine = engineWith(() => pieces());
    expect(setUp(engine, "0.m4s").asked).toEqual([]);
    expect(setUp(new Promise(() => {}), "all.mp4", 100, 103).asked).toEqual([]);
    const { loader, asked } = setUp(new Promise(() => {}), "0.m4s");
    expect(asked).toEqual(["http://o/0.m4s"]);
    loader.abort();
  });

  test("leaves to the plain loader what an engine cannot even look up", async () => {
    const failure = new TypeError("no URL");
    const fileAt = (): never => {
      throw failure;
    };
    const engine = engineWith(() => pieces());
    const { world } = setUp(Object.assign(engine, { fileAt }), "0.m4s");
    await expect.poll(() => PlainLoader.loads).toHaveLength(1);
    expect(world.failure).toBe(failure);
  });

  test("an abort while ppsp.json is awaited is an abort", async () => {
    const { loader, events } = setUp(new Promise(() => {}), "0.m4s");
    loader.abort();
    expect(events).toEqual(["abort"]);
  });
});
