/**
 * What viewers download: minified and with gzip, against budgets. Fails when one is exceeded; a step of `npm test`.
 *
 *   node scripts/size.mjs            after npm run build
 *   node scripts/size.mjs --sources  also where the bytes of each script come from
 */
import { readdirSync, readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { gzipSync } from "node:zlib";
import { root } from "./install.mjs";

/** The engine's worker: the element and `ppsp-player/engine` start it. */
const WORKER = "ppsp-worker";

/**
 * Most bytes with gzip of a script and its worker, which is all that is loaded at the start, but for hls.js: that weighs the same
 * in every HLS player. What is loaded later, for whoever chooses it, is shown and has no budget.
 */
const budgets = [
  { script: "ppsp-engine", title: "engine, with simple-peer", most: 60_000 },
  { script: "ppsp-player", title: "element, with its controls", most: 110_000 },
];

/** A static import in what the bundler writes: a file more to wait for at the start. */
const STATIC_IMPORT = /(?:^|[;}\n])\s*(?:import|export)\s*(?:[\w$*{][^"'`();]*from\s*)?["']\.{1,2}\//;

/**
 * What a script of `folder` and what it may load later weigh, bytes with gzip. Files of one script share its name
 * (vite.config.ts). Throws where there is no such script, or it is not whole.
 */
export function weigh(folder, script) {
  const sum = { entry: 0, later: 0, hls: 0 };
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(".js") || !(name === `${script}.js` || name.startsWith(`${script}-`))) continue;
    const content = readFileSync(`${folder}/${name}`);
    const kind = name === `${script}.js` ? "entry" : name === `${script}-hls.js` ? "hls" : "later";
    if (kind === "entry" && STATIC_IMPORT.test(content.toString("utf8"))) {
      throw new RangeError(`${folder}/${name} loads another file at the start`);
    }
    sum[kind] += gzipSync(content, { level: 9 }).length;
  }
  if (sum.entry === 0) throw new RangeError(`${folder}/${script}.js is missing`);
  return sum;
}

/** The table, and which budgets are exceeded. */
export function check(folder, limits = budgets) {
  const rows = [["bytes with gzip", "script", "worker", "budget", "left", "hls.js", "with hls.js", "on demand"]];
  const exceeded = [];
  const worker = weigh(folder, WORKER);
  for (const { script, title, most } of limits) {
    const { entry, later, hls } = weigh(folder, script);
    const both = entry + worker.entry;
    const left = most - both;
    rows.push([`${title} (${script}.js)`, entry, worker.entry, most, left, hls, both + hls, later + worker.later]);
    if (left < 0) exceeded.push(`${script}.js and its worker are ${-left} bytes over their budget of ${most}.`);
  }
  return { rows, exceeded };
}

/** Minified bytes by package or folder, most first: what the source map says of each character. */
function sources(script) {
  const code = readFileSync(script, "utf8");
  const map = new SourceMap(JSON.parse(readFileSync(`${script}.map`, "utf8")));
  const sizes = new Map();
  code.split("\n").forEach((line, number) => {
    for (let column = 0; column < line.length; column++) {
      const path = map.findEntry(number, column).originalSource ?? "bundler";
      const [name] = /(?<=node_modules\/)(@[^/]+\/)?[^/]+|src\/(core\/)?[^/]+/.exec(path) ?? ["bundler"];
      sizes.set(name, (sizes.get(name) ?? 0) + 1);
    }
  });
  return [...sizes].sort(([, a], [, b]) => b - a);
}

/** Prints the table. @throws when a budget is exceeded */
export function size() {
  const { rows, exceeded } = check(`${root}dist`);
  for (const [name, ...cells] of rows) {
    console.log(String(name).padEnd(46) + cells.map((cell) => String(cell).padStart(12)).join(""));
  }
  if (exceeded.length > 0) throw new Error(exceeded.join("\n"));
}

if (process.argv[1] === import.meta.filename) {
  try {
    if (process.argv.includes("--sources")) {
      for (const script of [...budgets.map((budget) => budget.script), WORKER]) {
        console.log(`${script}.js, bytes without gzip`);
        for (const [name, bytes] of sources(`${root}dist/${script}.js`))
          console.log(`${String(bytes).padStart(8)} ${name}`);
      }
    }
    size();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
