import type { PpspPlayer } from "../../src/video/index.ts";
import { expectPublishedBytes, noteAppends } from "./appends.ts";
import { bundle } from "./bundle.ts";
import {
  expect,
  expectSmooth,
  QUIET,
  test,
  type BrowserName,
  type Swarm,
  type Viewer,
  type ViewerState,
} from "./swarm-fixture.ts";

declare global {
  /** In the page: pages/liar.ts, and how many bytes it has sent. */
  var liar: { lie(presentation: string, tracker: string): Promise<() => number> };
  var sent: () => number;
  /** Ends all connections to peers, as a network that is gone. */
  var disconnect: () => void;
}

/** Gives a page `disconnect`; before its own scripts. */
function holdConnections(): void {
  const open: RTCPeerConnection[] = [];
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      open.push(this);
    }
  };
  globalThis.disconnect = () => {
    for (const connection of open.splice(0)) connection.close();
  };
}

const mediaBytes = ({ stats }: ViewerState): number => stats.httpBytes + stats.peerBytes;

/** Plays faster, to save time where the time is not the point. */
const hurry = (viewer: Viewer, rate = 4): Promise<void> =>
  viewer.page.evaluate(
    (times) => void ((document.querySelector("ppsp-player") as PpspPlayer).playbackRate = times),
    rate,
  );

const toTheEnd = (viewer: Viewer): Promise<ViewerState> =>
  viewer.until("plays to the end", ({ ended }) => ended, 80_000);

/** A site, a tracker, and a viewer who has played 4 s: the `url` is for others to join. */
async function begin(swarm: Swarm, name: BrowserName = "chromium") {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const url = `${origin.url}?tracker=${tracker.url}`;
  const a = await swarm.openViewer(name, url);
  await a.until("4 s are played", ({ currentTime }) => currentTime >= 4);
  return { tracker, url, a };
}

test("a second viewer plays to the end from the first, each chunk verified", QUIET, async ({ swarm }) => {
  const blank = await swarm.launch("chromium");
  const { url, a } = await begin(swarm);
  const b = await swarm.openViewer("chromium", url, { before: noteAppends, blank });
  await b.until("12 s are played as they come", ({ currentTime }) => currentTime >= 12);
  await hurry(b);
  const end = await toTheEnd(b);
  expect(end.stats.peerBytes / mediaBytes(end)).toBeGreaterThanOrEqual(0.7);
  expectSmooth(end);
  expect(end.stats.rejectedChunks).toBe(0);
  expect(end.currentTime).toBeCloseTo(end.duration, 0);
  await expectPublishedBytes(b.page);
  expectSmooth(await a.state());
});

for (const [first, second] of [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
] as const satisfies readonly (readonly [BrowserName, BrowserName])[]) {
  test(`${second} plays from ${first}`, QUIET, async ({ swarm }) => {
    const { url } = await begin(swarm, first);
    const b = await swarm.openViewer(second, url);
    await hurry(b);
    const end = await b.until("half of the film is played", ({ currentTime }) => currentTime >= 30);
    expect(end.stats.peerBytes / mediaBytes(end)).toBeGreaterThanOrEqual(0.7);
    expectSmooth(end);
    expect(end.stats.rejectedChunks).toBe(0);
  });
}

test(
  "the tracker dies and both go on; the first viewer closes in mid-play and the second goes on",
  QUIET,
  async ({ swarm }) => {
    const { tracker, url, a } = await begin(swarm);
    const b = await swarm.openViewer("chromium", url);
    await b.until("bytes come from the first", ({ stats }) => stats.peerBytes > 0);
    await tracker.close();
    const both = await Promise.all([a, b].map(async (viewer) => ({ viewer, at: (await viewer.state()).currentTime })));
    for (const { viewer, at } of both) {
      const later = await viewer.until("plays on without the tracker", ({ currentTime }) => currentTime > at + 4);
      expect(later.error).toBeUndefined();
      expect(later.stats.neighbours).toBe(1);
    }
    await a.close();
    const at = (await b.state()).currentTime;
    expectSmooth(await b.until("plays on alone", ({ currentTime }) => currentTime > at + 4));
    // Two cores do not always decode four times as fast: from here on only what was not there in time counts.
    await hurry(b);
    const end = await toTheEnd(b);
    expect(end.dry).toBe(0);
    expect(end.stats).toMatchObject({ rejectedChunks: 0, neighbours: 0 });
  },
);

test(
  "tracker and origin die, and the second viewer finishes from the first in the rendition that it holds",
  QUIET,
  async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const url = `${origin.url}?tracker=${tracker.url}`;
    const lock = (viewer: Viewer): Promise<void> =>
      viewer.page.evaluate(() => {
        const player = document.querySelector("ppsp-player") as PpspPlayer;
        if (player.hls) player.hls.loadLevel = 0;
      });
    const a = await swarm.openViewer("chromium", url);
    await lock(a);
    await hurry(a, 6);
    await a.until("the first has one whole rendition", (state) => state.ended, 80_000);
    const b = await swarm.openViewer("chromium", url);
    await lock(b);
    await b.until("both are connected", ({ stats }) => stats.neighbours === 1 && stats.peerBytes > 0);
    await tracker.close();
    await origin.close();
    await hurry(b);
    const end = await toTheEnd(b);
    expectSmooth(end);
    expect(end.stats).toMatchObject({ rejectedChunks: 0, neighbours: 1 });
    expect(end.height).toBe(180);
    expect((await a.state()).error).toBeUndefined();
  },
);

test(
  "the network goes while both play and comes back: nobody stalls, and they meet again",
  QUIET,
  async ({ swarm }) => {
    const blank = await swarm.launch("chromium");
    const { url, a } = await begin(swarm);
    const b = await swarm.openViewer("chromium", url, { before: holdConnections, blank });
    await b.until("bytes come from the first", ({ stats }) => stats.peerBytes > 0);
    const context = b.page.context();
    await context.setOffline(true);
    await b.page.evaluate(() => globalThis.disconnect());
    await b.until("the link is gone", ({ stats }) => stats.neighbours === 0, 20_000);
    await context.setOffline(false);
    const again = await b.until("they have met again", (state) => state.stats.neighbours === 1, 20_000);
    expectSmooth(again);
    expect(again.stats.rejectedChunks).toBe(0);
    expectSmooth(await a.state());
  },
);

test(
  "a neighbour that sends wrong bytes is refused and dropped, and the viewer sees nothing of it",
  QUIET,
  async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const liar = await swarm.openViewer("chromium", `${origin.url}pages/empty.html`, { player: false });
    await liar.page.addScriptTag({ content: await bundle("liar.ts", "liar") });
    await liar.page.evaluate(
      async ([presentation, url]) => void (globalThis.sent = await globalThis.liar.lie(presentation!, url!)),
      [`${origin.url}sample/ppsp.json`, tracker.url],
    );
    const b = await swarm.openViewer("chromium", `${origin.url}?tracker=${tracker.url}`);
    await b.until("a chunk is refused", ({ stats }) => stats.rejectedChunks > 0);
    await hurry(b);
    const end = await toTheEnd(b);
    expect(await liar.page.evaluate(() => globalThis.sent())).toBeGreaterThan(0);
    expectSmooth(end);
    expect(end.stats).toMatchObject({ peerBytes: 0, neighbours: 0 });
    expect(b.errors).toEqual([]);
  },
);
