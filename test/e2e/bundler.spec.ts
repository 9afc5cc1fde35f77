import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import type { SwarmEngine } from "../../src/video/engine.ts";
import { expect, test } from "./swarm-fixture.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

declare global {
  /** In the page: the engine that the app has opened. */
  var opened: Promise<SwarmEngine>;
}

/** An app that has installed the package as `npm pack` makes it, built with Vite's defaults; its folder. */
async function buildApp(files: Readonly<Record<string, string>>): Promise<string> {
  const app = mkdtempSync(join(tmpdir(), "ppsp-app-"));
  const to = ["--silent", "--ignore-scripts", "--pack-destination", app];
  const packed = join(app, execFileSync("npm", ["pack", ...to], { cwd: root, encoding: "utf8" }).trim());
  const installed = join(app, "node_modules", "ppsp-player");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", packed, "--strip-components=1", "-C", installed]);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(app, name), text);
  await build({ root: app, configFile: false, logLevel: "error" });
  for (const used of [packed, join(app, "node_modules")]) rmSync(used, { recursive: true });
  return join(app, "dist");
}

test("an app that Vite bundles has element and engine, both in a worker", async ({ swarm }) => {
  const app = await buildApp({
    "index.html": `<!doctype html><meta charset="utf-8" /><title>An app</title>
      <script type="module" src="/main.js"></script><ppsp-player muted autoplay></ppsp-player>`,
    "main.js": `import "ppsp-player";
      import { openPresentation } from "ppsp-player/engine";
      const trackers = [new URLSearchParams(location.search).get("tracker")];
      globalThis.opened = openPresentation("/sample/ppsp.json", { trackers });
      const player = document.querySelector("ppsp-player");
      player.tracker = trackers[0];
      player.src = "/sample/master.m3u8";`,
  });
  const tracker = await swarm.startTracker();
  const origin = await swarm.startOrigin({ root: app, paths: { "/sample/": join(root, "dist/sample/") } });
  const viewer = await swarm.openViewer("chromium", `${origin.url}?tracker=${tracker.url}`);
  await viewer.until(
    "it plays what it verifies",
    ({ currentTime, stats }) => currentTime > 1 && stats.verifiedChunks > 0,
  );
  const length = await viewer.page.evaluate(async () => {
    const engine = await globalThis.opened;
    const due = performance.now() + 1_000;
    let got = 0;
    for await (const { bytes } of engine.fetch(0, { length: 1000, deadline: () => due })) got += bytes.length;
    return got;
  });
  expect(length).toBe(1000);
  // Each of the two scripts has its own.
  const workers = viewer.page.workers().map((worker) => new URL(worker.url()).pathname);
  expect(workers).toEqual(Array.from({ length: 2 }, () => expect.stringMatching(/^\/assets\/ppsp-worker-[\w-]+\.js$/)));
  expect(viewer.errors).toEqual([]);
  expect(viewer.console.filter((line) => line.startsWith("warning: ppsp-player:"))).toEqual([]);
});
