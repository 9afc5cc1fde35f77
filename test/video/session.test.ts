import { beforeEach, expect, test, vi } from "vitest";
import type { PlayerError } from "../../src/video/player-error.ts";
import { PpspPlayer } from "../../src/video/ppsp-player.ts";
import { Session } from "../../src/video/session.ts";
import { Emitter } from "../../src/engine/events.ts";
import type { EngineEvents } from "../../src/engine/options.ts";
import { NO_STATS } from "../../src/engine/stats.ts";
import type { Opening } from "../../src/worker/open.ts";
import type { RemoteEngine } from "../../src/worker/remote-engine.ts";

/** As much of a DOM as the element needs to be made. */
vi.hoisted(() => {
  class Element extends EventTarget {
    readonly part = { add: () => undefined };
    readonly baseURI = "https://o.example/";
    isConnected = true;
    readonly #attributes = new Map<string, string>();
    attachShadow = () => ({ append: () => undefined });
    hasAttribute = (name: string) => this.#attributes.has(name);
    getAttribute = (name: string) => this.#attributes.get(name) ?? null;
    setAttribute = (name: string, value: string) => void this.#attributes.set(name, value);
  }
  Object.assign(globalThis, { HTMLElement: Element, document: { createElement: () => new Element() } });
});

/** What is opened next; nothing comes of the openings after that. */
let engines: Promise<RemoteEngine>[];
let hls: () => Promise<never>;
/** Openings of the swarm that were not closed yet. */
let open: Set<Opening>;

vi.mock("../../src/video/open-swarm.ts", () => ({
  openSwarm: (): Opening => {
    const opening: Opening = {
      engine: engines.shift() ?? new Promise(() => undefined),
      post: () => undefined,
      close: () => open.delete(opening),
    };
    open.add(opening);
    return opening;
  },
}));
vi.mock("../../src/worker/start.ts", () => ({ startHost: () => Promise.reject(new Error("none")) }));
vi.mock("../../src/video/early-playlist.ts", () => ({ EarlyPlaylist: { ask: () => undefined }, OWN_WAYS: [] }));
vi.mock("../../src/video/load-hls.ts", () => ({
  hasMediaSource: () => true,
  loadHls: () => hls(),
}));

beforeEach(() => {
  open = new Set();
  engines = [];
  hls = () => Promise.reject(new Error("away"));
});

const start = (failed: (error: PlayerError) => void, src = "https://o.example/master.m3u8"): Session =>
  new Session(
    {} as HTMLVideoElement,
    { src, presentation: undefined, trackers: [], config: {} },
    { warn: () => undefined, engine: () => undefined, failed, plainBytes: () => undefined },
  );

test("a session leaves the swarm while its page is hidden", () => {
  const session = start(() => undefined);
  expect(open.size).toBe(1);
  session.hide();
  expect(open.size).toBe(0);
  session.show();
  expect(open.size).toBe(1);
  session.close();
  expect(open.size).toBe(0);
});

test("a session that has failed does not join the swarm again when its page comes back", async () => {
  let failed = false;
  const session = start(() => (failed = true));
  await vi.waitFor(() => expect(failed).toBe(true));
  expect(open.size).toBe(0);
  session.hide();
  session.show();
  expect(open.size).toBe(0);
});

test.each(["https://[", `ppsp:${"ab".repeat(32)}?src=${encodeURIComponent("http://[/x.m3u8")}`])(
  "a source that is no URL, as %s, is an error of the player",
  async (src) => {
    const element = { getAttribute: () => src, baseURI: "https://o.example/" };
    expect(Reflect.get(PpspPlayer.prototype, "src", element)).toBe(src);
    const failed = vi.fn<(error: PlayerError) => void>();
    start(failed, src);
    await vi.waitFor(() => expect(failed).toHaveBeenCalledOnce());
    expect(failed.mock.calls[0]![0].code).toBe("unsupported");
  },
);

test("the element's counts stay when its engine is lost", async () => {
  hls = () => new Promise(() => undefined);
  const emitter = new Emitter<EngineEvents>();
  const stats = { ...NO_STATS, neighbours: 2, peerBytes: 100 };
  const on = emitter.on.bind(emitter);
  engines = [Promise.resolve({ stats, lost: true, on } as unknown as RemoteEngine)];
  const player = new PpspPlayer();
  player.setAttribute("src", "master.m3u8");
  player.load();
  await vi.waitFor(() => expect(player.stats).toMatchObject({ neighbours: 2, peerBytes: 100 }));
  const told: unknown[] = [];
  for (const type of ["peerchange", "statschange"]) player.addEventListener(type, () => told.push(player.stats));
  stats.neighbours = 0;
  emitter.emit("close", undefined);
  const after = expect.objectContaining({ neighbours: 0, peerBytes: 100 }) as unknown;
  expect(told).toEqual([after, after]);
  Object.assign(player, { isConnected: false });
  player.load();
});
