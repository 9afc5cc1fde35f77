/** What all benchmarks of this folder share: their arguments, their tables, and their place in RESULTS.md. */
import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { readArguments, refuse } from "./arguments.ts";

/** One measured figure; `least` and `most` where it is the median of several runs. */
export interface Figure {
  readonly name: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly target?: { readonly atMost: number } | { readonly atLeast: number };
  readonly least?: number;
  readonly most?: number;
  /** Other figures of the same run, as text. */
  readonly note?: string;
}

/** A row that could not be measured, and why. */
export interface Gap {
  readonly name: string;
  readonly missing: string;
}

const isFigure = (row: Figure | Gap): row is Figure => "value" in row;

/** Named rows, measured in this order. */
export type Rows = Readonly<Record<string, () => Promise<(Figure | Gap)[]>>>;

/** Median and extremes of several runs. */
export function spread(values: readonly number[]): { value: number; least: number; most: number } {
  const sorted = values.toSorted((a, b) => a - b);
  return { value: sorted[Math.floor(sorted.length / 2)]!, least: sorted[0]!, most: sorted.at(-1)! };
}

/** Three digits of a figure. */
export const three = (value: number): string => value.toLocaleString("en", { maximumSignificantDigits: 3 });

function verdict({ value, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  return "atMost" in target ? value <= target.atMost : value >= target.atLeast;
}

function cells(row: Figure | Gap): string[] {
  if (!isFigure(row)) return [row.name, row.missing, "", "", ""];
  const { name, what, value, unit, target, least, most, note } = row;
  const range = least === undefined || most === undefined ? "" : ` (${three(least)} to ${three(most)})`;
  const bound = target === undefined ? "" : "atMost" in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
  const met = verdict(row);
  return [
    name,
    note === undefined ? what : `${what}: ${note}`,
    `${three(value)}${unit === "" ? "" : ` ${unit}`}${range}`,
    bound,
    met === undefined ? "" : met ? "met" : "missed",
  ];
}

const HEADINGS = ["row", "what", "figure", "target", ""];
/** When and on what. */
export const machine = `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, ${process.platform}`;

/** A table as Prettier has it. */
export function markdownTable(headings: readonly string[], lines: readonly (readonly string[])[]): string {
  const all = [headings, ...lines];
  const widths = headings.map((_, column) => Math.max(3, ...all.map((line) => line[column]!.length)));
  const row = (line: readonly string[]): string =>
    `| ${line.map((cell, i) => cell + " ".repeat(widths[i]! - cell.length)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [row(headings), rule, ...lines.map(row)].join("\n");
}

/** Figures with their targets, and whether they are met. */
export const figureTable = (rows: readonly (Figure | Gap)[]): string => markdownTable(HEADINGS, rows.map(cells));

/** Puts `body` into RESULTS.md, under the heading of what `npm run bench -- COMMAND` measures, instead of what is there. */
export async function writeSection(command: string, body: string): Promise<void> {
  const path = fileURLToPath(new URL("../../bench/RESULTS.md", import.meta.url));
  const text = await readFile(path, "utf8");
  const heading = `## ${command.split(" ")[0]} (\`npm run bench -- ${command}\`)`;
  const section = `${heading}\n\n${body}\n`;
  const start = text.indexOf(heading);
  if (start < 0) return writeFile(path, `${text}\n${section}`);
  const next = text.indexOf("\n## ", start);
  await writeFile(path, text.slice(0, start) + section + (next < 0 ? "" : text.slice(next)));
}

/** Runs what `--only` names, or everything; prints a table, or with `--json` one line for each row; `--write` keeps it. */
export async function runBenchmark(scenario: string, rows: Rows): Promise<void> {
  const { values } = readArguments("bench", {
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      only: { type: "string" },
    },
  });
  if (values.only !== undefined && rows[values.only] === undefined)
    refuse("bench", `there is no row "${values.only}": ${Object.keys(rows).join(", ")}`);
  if (!values.json) console.log(`${machine}\n`);
  const measured: (Figure | Gap)[] = [];
  for (const [name, measure] of Object.entries(rows)) {
    if (values.only !== undefined && name !== values.only) continue;
    const found = await measure().catch((error: unknown): Gap[] => [{ name, missing: `failed: ${String(error)}` }]);
    measured.push(...found);
    for (const row of found) {
      if (values.json) console.log(JSON.stringify({ scenario, ...row, ...(isFigure(row) && { met: verdict(row) }) }));
      else if (process.stderr.isTTY) console.error(cells(row).join("  "));
    }
  }
  if (!values.json) console.log(figureTable(measured));
  if (!values.write) return;
  await writeSection(
    scenario,
    `${machine}. bench/${scenario}.ts says how each is measured.\n\n${figureTable(measured)}`,
  );
}
