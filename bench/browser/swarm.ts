/** `swarm`: viewers who come one after the other, or all at once, and watch the same film. */
import { setTimeout as wait } from "node:timers/promises";
import { type Figure, type Gap, spread } from "../report.ts";
import { figure, type Results } from "./results.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { Stage } from "./stage.ts";
import type { PageReading } from "./stage-page.ts";
import type { System } from "./systems.ts";

/** Each page is read so long after its start, ms. */
const WATCH_MS = 40_000;

/** Bytes and percent: what nobody can exceed, since each byte comes from the origin once, is not a target. */
interface Target {
  readonly name: string;
  readonly when: Partial<Pick<Settings, "pages" | "staggerMs" | "link" | "uplinkKbit">>;
  readonly offload: number;
  /** Largest first frame against plain hls.js: of the first viewer, and of those who come later. */
  readonly first?: number;
  readonly later?: number;
  readonly noStall?: boolean;
  readonly mainThread?: number;
}

const HOME = { pages: 6, staggerMs: 3000, link: "home", uplinkKbit: Infinity } as const;
const TARGETS: readonly Target[] = [
  { name: "six", when: HOME, offload: 81.5, first: 1.03, later: 0.38, mainThread: 1.25 },
  { name: "four", when: { ...HOME, pages: 4 }, offload: 73.5 },
  { name: "free", when: { ...HOME, link: "free" }, offload: 76.5, first: 1.1, later: 1.1 },
  { name: "uplink", when: { ...HOME, uplinkKbit: 3000 }, offload: 70, noStall: true },
  { name: "flash", when: { ...HOME, staggerMs: 0 }, offload: 72 },
];

/** So long all pages have been open when the first one starts, ms: on few cores it would wait for what the others still load. */
const SETTLE_MS = 1000;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const run = (system: System, { pages: count, staggerMs, line, uplinkKbit, media }: Settings): Promise<object> =>
  Stage.with({ system, media, line, uplinkKbit }, async (stage) => {
    const pages = await Promise.all(Array.from({ length: count }, (_, viewer) => stage.openPage(viewer)));
    await wait(SETTLE_MS);
    const before = await stage.processorS();
    const readings = await Promise.all(
      pages.map(async (page, index): Promise<PageReading> => {
        await wait(index * staggerMs);
        await page.start();
        await wait(WATCH_MS);
        return page.read();
      }),
    );
    const processorS = ((await stage.processorS()) - before) / count;
    const mediaBytes = sum((await Promise.all(pages.map((page) => page.read()))).map((page) => page.mediaBytes));
    const { originBytes } = stage;
    const frames = readings.map(({ firstFrameMs = WATCH_MS }) => Math.round(firstFrameMs));
    return {
      offload: 1 - originBytes / mediaBytes,
      firstFrameFirstMs: frames[0],
      firstFrameLaterMs: spread(frames.slice(count > 1 ? 1 : 0)).value,
      stalls: sum(readings.map(({ stalls }) => stalls)),
      lostMs: Math.round(sum(readings.map(({ sinceFirstFrameMs, playedMs }) => sinceFirstFrameMs - playedMs))),
      originBytes,
      mediaBytes,
      mainThreadS: spread(readings.map(({ mainThreadS }) => mainThreadS)).value,
      processorS,
      connections: sum(readings.map(({ connections }) => connections)),
      errors: readings.flatMap(({ error }) => error ?? []),
      perPage: readings.map(({ stalls, mainThreadS }, viewer) => ({
        firstFrameMs: frames[viewer],
        stalls,
        mainThreadS,
        originBytes: stage.originBytesOf(viewer),
      })),
    };
  });

function targets(results: Results, settings: Settings): (Figure | Gap)[] {
  const target = TARGETS.find(({ when }) =>
    Object.entries(when).every(([key, value]) => settings[key as keyof Settings] === value),
  );
  if (target === undefined) return [];
  const { name, offload, first, later, noStall, mainThread } = target;
  const against = (row: string, what: string, key: string, atMost: number | undefined): (Figure | Gap)[] =>
    atMost === undefined ? [] : [figure(`${name}-${row}`, what, results.ratio("ppsp", "hlsjs", key), "×", { atMost })];
  return [
    figure(
      `${name}-offload`,
      "share of media that the origin did not send",
      results.spread("ppsp", "offload"),
      "%",
      { atLeast: offload },
      100,
    ),
    ...against("first", "first frame of the first viewer against plain hls.js", "firstFrameFirstMs", first),
    ...against("later", "first frame of later viewers against plain hls.js", "firstFrameLaterMs", later),
    ...against("main-thread", "main-thread seconds per page against plain hls.js", "mainThreadS", mainThread),
    ...(noStall === true
      ? [figure(`${name}-stalls`, "stalls of all pages together", results.spread("ppsp", "stalls"), "", { atMost: 0 })]
      : []),
  ];
}

export const swarm: Scenario = {
  systems: ["ppsp", "p2pml", "p2pml-tuned", "hlsjs", "webtorrent"],
  defaults: { pages: 6, staggerMs: 3000, link: "home" },
  columns: [
    { key: "offload", title: "offload", unit: "%", times: 100 },
    { key: "firstFrameFirstMs", title: "first frame, first viewer", unit: "ms" },
    { key: "firstFrameLaterMs", title: "first frame, later viewers", unit: "ms" },
    { key: "stalls", title: "stalls", unit: "" },
    { key: "lostMs", title: "time lost", unit: "ms" },
    { key: "mainThreadS", title: "main thread a page", unit: "s" },
    { key: "processorS", title: "its processor time", unit: "s" },
  ],
  chart: ["offload", "firstFrameLaterMs", "mainThreadS"],
  run,
  targets,
};
