/** `swarm`: viewers who come one after the other, or all at once, and watch the same film. */
import { setTimeout as wait } from "node:timers/promises";
import { spread } from "../report.ts";
import { type PageReading, Stage, type StageOptions } from "./stage.ts";

/** Each page is read so long after its start, ms. */
const WATCH_MS = 40_000;

/** How many come, and how fast. */
export interface Audience {
  readonly pages: number;
  /** Between two starts, ms. */
  readonly staggerMs: number;
}

const median = (values: readonly number[]): number => spread(values).value;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** One run; what it returns is the rest of a result's line. */
export async function swarm(options: StageOptions, { pages: count, staggerMs }: Audience): Promise<SwarmResult> {
  const stage = await Stage.open(options);
  try {
    const pages = await Promise.all(Array.from({ length: count }, (_, viewer) => stage.openPage(viewer)));
    const readings = await Promise.all(
      pages.map(async (page, index): Promise<PageReading> => {
        await wait(index * staggerMs);
        await page.start();
        await wait(WATCH_MS);
        return page.read();
      }),
    );
    const { originBytes } = stage;
    const mediaBytes = sum((await Promise.all(pages.map((page) => page.read()))).map((page) => page.mediaBytes));
    const frames = readings.map(({ firstFrameMs = WATCH_MS }) => Math.round(firstFrameMs));
    return {
      pages: count,
      staggerMs,
      offload: 1 - originBytes / mediaBytes,
      firstFrameFirstMs: frames[0]!,
      firstFrameLaterMs: median(frames.slice(count > 1 ? 1 : 0)),
      stalls: sum(readings.map(({ stalls }) => stalls)),
      lostMs: Math.round(sum(readings.map(({ sinceFirstFrameMs, playedMs }) => sinceFirstFrameMs - playedMs))),
      originBytes,
      mediaBytes,
      mainThreadS: median(readings.map(({ mainThreadS }) => mainThreadS)),
      connections: sum(readings.map(({ connections }) => connections)),
      errors: readings.flatMap(({ error }) => error ?? []),
      perPage: readings.map(({ firstFrameMs, stalls, mainThreadS }, viewer) => ({
        firstFrameMs: Math.round(firstFrameMs ?? WATCH_MS),
        stalls,
        mainThreadS,
        originBytes: sum(stage.origin.log.filter((served) => served.viewer === viewer).map(({ bytes }) => bytes)),
      })),
    };
  } finally {
    await stage.close();
  }
}

/** What a run of `swarm` measured. */
export interface SwarmResult {
  readonly pages: number;
  readonly staggerMs: number;
  /** 1 − what the origin wrote ÷ what the players were given. */
  readonly offload: number;
  readonly firstFrameFirstMs: number;
  /** Median of all but the first page, ms. */
  readonly firstFrameLaterMs: number;
  /** Of all pages together. */
  readonly stalls: number;
  /** Wall time less played time since the first frame, all pages together, ms. */
  readonly lostMs: number;
  readonly originBytes: number;
  readonly mediaBytes: number;
  /** Median of the pages. */
  readonly mainThreadS: number;
  readonly connections: number;
  readonly errors: readonly string[];
  readonly perPage: readonly object[];
}
