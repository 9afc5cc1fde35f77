import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as EngineModule from "../../src/video/engine.ts";
import type { Origin } from "../../src/node/origin.ts";
import { type BrowserName, expect, type Swarm, test, withoutWorkers } from "./swarm-fixture.ts";

/** The complete page that docs/EMBED.md shows under a heading. */
function page(heading: string, media: string, tracker: string): string {
  const guide = readFileSync(new URL("../../docs/EMBED.md", import.meta.url), "utf8");
  const [, section = ""] = guide.split(`\n## ${heading}\n`);
  const [, html] = /embed\.spec\.ts.*?```html\n(.*?)```/s.exec(section) ?? [];
  expect(html, `docs/EMBED.md has the page of "${heading}"`).toBeDefined();
  return html!.replaceAll("https://media.example/", media).replaceAll("https://tracker.example/", tracker);
}

/** An origin that serves nothing but this page. */
async function startSite(swarm: Swarm, html: string): Promise<Origin> {
  const root = mkdtempSync(join(tmpdir(), "ppsp-embed-"));
  writeFileSync(join(root, "index.html"), html);
  return swarm.startOrigin({ root, paths: {} });
}

for (const name of ["chromium", "firefox"] as const) {
  test(`the page of docs/EMBED.md plays on another origin, and from a neighbour (${name})`, async ({ swarm }) => {
    const media = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const site = await startSite(swarm, page("The element", media.url, tracker.url));

    // Ready to open: who is alone for ten seconds says so.
    const blank = await swarm.launch("chromium");
    const first = await swarm.openViewer(name, site.url);
    await first.until("it plays", ({ currentTime }) => currentTime > 0);
    const second = await swarm.openViewer("chromium", site.url, { blank });
    const state = await second.until("a neighbour gives", ({ stats }) => stats.peerBytes > 0);
    expect(state.stats.rejectedChunks).toBe(0);
    await first.until("three seconds are played", ({ currentTime }) => currentTime > 3);
    for (const viewer of [first, second]) {
      expect((await viewer.state()).error).toBeUndefined();
      expect(viewer.errors).toEqual([]);
      expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([]);
    }
    // What the script loads later comes from beside it, once, whatever page it is in.
    expect(media.log.filter(({ url }) => url === "/ppsp-player-hls.js").map(({ status }) => status)).toEqual([
      200, 200,
    ]);
    await Promise.all([first.close(), second.close()]);
  });

  test(`the engine of docs/EMBED.md gives bytes of the server, then of a neighbour (${name})`, async ({ swarm }) => {
    const media = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const site = await startSite(swarm, page("Your own player: the engine", media.url, tracker.url));
    const open = (kind: BrowserName) => swarm.openViewer(kind, site.url, { player: false });
    const first = await open(name);
    await expect.poll(() => first.console).toContainEqual("log: 100000 bytes from the server, 0 from neighbours");
    const second = await open("chromium");
    await expect.poll(() => second.console).toContainEqual("log: 0 bytes from the server, 100000 from neighbours");
    expect(second.console).toContain("log: 1 neighbours");
    // A page that goes says so: nobody waits for it to be missed, which takes 15 s.
    await second.close();
    await expect.poll(() => first.console.at(-1), { timeout: 5000 }).toBe("log: 0 neighbours");
    expect([...first.errors, ...second.errors]).toEqual([]);
    await first.close();
  });
}

test("with encoding=xml a viewer loads the XML codec, says everything in XML, and meets one that speaks JSON", async ({
  swarm,
}) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const { origin: trackerOrigin } = new URL(tracker.url);
  const open = async (encoding: "json" | "xml") => {
    const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`, { before: withoutWorkers });
    const said: string[] = [];
    viewer.page.on("request", (request) => {
      if (request.url().startsWith(trackerOrigin)) said.push(request.postData() ?? "");
    });
    viewer.page.on("websocket", (socket) => {
      if (!socket.url().includes("/signal?")) return;
      socket.on("framesent", ({ payload }) => said.push(String(payload)));
      socket.on("framereceived", ({ payload }) => said.push(String(payload)));
    });
    await viewer.page.evaluate(
      ([url, name]) => {
        const player = document.querySelector("ppsp-player")!;
        player.muted = true;
        player.autoplay = true;
        player.tracker = url;
        player.encoding = name;
        player.src = "/sample/master.m3u8";
      },
      [tracker.url, encoding] as const,
    );
    await viewer.until("a second is played", ({ currentTime }) => currentTime > 1);
    const scripts = () =>
      viewer.page.evaluate(() =>
        performance
          .getEntriesByType("resource")
          .map(({ name }) => new URL(name).pathname)
          .filter((path) => path.endsWith(".js"))
          .toSorted(),
      );
    return { viewer, scripts, said: () => said.filter((text) => text !== "" && text !== "ping" && text !== "pong") };
  };
  const first = await open("json");
  const second = await open("xml");
  await second.viewer.until("a neighbour gives", ({ stats }) => stats.peerBytes > 0);
  const always = ["/ppsp-player-hls.js", "/ppsp-player.js", "/ppsp-worker.js"];
  expect(await first.scripts()).toEqual(always);
  expect(await second.scripts()).toEqual(["/ppsp-worker-xml.js", ...always].toSorted());
  // CONNECT, the list of peers, and offers or answers at least.
  expect(second.said().length).toBeGreaterThanOrEqual(3);
  expect(second.said().filter((text) => !text.startsWith("<?xml"))).toEqual([]);
  expect(first.said().filter((text) => !text.startsWith("{"))).toEqual([]);
  for (const { viewer } of [first, second]) {
    expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([]);
    await viewer.close();
  }
});

test("the engine opens a ppsp: URL, and says what is wrong with one", async ({ swarm }) => {
  const media = await swarm.startOrigin();
  const { page: tab } = await swarm.openViewer("chromium", `${media.url}pages/empty.html`, { player: false });
  const open = (url: string) =>
    tab.evaluate(async (given) => {
      const script = "/ppsp-engine.js";
      const { openPresentation } = (await import(script)) as typeof EngineModule;
      try {
        const engine = await openPresentation(given, { warn: () => undefined });
        const { length } = engine.presentation.files;
        engine.close();
        return length;
      } catch (error) {
        return String(error);
      }
    }, url);
  const { swarm: of, files } = JSON.parse(
    readFileSync(new URL("../../dist/sample/ppsp.json", import.meta.url), "utf8"),
  );
  const rest = `?chunk-size=variable&chunks=${of.chunkCount}`;
  // The playlist names its ppsp.json.
  expect(await open(`ppsp:${of.id}${rest}&src=${media.url}sample/master.m3u8`)).toBe(files.length);
  expect(await open(`ppsp:${of.id}${rest}&presentation=${media.url}sample/ppsp.json`)).toBe(files.length);
  expect(await open("/sample/ppsp.json")).toBe(files.length);
  expect(await open(`ppsp:${of.id}${rest}&src=${media.url}sample/360p/index.m3u8`)).toMatch(/names no ppsp\.json/);
  expect(await open(`ppsp:${"00".repeat(32)}${rest}&presentation=${media.url}sample/ppsp.json`)).toMatch(
    /^PlaybackError: .* is not what the ppsp: URL names/,
  );
  expect(await open(`ppsp:${of.id}${rest}`)).toMatch(/^ContentError: .*neither src nor presentation/);
  expect(await open("/sample/none.json")).toMatch(/^PlaybackError: .*404/);
});
