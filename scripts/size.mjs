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

/** Most bytes with gzip of a script and of all that it may load later, hls.js left out: that weighs the same in every HLS player. */
const budgets = [
  { script: "ppsp-engine", title: "engine, with simple-peer", most: 60_000 },
  { script: "ppsp-player", title: "element, with its controls", most: 110_000 },
];

/** What a script of `folder` and what it may load later weigh, bytes with gzip. Files of one script share its name (vite.config.ts). */
export function weigh(folder, script) {
  const sum = { entry: 0, later: 0, hls: 0 };
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(".js") || !(name === `${script}.js` || name.startsWith(`${script}-`))) continue;
    const kind = name === `${script}.js` ? "entry" : name === `${script}-hls.js` ? "hls" : "later";
    sum[kind] += gzipSync(readFileSync(`${folder}/${name}`), { level: 9 }).length;
  }
  if (sum.entry === 0) throw new RangeError(`${folder}/${script}.js is missing`);
  return sum;
}

/** The table, and which budgets are exceeded. */
export function check(folder, limits = budgets) {
  const rows = [["bytes with gzip", "script", "later", "budget", "left", "hls.js", "with hls.js"]];
  const exceeded = [];
  for (const { script, title, most } of limits) {
    const { entry, later, hls } = weigh(folder, script);
    const left = most - entry - later;
    rows.push([`${title} (${script}.js)`, entry, later, most, left, hls, entry + later + hls]);
    if (left < 0) exceeded.push(`${script}.js is ${-left} bytes over its budget of ${most}.`);
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
      for (const { script } of budgets) {
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
