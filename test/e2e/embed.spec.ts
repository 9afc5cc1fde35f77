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
