import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "./swarm-fixture.ts";

/** The complete page that docs/EMBED.md shows. */
function page(media: string, tracker: string): string {
  const guide = readFileSync(new URL("../../docs/EMBED.md", import.meta.url), "utf8");
  const [, html] = /embed\.spec\.ts.*?```html\n(.*?)```/s.exec(guide) ?? [];
  expect(html, "docs/EMBED.md has the page").toBeDefined();
  return html!.replaceAll("https://media.example/", media).replaceAll("https://tracker.example/", tracker);
}

for (const name of ["chromium", "firefox"] as const) {
  test(`the page of docs/EMBED.md plays on another origin, and from a neighbour (${name})`, async ({ swarm }) => {
    const media = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const root = mkdtempSync(join(tmpdir(), "ppsp-embed-"));
    writeFileSync(join(root, "index.html"), page(media.url, tracker.url));
    const site = await swarm.startOrigin({ root, paths: {} });

    const first = await swarm.openViewer(name, site.url);
    await first.until("three seconds are played", ({ currentTime }) => currentTime > 3);
    const second = await swarm.openViewer("chromium", site.url);
    const state = await second.until("a neighbour gives", ({ stats }) => stats.peerBytes > 0);
    expect(state.stats.rejectedChunks).toBe(0);
    for (const viewer of [first, second]) {
      expect((await viewer.state()).error).toBeUndefined();
      expect(viewer.errors).toEqual([]);
      expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([]);
    }
    await Promise.all([first.close(), second.close()]);
  });
}

test("with encoding=xml a viewer loads the XML codec, says everything in XML, and meets one that speaks JSON", async ({
  swarm,
}) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const { origin: trackerOrigin } = new URL(tracker.url);
  const open = async (encoding: "json" | "xml") => {
    const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
    const scripts: string[] = [];
    const said: string[] = [];
    viewer.page.on("request", (request) => {
      if (request.resourceType() === "script") scripts.push(new URL(request.url()).pathname);
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
    return { viewer, scripts, said: () => said.filter((text) => text !== "" && text !== "ping" && text !== "pong") };
  };
  const first = await open("json");
  const second = await open("xml");
  await second.viewer.until("a neighbour gives", ({ stats }) => stats.peerBytes > 0);
  expect(first.scripts).toEqual([]);
  expect(second.scripts).toEqual(["/ppsp-player-xml.js"]);
  // CONNECT, the list of peers, and offers or answers at least.
  expect(second.said().length).toBeGreaterThanOrEqual(3);
  expect(second.said().filter((text) => !text.startsWith("<?xml"))).toEqual([]);
  expect(first.said().filter((text) => !text.startsWith("{"))).toEqual([]);
  for (const { viewer } of [first, second]) {
    expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([]);
    await viewer.close();
  }
});
