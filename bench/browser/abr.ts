/** `abr`: the origin falls from 8 to 1 Mbit/s and rises again while a film in three renditions plays. */
import { setTimeout as wait } from "node:timers/promises";
import type { Buffered } from "../pages/protocol.ts";
import type { Figure, Gap } from "../report.ts";
import { SEGMENTS } from "./media.ts";
import { figure, type Results } from "./results.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { Stage } from "./stage.ts";
import type { StagePage } from "./stage-page.ts";
import type { System, SystemName } from "./systems.ts";

/** The line falls and rises so long after a viewer's start; he is read at the end, ms. */
const FALL_MS = 8000;
const RISE_MS = 32_000;
const END_MS = 58_000;
const FALLEN_KBIT = 1000;
/** With half a minute of buffer everything would be there before the line rises, s. */
const SHORT_BUFFER = { hls: { maxBufferLength: 10, maxMaxBufferLength: 10 } } as const;

/** What a viewer chose. */
interface Choices {
  /** Rendition of each segment as it was played, -1 for one that never came. */
  readonly levels: readonly number[];
  /** The most that hls.js ever believed of the network, kbit/s. */
  readonly estimateKbit: number;
  readonly stalls: number;
}

const levelsOf = (buffered: readonly Buffered[]): number[] =>
  Array.from({ length: SEGMENTS }, (_, segment) => buffered.findLast((each) => each.segment === segment)?.level ?? -1);

async function watch(stage: Stage, page: StagePage, viewer: number, { line }: Settings): Promise<Choices> {
  await page.start({ presentation: "ladder", settings: SHORT_BUFFER });
  await wait(FALL_MS);
  stage.origin.setLine(viewer, { ...line, kbit: FALLEN_KBIT });
  await wait(RISE_MS - FALL_MS);
  stage.origin.setLine(viewer, line);
  await wait(END_MS - RISE_MS);
  const { buffered, stalls } = await page.read();
  return { levels: levelsOf(buffered), estimateKbit: Math.max(...buffered.map((each) => each.estimateKbit)), stalls };
}

/** The choices of the last one of so many viewers. */
function audience(system: System, settings: Settings, count: number): Promise<Choices> {
  const { line, media, staggerMs } = settings;
  return Stage.with({ system, media, line }, async (stage) => {
    const pages = await Promise.all(Array.from({ length: count }, (_, viewer) => stage.openPage(viewer)));
    const choices = pages.map(async (page, viewer) => {
      await wait(viewer * staggerMs);
      return watch(stage, page, viewer, settings);
    });
    return (await Promise.all(choices)).at(-1)!;
  });
}

const mean = (levels: readonly number[]): number => levels.reduce((sum, level) => sum + level, 0) / levels.length;

async function run(system: System, settings: Settings): Promise<object> {
  const alone = await audience(system, settings, 1);
  const figures = { ...alone, meanLevel: mean(alone.levels) };
  if (system.tracker === undefined) return figures;
  const beside = await audience(system, settings, settings.pages);
  return {
    ...figures,
    peerLevels: beside.levels,
    peerMeanLevel: mean(beside.levels),
    peerEstimateKbit: beside.estimateKbit,
    peerStalls: beside.stalls,
  };
}

/** Segments whose rendition is none of those that the other chose there, one before or one after. */
const apart = (ours: readonly number[], theirs: readonly number[]): number =>
  ours.filter((level, at) => !theirs.slice(Math.max(0, at - 1), at + 2).includes(level)).length;

function compare(
  results: Results,
  [ours, ourKey]: [SystemName, string],
  [theirs, theirKey]: [SystemName, string],
  count: (ours: readonly number[], theirs: readonly number[]) => number,
): { value: number; least: number; most: number } | undefined {
  const levels = (system: SystemName, key: string): number[][] =>
    results.lines
      .filter((line) => line.system === system)
      .flatMap((line) => (line[key] ? [line[key] as number[]] : []));
  const [our, their] = [levels(ours, ourKey), levels(theirs, theirKey)];
  const counts = our
    .flatMap((each, at) => (their[at] === undefined ? [] : [count(each, their[at])]))
    .toSorted((a, b) => a - b);
  if (counts.length === 0) return undefined;
  return { value: counts[Math.floor(counts.length / 2)]!, least: counts[0]!, most: counts.at(-1)! };
}

function targets(results: Results, { line }: Settings): (Figure | Gap)[] {
  const alone = compare(results, ["ppsp", "levels"], ["hlsjs", "levels"], apart);
  const beside = compare(
    results,
    ["ppsp", "peerLevels"],
    ["ppsp", "levels"],
    (peers, own) => peers.filter((level, at) => level < own[at]!).length,
  );
  return [
    figure("abr-alone", "segments in another rendition than plain hls.js within one segment", alone, "", { atMost: 0 }),
    figure("abr-peers", "segments in a lower rendition with neighbours than alone", beside, "", { atMost: 0 }),
    figure(
      "abr-estimate",
      "highest estimate with neighbours against the line to the origin",
      results.spread("ppsp", "peerEstimateKbit"),
      "×",
      { atMost: 1.1 },
      1 / line.kbit,
    ),
  ];
}

export const abr: Scenario = {
  systems: ["ppsp", "hlsjs"],
  defaults: { pages: 3, staggerMs: 3000, link: "home" },
  columns: [
    { key: "meanLevel", title: "mean rendition alone, 0 to 2", unit: "" },
    { key: "peerMeanLevel", title: "mean rendition with neighbours", unit: "" },
    { key: "estimateKbit", title: "highest estimate alone", unit: "kbit/s" },
    { key: "peerEstimateKbit", title: "highest estimate with neighbours", unit: "kbit/s" },
    { key: "stalls", title: "stalls alone", unit: "" },
    { key: "peerStalls", title: "stalls with neighbours", unit: "" },
  ],
  chart: ["meanLevel", "peerMeanLevel"],
  run,
  targets,
};
