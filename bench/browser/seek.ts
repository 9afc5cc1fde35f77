/** `seek`: to a place that is not buffered, with nobody else there and with a neighbour that has it. */
import { figure } from "./results.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { Stage } from "./stage.ts";
import type { StagePage } from "./stage-page.ts";
import type { System } from "./systems.ts";

/** The viewer has watched for so long, ms, and has about 20 s of the film; then he wants this place, s. */
const WATCHED_MS = 5000;
const TO_S = 50;

async function seeks(page: StagePage): Promise<number> {
  await page.watch(WATCHED_MS);
  return Math.round(await page.seek(TO_S));
}

async function run(system: System, { line, media }: Settings): Promise<object> {
  const options = { system, media, line };
  const seekAloneMs = await Stage.with(options, async (stage) => seeks(await stage.openPage(0)));
  // Plain hls.js has no neighbours to ask.
  if (system.tracker === undefined) return { seekAloneMs };
  const seekPeerMs = await Stage.with(options, async (stage) => {
    await stage.openHolder(0);
    return seeks(await stage.openPage(1));
  });
  return { seekAloneMs, seekPeerMs };
}

export const seek: Scenario = {
  systems: ["ppsp", "p2pml", "p2pml-tuned", "hlsjs"],
  defaults: { pages: 2, staggerMs: 0, link: "home" },
  columns: [
    { key: "seekAloneMs", title: "first frame, no neighbour", unit: "ms" },
    { key: "seekPeerMs", title: "first frame, a neighbour has it", unit: "ms" },
  ],
  chart: ["seekAloneMs", "seekPeerMs"],
  run,
  targets(results) {
    const alone = results.spread("hlsjs", "seekAloneMs");
    const peer = results.spread("ppsp", "seekPeerMs");
    const ratio = alone &&
      peer && { value: peer.value / alone.value, least: peer.least / alone.value, most: peer.most / alone.value };
    return [
      figure(
        "seek-alone",
        "first frame after a seek, no neighbour, against plain hls.js",
        results.ratio("ppsp", "hlsjs", "seekAloneMs"),
        "×",
        { atMost: 1.1 },
      ),
      figure("seek-peer", "the same with a neighbour that has it, against plain hls.js", ratio, "×", { atMost: 0.6 }),
    ];
  },
};
