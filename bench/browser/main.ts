/**
 * `npm run bench -- swarm|pair|seek|abr|slow-peer|switch`: the scenarios that real browsers play, each system in turn, so
 * that all meet the same minutes of the machine. bench/README.md says what the options are and how things are measured.
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { readArguments, refuse } from "../arguments.ts";
import { figureTable, machine, writeSection } from "../report.ts";
import { abr } from "./abr.ts";
import { chart } from "./chart.ts";
import { makeMedia } from "./media.ts";
import { pair } from "./pair.ts";
import { keepLine, type Line, readLines, Results } from "./results.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { seek } from "./seek.ts";
import { slowPeer } from "./slow-peer.ts";
import { LINES } from "./stage.ts";
import { swarm } from "./swarm.ts";
import { switching } from "./switch.ts";
import { SYSTEMS, type SystemName } from "./systems.ts";

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  swarm,
  pair,
  seek,
  abr,
  "slow-peer": slowPeer,
  switch: switching,
};

const { values, positionals } = readArguments("bench", {
  allowPositionals: true,
  options: {
    pages: { type: "string" },
    stagger: { type: "string" },
    link: { type: "string" },
    uplink: { type: "string" },
    systems: { type: "string" },
    runs: { type: "string" },
    keep: { type: "string" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

function fail(problem: string): never {
  return refuse("bench", problem);
}

/** A whole number from the command line, or `otherwise`. */
function count(option: "pages" | "stagger" | "runs" | "uplink", otherwise: number, least: number): number {
  const text = values[option];
  const number = text === undefined ? otherwise : Number(text);
  const good = number === Infinity || (Number.isInteger(number) && number >= least);
  return good ? number : fail(`--${option} ${text}: wants ${least} or more`);
}

const [name = ""] = positionals;
const scenario = SCENARIOS[name] ?? fail(`there is no scenario "${name}": ${Object.keys(SCENARIOS).join(", ")}`);
const { defaults } = scenario;
const link = values.link ?? defaults.link;
if (link !== "home" && link !== "free") fail("--link wants home or free");
const systems = (values.systems?.split(",") ?? scenario.systems) as readonly SystemName[];
for (const system of systems) {
  if (!scenario.systems.includes(system)) fail(`--systems ${system}: ${name} has ${scenario.systems.join(", ")}`);
}
const settings: Settings = {
  pages: count("pages", defaults.pages, 1),
  staggerMs: count("stagger", defaults.staggerMs, 0),
  link,
  line: LINES[link],
  uplinkKbit: count("uplink", Infinity, 1),
  media: await makeMedia(),
};

const lines: Line[] = values.keep === undefined ? [] : await readLines(values.keep);
const { pages, staggerMs, uplinkKbit } = settings;
for (let left = count("runs", 3, 0); left > 0; left--) {
  for (const system of systems) {
    const run = lines.filter((line) => line.system === system).length + 1;
    const about = { scenario: name, system, run, pages, staggerMs, link, ...(values.uplink && { uplinkKbit }) };
    // One run that fails says so, and the others go on.
    const failed = (error: unknown) => ({ failed: error instanceof Error ? error.message : String(error) });
    const line: Line = { ...about, ...(await scenario.run(SYSTEMS[system], settings).catch(failed)) };
    lines.push(line);
    if (values.keep !== undefined) await keepLine(values.keep, line);
    if (values.json) console.log(JSON.stringify(line));
    else console.error([name, system, `run ${run}`, line.failed ?? ""].join(" "));
  }
}

const results = new Results(lines);
const targets = scenario.targets(results, settings);
const tables = [results.table(scenario.columns), ...(targets.length > 0 ? [figureTable(targets)] : [])].join("\n\n");
if (!values.json) console.log(`${machine}\n\n${tables}`);
if (values.write) {
  const options = [
    ...(pages === defaults.pages ? [] : [`--pages ${pages}`]),
    ...(staggerMs === defaults.staggerMs ? [] : [`--stagger ${staggerMs}`]),
    ...(link === defaults.link ? [] : [`--link ${link}`]),
    ...(uplinkKbit === Infinity ? [] : [`--uplink ${uplinkKbit}`]),
  ];
  const picture = `${[name, ...options].join("-").replaceAll(/[ -]+/g, "-")}.svg`;
  const columns = scenario.columns.filter(({ key }) => scenario.chart.includes(key));
  await writeFile(fileURLToPath(new URL(`../../../bench/${picture}`, import.meta.url)), chart(results, columns));
  await writeSection([name, ...options].join(" "), `${machine}\n\n${tables}\n\n![${name}](${picture})`);
}
// Playwright keeps the process alive for a while.
process.exit();
