import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PpspPlayer } from "../../src/video/index.ts";
import { toldNewcomer } from "./newcomer.ts";
import { expect, expectSmooth, QUIET, type Swarm, test, type Viewer, withoutWorkers } from "./swarm-fixture.ts";

const BOTH = ["chromium", "firefox"] as const;

/** In the page: begins to play, muted. */
const play = (viewer: Viewer, tracker: string, media = ""): Promise<void> =>
  viewer.page.evaluate(
    ([url, base]) => {
      const player = document.querySelector("ppsp-player") as PpspPlayer;
      player.tracker = url!;
      player.src = `${base}/sample/master.m3u8`;
    },
    [tracker, media.replace(/\/$/, "")],
  );

const meets = (viewer: Viewer) => viewer.until("it meets the other", ({ stats }) => stats.neighbours === 1);
const getsBytes = (viewer: Viewer) => viewer.until("a neighbour gives", ({ stats }) => stats.peerBytes > 0);

/** Scripts of the page's workers; Playwright sees them in Chromium. */
const workers = (viewer: Viewer): string[] => viewer.page.workers().map((worker) => new URL(worker.url()).pathname);

/** Workers of a page whose init script is `keepWorkers`. */
declare const kept: Worker[];
/** Seconds in its buffer. */
declare const ahead: () => number;

/** In the page: keeps its workers where a test can end them, as a browser does that is short of memory. */
const keepWorkers = (): void => {
  const all: Worker[] = [];
  Object.assign(globalThis, {
    kept: all,
    ahead: () => {
      const { buffered, currentTime } = document.querySelector("ppsp-player") as PpspPlayer;
      return buffered.length > 0 ? buffered.end(buffered.length - 1) - currentTime : 0;
    },
    Worker: class extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        all.push(this);
      }
    },
  });
};

/** An origin with one page whose policy is this, and the element from another origin. */
async function startSite(swarm: Swarm, media: string, policy: string): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "ppsp-worker-"));
  const html = `<!doctype html><meta charset="utf-8" /><title>A policy</title>
    <meta http-equiv="Content-Security-Policy" content="${policy}" />
    <script type="module" src="${media}ppsp-player.js"></script><ppsp-player muted autoplay></ppsp-player>`;
  writeFileSync(join(root, "index.html"), html);
  return (await swarm.startOrigin({ root, paths: {} })).url;
}

for (const name of BOTH) {
  test(`the engine runs in a worker, and meets one that runs in its page (${name})`, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const page = `${origin.url}pages/element.html`;
    // Ready to open: who is alone for ten seconds says so.
    const blank = await swarm.launch("chromium");
    const first = await swarm.openViewer(name, page);
    await play(first, tracker.url);
    await first.until("it plays", ({ currentTime }) => currentTime > 0);
    if (name === "chromium") expect(workers(first)).toEqual(["/ppsp-worker.js"]);
    const second = await swarm.openViewer("chromium", page, { before: withoutWorkers, blank });
    await play(second, tracker.url);
    await getsBytes(second);
    expect(workers(second)).toEqual([]);
    await first.until(
      "two seconds are played, and it gives to the other",
      ({ currentTime, stats }) => currentTime > 2 && stats.uploadedBytes > 0,
    );
    for (const viewer of [first, second]) {
      const { stats, error } = await viewer.state();
      expect(stats.rejectedChunks).toBe(0);
      expect(error).toBeUndefined();
      expect(viewer.errors).toEqual([]);
      expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([]);
    }
  });

  test(`a script of another origin has a worker, too, and where the page's policy forbids it none is needed (${name})`, async ({
    swarm,
  }) => {
    const media = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const policies = [`worker-src blob:`, `worker-src 'none'`, `worker-src 'self'`];
    const viewers: Viewer[] = [];
    for (const [index, policy] of policies.entries()) {
      const site = await startSite(swarm, media.url, policy);
      const viewer = await swarm.openViewer(index === 0 ? name : "chromium", site);
      viewers.push(viewer);
      await play(viewer, tracker.url, media.url);
      await viewer.until("a second is played", ({ currentTime }) => currentTime > 1);
      if (viewer.name === "chromium") expect(viewer.page.workers()).toHaveLength(index === 0 ? 1 : 0);
      if (index > 0) await getsBytes(viewer);
      expect(viewer.errors).toEqual([]);
      expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([]);
    }
  });

  test(`a worker that the browser ends is replaced, and the video plays on (${name})`, QUIET, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const page = `${origin.url}pages/element.html`;
    const viewer = await swarm.openViewer(name, page, { before: keepWorkers });
    await viewer.page.evaluate(() => {
      document.querySelector("ppsp-player")!.config = { hls: { maxBufferLength: 8, maxMaxBufferLength: 8 } };
    });
    await play(viewer, tracker.url);
    const other = await swarm.openViewer("chromium", page);
    await play(other, tracker.url);
    await meets(viewer);
    // It takes 3 s to be sure that a worker is gone.
    await viewer.page.waitForFunction(() => ahead() > 6);
    const had = await viewer.page.evaluate(() => {
      kept[0]!.terminate();
      return ahead() + document.querySelector("ppsp-player")!.currentTime;
    });
    await viewer.until("the engine is lost", ({ stats }) => stats.neighbours === 0);
    await meets(viewer);
    expect(await viewer.page.evaluate(() => kept.length)).toBe(2);
    expectSmooth(await viewer.until("it plays what came later", ({ currentTime }) => currentTime > had + 4));
    expect(viewer.errors).toEqual([]);
    expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([
      expect.stringMatching(/does not answer/),
    ]);
  });

  test(`a viewer who goes is missed at once, by the neighbour and by the tracker (${name})`, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const page = `${origin.url}pages/element.html`;
    const stays = await swarm.openViewer("chromium", page);
    await play(stays, tracker.url);
    const goes = await swarm.openViewer(name, page);
    await play(goes, tracker.url);
    await getsBytes(goes);
    await meets(stays);
    const swarmId = await goes.page.evaluate(
      () => (document.querySelector("ppsp-player") as PpspPlayer).engine!.presentation.swarm.id,
    );
    const hex = Buffer.from(Object.values(swarmId)).toString("hex");
    expect(await toldNewcomer(tracker.url, hex)).toHaveLength(2);
    // To another page: a browser that closes the tab, or its context, may end the process before what the page says last has left.
    await goes.page.goto(`${origin.url}pages/empty.html`);
    // Nobody waits for it to be missed, which takes 15 s.
    await stays.until("it has gone", ({ stats }) => stats.neighbours === 0, 5_000);
    await expect.poll(() => toldNewcomer(tracker.url, hex), { timeout: 5_000 }).toHaveLength(1);
  });
}

test("without the engine's script the video plays over HTTP, with one warning", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const blank = await swarm.launch("chromium");
  await blank.route("**/ppsp-worker.js", (route) => route.abort());
  const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`, { blank });
  await play(viewer, tracker.url);
  const { stats } = await viewer.until("two seconds are played", ({ currentTime }) => currentTime > 2);
  expect(stats.httpBytes).toBeGreaterThan(0);
  expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([
    expect.stringMatching(/The engine's script cannot be loaded/),
  ]);
  expect(viewer.errors).toEqual([]);
});
