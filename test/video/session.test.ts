import { beforeEach, expect, test, vi } from "vitest";
import type { PlayerError } from "../../src/video/player-error.ts";
import { PpspPlayer } from "../../src/video/ppsp-player.ts";
import { Session } from "../../src/video/session.ts";
import type { Opening } from "../../src/worker/open.ts";

/** Openings of the swarm that were not closed yet. */
let open: Set<Opening>;

vi.mock("../../src/video/open-swarm.ts", () => ({
  openSwarm: (): Opening => {
    const opening: Opening = {
      engine: new Promise(() => undefined),
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
  loadHls: () => Promise.reject(new Error("away")),
}));

beforeEach(() => {
  open = new Set();
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
