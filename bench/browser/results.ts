/** Lines of results, and what they say together. */
import { appendFile, readFile } from "node:fs/promises";
import { type Figure, type Gap, markdownTable, spread, three } from "../report.ts";
import { SYSTEMS, type SystemName } from "./systems.ts";

/** One run of one system. */
export interface Line {
  readonly scenario: string;
  readonly system: SystemName;
  /** From 1; runs of the same number were measured one after the other. */
  readonly run: number;
  /** Why there is nothing else in this line. */
  readonly failed?: string;
  readonly [measure: string]: unknown;
}

/** A measure that the table of a scenario shows. */
export interface Column {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  /** The figure is multiplied by this. @defaultValue 1 */
  readonly times?: number;
}

/** Median with extremes. */
export type Spread = ReturnType<typeof spread>;

/** All lines of one scenario. */
export class Results {
  readonly lines: readonly Line[];

  constructor(lines: readonly Line[]) {
    this.lines = lines;
  }

  /** Systems that were run, in the order in which they are listed. */
  get systems(): SystemName[] {
    return (Object.keys(SYSTEMS) as SystemName[]).filter((name) => this.lines.some(({ system }) => system === name));
  }

  /** A measure of one system, run by run; what a run does not have is left out. */
  values(system: SystemName, key: string): number[] {
    return this.lines.filter((line) => line.system === system).flatMap((line) => number(line[key]));
  }

  /** The same as median and extremes; undefined where there is none. */
  spread(system: SystemName, key: string): Spread | undefined {
    const values = this.values(system, key);
    return values.length === 0 ? undefined : spread(values);
  }

  /** Median of ours ÷ median of theirs; the extremes are those of the runs' own ratios. */
  ratio(ours: SystemName, theirs: SystemName, key: string): Spread | undefined {
    const [our, their] = [this.spread(ours, key), this.spread(theirs, key)];
    if (our === undefined || their === undefined) return undefined;
    const others = new Map(
      this.lines.filter(({ system }) => system === theirs).map((line) => [line.run, number(line[key])[0]]),
    );
    const ratios = this.lines
      .filter(({ system }) => system === ours)
      .map((line) => (number(line[key])[0] ?? NaN) / (others.get(line.run) ?? NaN))
      .filter((ratio) => !Number.isNaN(ratio));
    const value = our.value / their.value;
    return { value, least: Math.min(value, ...ratios), most: Math.max(value, ...ratios) };
  }

  /** One row for each system. */
  table(columns: readonly Column[]): string {
    const rows = this.systems.map((system) => {
      const cells = columns.map(({ key, unit, times = 1 }) => {
        const found = this.spread(system, key);
        if (found === undefined) return "";
        const [value, least, most] = [found.value, found.least, found.most].map((each) => three(each * times));
        return `${value}${unit === "" ? "" : ` ${unit}`}${least === most ? "" : ` (${least} to ${most})`}`;
      });
      const runs = this.lines.filter((line) => line.system === system);
      const failed = runs.filter((line) => line.failed !== undefined).length;
      return [system, ...cells, failed === 0 ? `${runs.length}` : `${runs.length}, ${failed} failed`];
    });
    return markdownTable(["system", ...columns.map(({ title }) => title), "runs"], rows);
  }
}

const number = (value: unknown): number[] => (typeof value === "number" && Number.isFinite(value) ? [value] : []);

/** A figure with its target, or a gap where the runs that it needs are missing. */
export function figure(
  name: string,
  what: string,
  measured: Spread | undefined,
  unit: string,
  target: NonNullable<Figure["target"]>,
  times = 1,
): Figure | Gap {
  if (measured === undefined) return { name, missing: `${what}: not measured in these runs` };
  const { value, least, most } = measured;
  return { name, what, value: value * times, least: least * times, most: most * times, unit, target };
}

/** Lines of earlier runs. @returns none where there is no such file */
export async function readLines(path: string): Promise<Line[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** Keeps a line for later. */
export const keepLine = (path: string, line: Line): Promise<void> => appendFile(path, `${JSON.stringify(line)}\n`);
