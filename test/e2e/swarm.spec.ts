import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { PpspPlayer } from "../../src/video/index.ts";
import { bundle } from "./bundle.ts";
import { expect, test, type BrowserName, type Viewer, type ViewerState } from "./swarm-fixture.ts";

declare global {
  /** In the page: hashes of what was appended. */
  var appended: Promise<string>[];
  /** In the page: pages/liar.ts, and how many bytes it has sent. */
  var liar: { lie(presentation: string, tracker: string): Promise<() => number> };
  var sent: () => number;
}

const SAMPLE = fileURLToPath(new URL("../../public/sample/", import.meta.url));
const mediaBytes = ({ stats }: ViewerState): number => stats.httpBytes + stats.peerBytes;

/** Notes the hash of everything that is appended to a SourceBuffer. */
function noteAppends(): void {
  globalThis.appended = [];
  const hex = (digest: ArrayBuffer): string =>
    Array.from(new Uint8Array(digest), (octet) => octet.toString(16).padStart(2, "0")).join("");
  // oxlint-disable-next-line typescript/unbound-method -- the proxy passes `this` on
  SourceBuffer.prototype.appendBuffer = new Proxy(SourceBuffer.prototype.appendBuffer, {
    apply(append, buffer: SourceBuffer, [data]: [Uint8Array<ArrayBuffer>]) {
      globalThis.appended.push(crypto.subtle.digest("SHA-256", data.slice()).then(hex));
      Reflect.apply(append, buffer, [data]);
    },
  });
}

/** Hashes of the sample's media files, by what is in them. */
function publishedHashes(): Map<string, string> {
  const files = readdirSync(SAMPLE, { recursive: true, encoding: "utf8" }).filter((name) => /\.(m4s|mp4)$/.test(name));
  return new Map(
    files.map((name) => [
      createHash("sha256")
        .update(readFileSync(SAMPLE + name))
        .digest("hex"),
      name,
    ]),
  );
}

/** Plays faster, to save time where the time is not the point. */
const hurry = (viewer: Viewer): Promise<void> =>
  viewer.page.evaluate(() => void ((document.querySelector("ppsp-player") as PpspPlayer).playbackRate = 2));

const toTheEnd = (viewer: Viewer): Promise<ViewerState> =>
  viewer.until("plays to the end", ({ ended }) => ended, 80_000);

test("a second viewer plays to the end from the first, each chunk verified", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const url = `${origin.url}?tracker=${tracker.url}`;
  const a = await swarm.openViewer("chromium", url);
  await a.until("8 s are played", ({ currentTime }) => currentTime >= 8);
  const b = await swarm.openViewer("chromium", url, { before: noteAppends });
  const end = await toTheEnd(b);
  expect(end.stats.peerBytes / mediaBytes(end)).toBeGreaterThanOrEqual(0.7);
  expect(end.stats).toMatchObject({ rejectedChunks: 0, stalls: 0 });
  expect(end.currentTime).toBeCloseTo(end.duration, 0);
  const published = publishedHashes();
  const appended = await b.page.evaluate(() => Promise.all(globalThis.appended));
  const names = appended.map((hash) => published.get(hash));
  // All twelve segments, bit by bit as published; what is not a published file is an init that hls.js made anew.
  expect(new Set(names.flatMap((name) => /(\d+)\.m4s$/.exec(name ?? "")?.[1] ?? [])).size).toBe(12);
  expect(names.filter((name) => name === undefined).length).toBeLessThanOrEqual(3);
  expect((await a.state()).stats.stalls).toBe(0);
});

for (const [first, second] of [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
] as const satisfies readonly (readonly [BrowserName, BrowserName])[]) {
  test(`${second} plays from ${first}`, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const url = `${origin.url}?tracker=${tracker.url}`;
    const a = await swarm.openViewer(first, url);
    await a.until("8 s are played", ({ currentTime }) => currentTime >= 8);
    const b = await swarm.openViewer(second, url);
    const end = await toTheEnd(b);
    expect(end.stats.peerBytes / mediaBytes(end)).toBeGreaterThanOrEqual(0.7);
    expect(end.stats).toMatchObject({ rejectedChunks: 0, stalls: 0 });
  });
}

test("the first viewer closes in mid-play and the second goes on", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const url = `${origin.url}?tracker=${tracker.url}`;
  const a = await swarm.openViewer("chromium", url);
  await a.until("8 s are played", ({ currentTime }) => currentTime >= 8);
  const b = await swarm.openViewer("chromium", url);
  await b.until("bytes come from the first", ({ stats }) => stats.peerBytes > 0);
  await a.close();
  await hurry(b);
  const end = await toTheEnd(b);
  expect(end.stats).toMatchObject({ stalls: 0, rejectedChunks: 0, neighbours: 0 });
});

test("the tracker dies, then the origin, and the second viewer finishes from the first", async ({ swarm }) => {
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
  await hurry(a);
  await a.until("the first has one whole rendition", (state) => state.ended, 80_000);
  const b = await swarm.openViewer("chromium", url);
  await lock(b);
  await b.until("both are connected", ({ stats }) => stats.neighbours === 1 && stats.peerBytes > 0);
  await tracker.close();
  await origin.close();
  await hurry(b);
  const end = await toTheEnd(b);
  expect(end.stats).toMatchObject({ stalls: 0, rejectedChunks: 0, neighbours: 1 });
  expect((await a.state()).error).toBeUndefined();
});

test("a neighbour that sends wrong bytes is refused and dropped, and the viewer sees nothing of it", async ({
  swarm,
}) => {
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
  expect(end.stats).toMatchObject({ peerBytes: 0, neighbours: 0, stalls: 0 });
  expect(b.errors).toEqual([]);
});
