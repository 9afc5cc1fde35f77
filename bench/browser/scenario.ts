import type { Figure, Gap } from "../report.ts";
import type { LineSettings } from "./line.ts";
import type { Column, Results } from "./results.ts";
import type { System, SystemName } from "./systems.ts";

/** What the command line asks for. */
export interface Settings {
  readonly pages: number;
  /** Between the starts of two pages, ms. */
  readonly staggerMs: number;
  /** Name of the line between each viewer and the origin. */
  readonly link: "home" | "free";
  readonly line: LineSettings;
  /** What a viewer can send to others, kbit/s. */
  readonly uplinkKbit: number;
  /** Folder of makeMedia. */
  readonly media: string;
}

/** One thing that the benchmark does with every system. */
export interface Scenario {
  /** Systems that can do it, in the order of their turns. */
  readonly systems: readonly SystemName[];
  /** What is taken where the command line says nothing. */
  readonly defaults: Pick<Settings, "pages" | "staggerMs" | "link">;
  readonly columns: readonly Column[];
  /** Columns of the chart. */
  readonly chart: readonly string[];
  /** Runs one system once; what it returns becomes the line of this run. */
  run(system: System, settings: Settings): Promise<object>;
  /** What ours must reach. */
  targets(results: Results, settings: Settings): readonly (Figure | Gap)[];
}
