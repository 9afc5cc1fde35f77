/** `slow-peer`: of three neighbours who have everything, one sends at 200 kbit/s and one sends nothing at all. Ours only. */
import { setTimeout as wait } from "node:timers/promises";
import { spread } from "../report.ts";
import { figure } from "./results.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { Stage } from "./stage.ts";
import type { System } from "./systems.ts";

const WATCH_MS = 40_000;
const SLOW_KBIT = 200;

const run = (system: System, { line, media }: Settings): Promise<object> =>
  // What falls silent, and what is read along, are data channels of the page.
  Stage.with({ system, media, line, workers: false }, async (stage) => {
    await stage.openHolder(0);
    const slow = await stage.openHolder(1);
    const silent = await stage.openHolder(2);
    // Only now, or the one who came later would have waited for the slow one.
    await slow.limitUplink(SLOW_KBIT);
    await silent.page.evaluate(() => globalThis.viewer.fallSilent());
    const page = await stage.openPage(3);
    await page.page.evaluate(() => globalThis.viewer.tap());
    await page.start();
    await wait(WATCH_MS);
    const { firstFrameMs, stalls, sinceFirstFrameMs, playedMs, mediaBytes } = await page.read();
    const waits = await page.page.evaluate(() => [...globalThis.viewer.waits]);
    return {
      firstFrameMs: firstFrameMs && Math.round(firstFrameMs),
      stalls,
      lostMs: Math.round(sinceFirstFrameMs - playedMs),
      offload: 1 - stage.originBytesOf(3) / mediaBytes,
      rerequests: waits.length,
      ...(waits.length > 0 && {
        rerequestMs: Math.round(spread(waits).value),
        longestMs: Math.round(Math.max(...waits)),
      }),
    };
  });

export const slowPeer: Scenario = {
  systems: ["ppsp"],
  defaults: { pages: 4, staggerMs: 0, link: "home" },
  columns: [
    { key: "stalls", title: "stalls", unit: "" },
    { key: "lostMs", title: "time lost", unit: "ms" },
    { key: "offload", title: "not from the origin", unit: "%", times: 100 },
    { key: "rerequests", title: "chunks asked of another neighbour", unit: "" },
    { key: "rerequestMs", title: "after (median)", unit: "ms" },
    { key: "longestMs", title: "after (longest)", unit: "ms" },
  ],
  chart: ["rerequestMs", "longestMs"],
  run,
  targets: (results) => [
    figure("slow-stalls", "stalls beside a slow and a silent neighbour", results.spread("ppsp", "stalls"), "", {
      atMost: 0,
    }),
    figure(
      "slow-rerequest",
      "until a late chunk is asked of another neighbour, median of a run",
      results.spread("ppsp", "rerequestMs"),
      "ms",
      { atMost: 500 },
    ),
  ],
};
