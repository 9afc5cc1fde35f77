/** `switch`: another film in the same element, another rendition with a neighbour that has it, another network. */
import { setTimeout as wait } from "node:timers/promises";
import { figure } from "./results.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { Stage } from "./stage.ts";
import type { System } from "./systems.ts";

/** Watched before anything is switched, ms. */
const WATCHED_MS = 4000;
/** New connections would have been made by then, ms. */
const SETTLED_MS = 3000;
/** Nothing reaches the page for so long, ms; what it means shows within the time behind it. */
const AWAY_MS = 2000;
const AFTER_MS = 15_000;
/** The buffer of the viewer whose network changes: with half a minute nothing could show, s. */
const SHORT_BUFFER = { hls: { maxBufferLength: 6, maxMaxBufferLength: 6 } } as const;

type Part = (system: System, settings: Settings) => Promise<object>;

const source: Part = (system, { line, media }) =>
  Stage.with({ system, media, line }, async (stage) => {
    const page = await stage.openPage(0);
    await page.watch(WATCHED_MS);
    return { sourceMs: Math.round(await page.change({ presentation: "ladder" })) };
  });

const rendition: Part = (system, { line, media }) =>
  Stage.with({ system, media, line }, async (stage) => {
    await stage.openHolder(0, { presentation: "ladder", level: 1 });
    const page = await stage.openPage(1);
    await page.watch(WATCHED_MS, { presentation: "ladder", level: 0 });
    const before = (await page.read()).connections;
    const renditionMs = Math.round(await page.page.evaluate(() => globalThis.viewer.switchLevel(1)));
    await wait(SETTLED_MS);
    return { renditionMs, newConnections: (await page.read()).connections - before };
  });

const network: Part = (system, { line, media }) =>
  Stage.with({ system, media, line }, async (stage) => {
    await stage.openHolder(0);
    const page = await stage.openPage(1);
    await page.watch(WATCHED_MS, { settings: SHORT_BUFFER });
    const before = await page.read();
    await page.page.context().setOffline(true);
    await page.page.evaluate(() => globalThis.viewer.disconnect());
    await wait(AWAY_MS);
    await page.page.context().setOffline(false);
    const back = page.page.evaluate(() => globalThis.viewer.peerBytes());
    const rejoinMs = await Promise.race([back, wait(AFTER_MS)]);
    await wait(AFTER_MS);
    const { stalls } = await page.read();
    return { networkStalls: stalls - before.stalls, ...(rejoinMs !== undefined && { rejoinMs: Math.round(rejoinMs) }) };
  });

async function run(system: System, settings: Settings): Promise<object> {
  const alone = await source(system, settings);
  if (system.tracker === undefined) return alone;
  return { ...alone, ...(await rendition(system, settings)), ...(await network(system, settings)) };
}

export const switching: Scenario = {
  systems: ["ppsp", "p2pml", "hlsjs"],
  defaults: { pages: 2, staggerMs: 0, link: "home" },
  columns: [
    { key: "sourceMs", title: "another film, first frame", unit: "ms" },
    { key: "renditionMs", title: "another rendition, first bytes from the neighbour", unit: "ms" },
    { key: "newConnections", title: "new connections", unit: "" },
    { key: "networkStalls", title: "another network, stalls", unit: "" },
    { key: "rejoinMs", title: "bytes from the neighbour again", unit: "ms" },
  ],
  chart: ["sourceMs", "renditionMs"],
  run,
  targets: (results) => [
    figure(
      "switch-source",
      "first frame of another film against plain hls.js",
      results.ratio("ppsp", "hlsjs", "sourceMs"),
      "×",
      { atMost: 1.05 },
    ),
    figure(
      "switch-rendition",
      "first bytes of another rendition from a neighbour",
      results.spread("ppsp", "renditionMs"),
      "ms",
      { atMost: 150 },
    ),
    figure(
      "switch-connections",
      "connections that a switch of the rendition makes",
      results.spread("ppsp", "newConnections"),
      "",
      { atMost: 0 },
    ),
    figure(
      "switch-network",
      "stalls after two seconds without any network",
      results.spread("ppsp", "networkStalls"),
      "",
      { atMost: 0 },
    ),
  ],
};
