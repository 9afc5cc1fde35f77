import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { SignJWT } from "jose";
import { publisherOf, signGrant } from "../../src/tracker/auth/grant.ts";
import type { PpspPlayer } from "../../src/video/index.ts";
import { expect, expectSmooth, QUIET, test, type Viewer } from "./swarm-fixture.ts";

const sample: object = JSON.parse(readFileSync(new URL("../../dist/sample/ppsp.json", import.meta.url), "utf8"));

/** Sets attributes of the one element, `src` last. */
async function play(viewer: Viewer, attributes: Readonly<Record<string, string>>): Promise<void> {
  await viewer.page.evaluate((given) => {
    const player = document.querySelector("ppsp-player")!;
    for (const [name, value] of Object.entries(given)) player.setAttribute(name, value);
  }, attributes);
}

interface Absence {
  readonly absent: string;
  readonly warning: RegExp;
  readonly attributes: Readonly<Record<string, string>>;
  readonly arrange?: () => Promise<unknown>;
  readonly undo?: () => Promise<void>;
}

/** What the swarm can do without, and how each is taken away from a page. */
function absences(page: Page, tracker: string): readonly Absence[] {
  const undo = (): Promise<void> => page.unrouteAll();
  return [
    { absent: "no tracker", warning: /no tracker/i, attributes: {} },
    { absent: "a dead tracker", warning: /tracker/i, attributes: { tracker: "http://127.0.0.1:9/" } },
    { absent: "no neighbour", warning: /nobody else/i, attributes: { tracker } },
    {
      absent: "no ppsp.json",
      warning: /ppsp\.json/,
      attributes: { tracker },
      arrange: () => page.route("**/ppsp.json", (route) => route.fulfill({ status: 404 })),
      undo,
    },
    {
      absent: "a broken ppsp.json",
      warning: /ppsp\.json/,
      attributes: { tracker },
      arrange: () => page.route("**/ppsp.json", (route) => route.fulfill({ json: { ...sample, swarm: { id: "x" } } })),
      undo,
    },
    {
      absent: "no WebRTC",
      warning: /WebRTC/,
      attributes: { tracker },
      arrange: () => page.evaluate(() => Reflect.deleteProperty(globalThis, "RTCPeerConnection")),
    },
  ];
}

for (const name of ["chromium", "firefox"] as const) {
  test(`the element is a media element (${name})`, QUIET, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const viewer = await swarm.openViewer(name, `${origin.url}pages/element.html`);
    await viewer.page.evaluate(() => {
      const player = document.querySelector("ppsp-player")!;
      const seen: string[] = ((globalThis as unknown as { seen: string[] }).seen = []);
      for (const type of [
        "loadstart",
        "loadedmetadata",
        "canplay",
        "play",
        "playing",
        "timeupdate",
        "pause",
        "seeked",
      ]) {
        player.addEventListener(type, () => seen.includes(type) || seen.push(type));
      }
    });
    await play(viewer, { tracker: tracker.url, src: "/sample/master.m3u8" });
    const state = await viewer.until("two seconds are played", ({ currentTime }) => currentTime > 2);
    expect(state.stats.timeToFirstFrameMs).toBeGreaterThan(0);
    expect(state.stats.httpBytes).toBeGreaterThan(0);
    expect(state.stats.verifiedChunks).toBeGreaterThan(0);
    expect(state.duration).toBeCloseTo(48, 0);

    const seen = await viewer.page.evaluate(async () => {
      const player = document.querySelector("ppsp-player")!;
      player.currentTime = 20;
      await new Promise((resolve) => player.addEventListener("seeked", resolve, { once: true }));
      player.pause();
      await new Promise((resolve) => setTimeout(resolve));
      return {
        paused: player.paused,
        currentTime: player.currentTime,
        buffered: player.buffered.length,
        seekable: player.seekable.end(0),
        networkState: player.networkState,
        readyState: player.readyState,
        width: player.videoWidth,
        muted: player.muted,
        loop: [player.loop, ((player.loop = true), player.hasAttribute("loop")), player.video.loop],
        src: player.src,
        error: player.error,
        events: (globalThis as unknown as { seen: string[] }).seen,
      };
    });
    expect(seen).toMatchObject({ paused: true, muted: true, error: null, src: `${origin.url}sample/master.m3u8` });
    expect(seen.currentTime).toBeCloseTo(20, 0);
    expect(seen.seekable).toBeCloseTo(48, 0);
    expect(seen.buffered).toBeGreaterThan(0);
    expect(seen.networkState).toBeGreaterThan(0);
    expect(seen.loop).toEqual([false, true, true]);
    expect(seen.width).toBeGreaterThan(0);
    expect(seen.readyState).toBeGreaterThanOrEqual(2);
    for (const type of ["loadedmetadata", "canplay", "play", "playing", "timeupdate", "seeked"]) {
      expect(seen.events).toContain(type);
    }
    await viewer.page.evaluate(() => document.querySelector("ppsp-player")!.play());
    const end = await viewer.until("it plays on after the seek", ({ currentTime }) => currentTime > 22);
    expectSmooth(end);
    expect(viewer.errors).toEqual([]);
    await viewer.close();
  });

  test(`whatever is absent, the video plays, with one warning (${name})`, QUIET, async ({ swarm }) => {
    const origin = await swarm.startOrigin({ json: { "/sample/ppsp.json": { ...sample, trackers: [] } } });
    const tracker = (await swarm.startTracker()).url;
    const viewer = await swarm.openViewer(name, `${origin.url}pages/element.html`);
    const { page } = viewer;
    for (const { absent, warning, attributes, arrange, undo } of absences(page, tracker)) {
      await test.step(absent, async () => {
        await page.goto(`${origin.url}pages/element.html`);
        const said = viewer.console.length;
        await arrange?.();
        await play(viewer, { ...attributes, src: "/sample/master.m3u8" });
        const state = await viewer.until(`it plays with ${absent}`, ({ currentTime }) => currentTime > 1, 20_000);
        expectSmooth(state);
        expect(state.stats.peerBytes).toBe(0);
        expect(state.stats.httpBytes).toBeGreaterThan(0);
        const warnings = () => viewer.console.slice(said).filter((line) => line.startsWith("warning: ppsp-player:"));
        await expect.poll(warnings, { timeout: 20_000 }).toEqual([expect.stringMatching(warning)]);
        await undo?.();
      });
    }
    expect(viewer.errors).toEqual([]);
    await viewer.close();
  });

  test(`a ppsp.json that takes its time does not delay the start (${name})`, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const viewer = await swarm.openViewer(name, `${origin.url}pages/element.html`);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await viewer.page.route("**/ppsp.json", async (route) => {
      await held;
      await route.continue();
    });
    await play(viewer, { src: "/sample/master.m3u8" });
    const state = await viewer.until("a second is played", ({ currentTime }) => currentTime > 1, 20_000);
    expect(state.stats.timeToFirstFrameMs).toBeLessThan(6000);
    expect(state.stats.verifiedChunks).toBe(0);
    release();
    await expect
      .poll(() => viewer.page.evaluate(() => document.querySelector("ppsp-player")!.engine !== undefined))
      .toBe(true);
    await viewer.close();
  });
}

for (const name of ["chromium", "firefox"] as const) {
  test(`playlist and ppsp.json are asked for while hls.js loads, and once (${name})`, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const asked = (path: string): number => origin.log.filter(({ url }) => url === path).length;
    const viewer = await swarm.openViewer(name, `${origin.url}pages/element.html`);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await viewer.page.route("**/ppsp-player-hls.js", async (route) => {
      await held;
      await route.continue();
    });
    // An element without a source loads hls.js already.
    await viewer.page.reload({ waitUntil: "domcontentloaded" });
    const before = asked("/ppsp-player-hls.js");
    const played = viewer.page.evaluate(async () => {
      const player = document.querySelector("ppsp-player")!;
      player.autoplay = false;
      player.preload = "none";
      player.src = "/sample/master.m3u8";
      await player.play();
    });
    await expect
      .poll(() => [asked("/sample/master.m3u8"), asked("/sample/ppsp.json"), asked("/ppsp-player-hls.js")])
      .toEqual([1, 1, before]);
    release();
    await played;
    await viewer.until("it plays", ({ currentTime }) => currentTime > 1);
    expect([asked("/sample/master.m3u8"), asked("/sample/ppsp.json")]).toEqual([1, 1]);
    await viewer.close();
  });
}

test("without hls.js playback ends with an error that says so", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
  await viewer.page.route("**/ppsp-player-hls.js", (route) => route.abort());
  await viewer.page.reload();
  await play(viewer, { src: "/sample/master.m3u8" });
  const { error } = await viewer.until("it fails", (state) => state.error !== undefined);
  expect(error).toMatch(/hls\.js/);
  await viewer.close();
});

test("a source that does not exist is a fatal error, once, with a reason", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
  await viewer.page.evaluate(() => {
    const player = document.querySelector("ppsp-player")!;
    player.addEventListener(
      "error",
      () => (
        ((globalThis as unknown as { errors: number }).errors ??= 0),
        (globalThis as unknown as { errors: number }).errors++
      ),
    );
    player.src = "/sample/none.m3u8";
  });
  await viewer.until("it fails", ({ error }) => error !== undefined);
  const error = await viewer.page.evaluate(() => {
    const { error: reason } = document.querySelector("ppsp-player") as PpspPlayer;
    return {
      fatal: reason !== null && "fatal" in reason && reason.fatal,
      message: reason?.message,
      count: (globalThis as unknown as { errors: number }).errors,
    };
  });
  expect(error).toMatchObject({ fatal: true, count: 1, message: expect.stringContaining("404") });
  await viewer.close();
});

test("a video in codecs that the browser does not have is a fatal error that names them", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
  await viewer.page.route("**/master.m3u8", async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replaceAll("vp09", "dvh1");
    await route.fulfill({ response, body });
  });
  await play(viewer, { src: "/sample/master.m3u8" });
  const { error } = await viewer.until("it fails", (state) => state.error !== undefined);
  expect(error).toMatch(/CODECS.*dvh1/);
  await viewer.close();
});

test("an origin that is away for a while costs no more than that", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
  await viewer.page.evaluate(() => {
    const player = document.querySelector("ppsp-player")!;
    player.config = { hls: { maxBufferLength: 4, maxMaxBufferLength: 4 } };
  });
  await play(viewer, { src: "/sample/master.m3u8" });
  await viewer.until("it plays", ({ currentTime }) => currentTime > 1);
  await viewer.page.route("**/*.m4s", (route) => route.abort("connectionrefused"));
  await viewer.until("the buffer is spent", ({ stats }) => stats.stalls > 0);
  await viewer.page.unroute("**/*.m4s");
  const state = await viewer.until("it plays on", ({ currentTime }) => currentTime > 14);
  expect(state.error).toBeUndefined();
  expect(state.stats.stalledMs).toBeGreaterThan(0);
  await viewer.close();
});

test("a page that goes leaves the swarm, and is back in it when it returns", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const open = async (): Promise<Viewer> => {
    const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
    await play(viewer, { tracker: tracker.url, src: "/sample/master.m3u8" });
    return viewer;
  };
  const a = await open();
  const b = await open();
  await a.until("they meet", ({ stats }) => stats.neighbours === 1);
  // A page in the back/forward cache cannot be looked into: these are the events that it would get.
  await b.page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
  const { stats } = await b.state();
  await a.until("it is alone", ({ stats: { neighbours } }) => neighbours === 0, 5000);
  await b.page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  const back = await b.until("they meet again", ({ stats: { neighbours } }) => neighbours === 1);
  expect(back.stats.httpBytes + back.stats.peerBytes).toBeGreaterThanOrEqual(stats.httpBytes + stats.peerBytes);
  expect(back.error).toBeUndefined();
  await Promise.all([a.close(), b.close()]);
});

test("preload=none loads no media before it is played, and an element that moves plays on", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
  await viewer.page.evaluate(() => {
    const player = document.querySelector("ppsp-player")!;
    player.autoplay = false;
    player.preload = "none";
    player.src = "/sample/master.m3u8";
  });
  await expect
    .poll(() => viewer.page.evaluate(() => document.querySelector("ppsp-player")!.engine !== undefined))
    .toBe(true);
  expect(origin.log.filter(({ url }) => url.endsWith(".m4s"))).toEqual([]);
  await viewer.page.evaluate(() => document.querySelector("ppsp-player")!.play());
  const { currentTime } = await viewer.until("it plays", (state) => state.currentTime > 1);
  await viewer.page.evaluate(async () => {
    const player = document.querySelector("ppsp-player")!;
    document.body.append(document.createElement("div"));
    document.querySelector("div")!.append(player);
    await player.play();
  });
  await viewer.until("it plays on", (state) => state.currentTime > currentTime + 1);
  await viewer.close();
});

test("a ppsp: URL is all that two viewers need, and a ppsp.json of another swarm is not used", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const { id, chunkCount } = (sample as { swarm: { id: string; chunkCount: number } }).swarm;
  const rest = `?chunk-size=variable&chunks=${chunkCount}&src=${origin.url}sample/master.m3u8&tracker=${tracker.url}`;
  const open = async (swarmId: string): Promise<Viewer> => {
    const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
    await play(viewer, { src: `ppsp:${swarmId}${rest}` });
    return viewer;
  };
  const a = await open(id);
  await a.until("it plays", ({ currentTime }) => currentTime > 1);
  const b = await open(id);
  const state = await b.until("they meet", ({ stats, currentTime }) => stats.neighbours === 1 && currentTime > 1);
  expect(state.error).toBeUndefined();
  const c = await open("00".repeat(32));
  await c.until("it plays all the same", ({ currentTime }) => currentTime > 1);
  expect(c.console.join("\n")).toMatch(/is not what the ppsp: URL names/);
  expect((await c.state()).stats.neighbours).toBe(0);
  await Promise.all([a.close(), b.close(), c.close()]);
});

test("a tracker that lists the publisher and asks for tokens: the element shows the grant, renews its token, and meets others", async ({
  swarm,
}) => {
  const AUTH_SECRET = "a secret that issuer and tracker share";
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const publisher = publisherOf(publicKey.export({ format: "jwk" })) ?? "";
  const { id } = (sample as { swarm: { id: string } }).swarm;
  const grant = await signGrant(privateKey, publisher, id, undefined);
  const origin = await swarm.startOrigin();
  const parameters = { AUTH_SECRET };
  const tracker = await swarm.startTracker({ open: false, publishers: [publisher], trackTimer: 3, parameters });
  const now = Math.floor(Date.now() / 1000);
  const tokenUntil = (end: number): Promise<string> =>
    new SignJWT({ scope: "watch" })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("viewer")
      .setExpirationTime(end)
      .sign(new TextEncoder().encode(AUTH_SECRET));
  // The first is as good as over: clocks may differ by 30 s.
  const tokens = [await tokenUntil(now - 20), await tokenUntil(now + 3600)];
  const open = async (): Promise<Viewer> => {
    const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
    await viewer.page.route("**/ppsp.json", (route) => route.fulfill({ json: { ...sample, grant } }));
    await viewer.page.evaluate((given) => {
      const asked: string[] = [];
      Object.assign(globalThis, { asked });
      document.querySelector("ppsp-player")!.config = {
        accessToken: async (url) => {
          asked.push(url);
          return given[Math.min(asked.length, given.length) - 1] ?? "";
        },
      };
    }, tokens);
    await play(viewer, { tracker: tracker.url, src: "/sample/master.m3u8" });
    return viewer;
  };
  const viewers = [await open(), await open()];
  const asked = (viewer: Viewer): Promise<string[]> =>
    viewer.page.evaluate(() => (globalThis as unknown as { asked: string[] }).asked);
  for (const viewer of viewers) {
    await viewer.until("they meet", ({ stats }) => stats.neighbours === 1);
    await expect.poll(() => asked(viewer)).toEqual([tracker.url, tracker.url]);
  }
  for (const viewer of viewers) {
    expect((await viewer.state()).stats.neighbours).toBe(1);
    expect(viewer.console.join("\n")).not.toMatch(/does not (?:serve|answer)/);
  }
  for (const viewer of viewers) await viewer.close();
});
