import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import type { Attachment, attachServiceWorker } from "../../src/video/index.ts";
import { expectPublishedBytes, noteAppends } from "./appends.ts";
import { expect, QUIET, test, type Swarm } from "./swarm-fixture.ts";

const project = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** What the test's pages keep in their global object. */
declare const window: {
  attachment?: Attachment;
  start(): void;
};

/** The tag that docs/EMBED.md shows. */
function tag(tracker: string): string {
  const guide = readFileSync(project("docs/EMBED.md"), "utf8");
  const [, html] = /service-worker\.spec\.ts.*?```html\n(.*?)```/s.exec(guide) ?? [];
  expect(html, "docs/EMBED.md has the tag").toBeDefined();
  return html!.replaceAll("https://tracker.example/", tracker);
}

/** An origin with the sample, and `/site/` with an unmodified hls.js page, once as it is and once with our tag. */
async function startSite(swarm: Swarm, options: { readonly kbit?: number } = {}) {
  const tracker = await swarm.startTracker();
  const root = mkdtempSync(join(tmpdir(), "ppsp-site-"));
  const page = readFileSync(project("test/e2e/pages/foreign.html"), "utf8");
  writeFileSync(join(root, "plain.html"), page);
  writeFileSync(join(root, "tagged.html"), page.replace("<!-- tag -->", tag(tracker.url)));
  const origin = await swarm.startOrigin({
    ...options,
    paths: { "/site/": root, "/hls/": project("node_modules/hls.js/dist/"), "/pages/": project("test/e2e/pages/") },
  });
  const segments = (): number => origin.log.filter(({ url }) => /\.m4s/.test(url)).length;
  return { origin, tracker, segments };
}

/** Opens the swarm in a page by script, so that its engine can be looked at. */
async function attach(page: Page, tracker: string): Promise<void> {
  await page.evaluate(async (url) => {
    const path = "/ppsp-player.js";
    const player = (await import(path)) as { attachServiceWorker: typeof attachServiceWorker };
    const options = { script: "/ppsp-sw.js", presentation: "/sample/ppsp.json", tracker: url };
    const attachment = await player.attachServiceWorker(options);
    if (attachment === undefined) throw new Error("not attached");
    window.attachment = attachment;
  }, tracker);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
}

const stats = (page: Page) => page.evaluate(() => ({ ...window.attachment!.engine.stats }));
/** The engine counts and verifies beside what it gives. */
const hasVerified = (page: Page) =>
  expect.poll(async () => (await stats(page)).verifiedChunks, "chunks that are verified").toBeGreaterThan(0);

/** Plays in the unmodified page up to `seconds`. */
async function watch(page: Page, seconds: number): Promise<void> {
  await page.evaluate(() => window.start());
  await page.waitForFunction((end) => document.querySelector("video")!.currentTime >= end, seconds);
}

/** SHA-256 and status of what a script in the page gets. */
async function get(page: Page, url: string, headers: Record<string, string> = {}, method = "GET") {
  const { bytes, ...rest } = await page.evaluate(
    async ([address, init]) => {
      const response = await fetch(address, init);
      const body = new Uint8Array(await response.arrayBuffer());
      return {
        status: response.status,
        range: response.headers.get("content-range"),
        length: response.headers.get("content-length"),
        bytes: Array.from(body),
      };
    },
    [url, { headers, method }] as const,
  );
  return { ...rest, bytes: Uint8Array.from(bytes) };
}

/** Begins to read a response, and has the page go on while the test does something else. */
async function read(page: Page, url: string): Promise<{ digest(): Promise<string> }> {
  const rest = await page.evaluateHandle(async (address) => {
    const response = await fetch(address);
    const reader = response.body!.getReader();
    const parts: BlobPart[] = [];
    const next = async (): Promise<boolean> => {
      const { value } = await reader.read();
      if (value !== undefined) parts.push(value.slice());
      return value !== undefined;
    };
    await next();
    return async () => {
      while (await next());
      const hash = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
      return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
    };
  }, url);
  return { digest: () => rest.evaluate((finish) => finish()) };
}

for (const name of ["chromium", "firefox"] as const) {
  // Of the two, Chromium has the machine for itself and counts stalls; Firefox plays beside other tests.
  const quiet = name === "chromium";
  test(`an unmodified hls.js page plays what another viewer has (${name})`, quiet ? QUIET : {}, async ({ swarm }) => {
    const { origin, tracker, segments } = await startSite(swarm);
    const a = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
    await a.page.evaluate((url) => {
      const player = document.querySelector("ppsp-player")!;
      player.tracker = url;
      player.src = "/sample/master.m3u8";
    }, tracker.url);
    await a.until("four seconds are played", ({ currentTime }) => currentTime > 4);
    await expect.poll(segments).toBeGreaterThan(2);

    const b = await swarm.openViewer(name, `${origin.url}site/plain.html`, { player: false, before: noteAppends });
    await attach(b.page, tracker.url);
    await watch(b.page, 1);
    const stalls = await b.page.evaluate(async () => {
      const video = document.querySelector("video")!;
      let count = 0;
      video.addEventListener("waiting", () => (count += video.duration - video.currentTime > 0.5 ? 1 : 0));
      // The rest faster, to save time.
      video.addEventListener("timeupdate", () => (video.playbackRate = video.currentTime < 12 ? 1 : 4));
      await new Promise((resolve) => video.addEventListener("ended", resolve, { once: true }));
      return count;
    });
    if (quiet) expect(stalls).toBe(0);
    await expectPublishedBytes(b.page);
    const { peerBytes, httpBytes, rejectedChunks } = await stats(b.page);
    expect(rejectedChunks).toBe(0);
    expect(peerBytes / (peerBytes + httpBytes)).toBeGreaterThanOrEqual(0.7);
    expect(b.errors).toEqual([]);
    await Promise.all([a.close(), b.close()]);
  });

  test(`one tag is enough, and every tab plays what one tab has (${name})`, async ({ swarm }) => {
    const { origin, segments } = await startSite(swarm);
    const viewer = await swarm.openViewer(name, `${origin.url}site/tagged.html`, { player: false });
    await viewer.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
    await watch(viewer.page, 2);
    await expect
      .poll(() => get(viewer.page, "/sample/180p/03.m4s").then(({ length }) => Number(length)))
      .toBeGreaterThan(0);
    const before = segments();

    const other = await viewer.page.context().newPage();
    await other.goto(`${origin.url}site/plain.html`);
    const file = readFileSync(project("dist/sample/180p/03.m4s"));
    const answer = await get(other, "/sample/180p/03.m4s?another=signature");
    expect(sha256(answer.bytes)).toBe(sha256(file));
    expect(segments()).toBe(before);
    await viewer.close();
  });

  test(`ranges are answered, and what is not ours passes (${name})`, async ({ swarm }) => {
    const { origin, tracker } = await startSite(swarm);
    const viewer = await swarm.openViewer(name, `${origin.url}site/plain.html`, { player: false });
    await attach(viewer.page, tracker.url);
    const url = "/sample/180p/00.m4s";
    const file = readFileSync(project(`dist${url}`));
    const whole = await get(viewer.page, url);
    expect(whole).toMatchObject({ status: 200, length: String(file.length) });
    expect(sha256(whole.bytes)).toBe(sha256(file));
    await hasVerified(viewer.page);

    const end = file.length - 1;
    for (const [header, first, last] of [
      ["bytes=10-19", 10, 19],
      ["bytes=20000-", 20_000, end],
      [`bytes=9-${file.length}`, 9, end],
    ] as const) {
      const part = await get(viewer.page, url, { Range: header });
      expect(part).toMatchObject({
        status: 206,
        range: `bytes ${first}-${last}/${file.length}`,
        length: String(last + 1 - first),
      });
      expect(sha256(part.bytes)).toBe(sha256(file.subarray(first, last + 1)));
    }
    const seen = origin.log.length;
    expect((await get(viewer.page, url, {}, "HEAD")).status).toBe(200);
    expect((await get(viewer.page, url, { "If-None-Match": '"x"' })).status).toBe(200);
    expect((await get(viewer.page, "/sample/180p/index.m3u8")).status).toBe(200);
    expect(origin.log.slice(seen).map(({ method }) => method)).toEqual(["HEAD", "GET", "GET"]);
    await viewer.close();
  });

  test(`the tab with the engine closes in the middle of a response (${name})`, async ({ swarm }) => {
    const { origin, tracker } = await startSite(swarm, { kbit: 1000 });
    const viewer = await swarm.openViewer(name, `${origin.url}site/plain.html`, { player: false });
    const other = await viewer.page.context().newPage();
    await other.goto(`${origin.url}site/plain.html`);
    await attach(viewer.page, tracker.url);
    await other.waitForFunction(() => navigator.serviceWorker.controller !== null);
    const url = "/sample/720p/03.m4s";
    const reading = await read(other, url);
    await viewer.page.close();
    expect(await reading.digest()).toBe(sha256(readFileSync(project(`dist${url}`))));
    // The tab's own worker may still ask for hashes behind this.
    const asked = origin.log.filter((request) => request.url === url);
    expect(asked.at(-1)).toMatchObject({ range: expect.stringMatching(/^bytes=[1-9]\d*-/), status: 206 });
    // And the next one comes from the network as if there were no worker.
    expect((await get(other, "/sample/180p/04.m4s")).status).toBe(200);
    await viewer.close();
  });

  test(`without a Service Worker there is one warning, and the player plays (${name})`, async ({ swarm }) => {
    const { origin } = await startSite(swarm);
    const viewer = await swarm.openViewer(name, `${origin.url}site/plain.html`, { player: false });
    await viewer.page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, "serviceWorker"));
    await viewer.page.goto(`${origin.url}site/tagged.html`);
    await watch(viewer.page, 2);
    const warnings = viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"));
    expect(warnings).toEqual([expect.stringMatching(/Service Worker/)]);
    await viewer.close();
  });
}

test("a worker that the browser has ended finds the engine again (chromium)", async ({ swarm }) => {
  const { origin, tracker } = await startSite(swarm);
  const viewer = await swarm.openViewer("chromium", `${origin.url}site/plain.html`, { player: false });
  await attach(viewer.page, tracker.url);
  await get(viewer.page, "/sample/180p/02.m4s");
  await hasVerified(viewer.page);
  const before = (await stats(viewer.page)).cacheBytes;
  const devtools = await viewer.page.context().newCDPSession(viewer.page);
  await devtools.send("ServiceWorker.enable");
  await devtools.send("ServiceWorker.stopAllWorkers");
  await get(viewer.page, "/sample/180p/02.m4s");
  await expect.poll(async () => (await stats(viewer.page)).cacheBytes).toBeGreaterThan(before);
  await viewer.close();
});

test("a tab that was too busy to answer is asked again (chromium)", async ({ swarm }) => {
  const { origin, tracker } = await startSite(swarm);
  const viewer = await swarm.openViewer("chromium", `${origin.url}site/plain.html`, { player: false });
  const other = await viewer.page.context().newPage();
  await other.goto(`${origin.url}site/plain.html`);
  await attach(viewer.page, tracker.url);
  await other.waitForFunction(() => navigator.serviceWorker.controller !== null);
  const small = "/sample/180p/01.m4s";
  expect((await get(other, small)).status).toBe(200);
  let free = false;
  const begun = viewer.page.waitForEvent("console", (message) => message.text() === "busy");
  const busy = viewer.page.evaluate(() => {
    console.log("busy");
    const end = performance.now() + 3000;
    while (performance.now() < end);
  });
  const done = busy.then(() => (free = true));
  await begun;
  expect((await get(other, small)).status).toBe(200);
  expect(free, "the answer came before the tab was free").toBe(false);
  await done;
  const large = "/sample/720p/02.m4s";
  const size = readFileSync(project(`dist${large}`)).length;
  const asked = expect.poll(async () => {
    await get(other, large);
    return (await stats(viewer.page)).cacheBytes;
  });
  await asked.toBeGreaterThan(size / 2);
  await viewer.close();
});

test("a page without control after a hard reload gets it back (chromium)", async ({ swarm }) => {
  const { origin, tracker } = await startSite(swarm);
  const viewer = await swarm.openViewer("chromium", `${origin.url}site/plain.html`, { player: false });
  await attach(viewer.page, tracker.url);
  const devtools = await viewer.page.context().newCDPSession(viewer.page);
  await Promise.all([viewer.page.waitForEvent("load"), devtools.send("Page.reload", { ignoreCache: true })]);
  expect(await viewer.page.evaluate(() => navigator.serviceWorker.controller)).toBeNull();
  await attach(viewer.page, tracker.url);
  await get(viewer.page, "/sample/180p/01.m4s");
  await hasVerified(viewer.page);
  await viewer.close();
});

test("a response may take longer than Firefox lets an idle worker live", async ({ swarm }) => {
  const { origin, tracker } = await startSite(swarm, { kbit: 95 });
  const viewer = await swarm.openViewer("firefox", `${origin.url}site/plain.html`, { player: false });
  await attach(viewer.page, tracker.url);
  const url = "/sample/720p/03.m4s";
  const began = Date.now();
  const reading = await read(viewer.page, url);
  expect(await reading.digest()).toBe(sha256(readFileSync(project(`dist${url}`))));
  expect(Date.now() - began).toBeGreaterThan(35_000);
  await viewer.close();
});
