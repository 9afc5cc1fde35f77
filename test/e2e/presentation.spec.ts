/** Which ppsp.json an element plays by. */
import { readFileSync } from "node:fs";
import type {} from "../../src/video/index.ts";
import { expect, test } from "./swarm-fixture.ts";

const read = (name: string): string => readFileSync(new URL(`../../dist/sample/${name}`, import.meta.url), "utf8");

test("the ppsp.json that the playlist names counts, not the one beside it; where it names none, none", async ({
  swarm,
}) => {
  const origin = await swarm.startOrigin();
  const viewer = await swarm.openViewer("chromium", `${origin.url}pages/element.html`);
  const { page } = viewer;
  const playlist = read("master.m3u8");
  let tag = "";
  await page.route("**/elsewhere/ppsp.json", (route) =>
    route.fulfill({ json: { ...(JSON.parse(read("ppsp.json")) as object), name: "another" } }),
  );
  await page.route("**/elsewhere/master.m3u8", (route) =>
    route.fulfill({
      contentType: "application/vnd.apple.mpegurl",
      body: playlist.replace(/^#EXT-X-SESSION-DATA.*$/m, tag).replaceAll(/^(?=\d+p\/)/gm, "../sample/"),
    }),
  );
  const baseOf = (): Promise<string | undefined> =>
    page.evaluate(() => document.querySelector("ppsp-player")!.engine?.baseUrl);
  tag = '#EXT-X-SESSION-DATA:DATA-ID="org.ppsp.presentation",URI="../sample/ppsp.json"';
  await page.evaluate(() => (document.querySelector("ppsp-player")!.src = "/elsewhere/master.m3u8"));
  await viewer.until("it plays", ({ currentTime }) => currentTime > 1);
  await expect.poll(baseOf).toBe(`${origin.url}sample/ppsp.json`);
  expect((await viewer.state()).stats.verifiedChunks).toBeGreaterThan(0);

  tag = "";
  await page.evaluate(() => document.querySelector("ppsp-player")!.load());
  await expect
    .poll(() => viewer.console.filter((line) => line.startsWith("warning: ppsp-player:")))
    .toContainEqual(expect.stringContaining("names no ppsp.json"));
  expect(await baseOf()).toBeUndefined();
  await viewer.close();
});
