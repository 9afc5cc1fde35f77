/**
 * Builds everything: TypeScript to build/ (for Node), and with Vite the watch page, the Service Worker, the element and the tracker's
 * Worker. Skips what is up to date.
 *
 *   node scripts/build.mjs
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { installMissing, root } from "./install.mjs";

const inputs = [
  "src",
  "tracker-worker",
  "public",
  "index.html",
  "dashboard.html",
  "vite.config.ts",
  "scripts/alias.mjs",
  "package-lock.json",
  "tsconfig.base.json",
];
const typedInputs = [...inputs, "test", "bench", "tsconfig.json"];

/** Vite's modes (vite.config.ts), what they read first and what they write. */
const targets = [
  { mode: "page", entry: "index.html", output: "dist/index.html", title: "watch page" },
  { mode: "worker", entry: "src/sw/sw.ts", output: "dist/ppsp-sw.js", title: "Service Worker" },
  { mode: "host", entry: "src/worker/worker.ts", output: "dist/ppsp-worker.js", title: "engine's worker" },
  { mode: "element", entry: "src/video/index.ts", output: "dist/ppsp-player.js", title: "player element" },
  { mode: "engine", entry: "src/video/engine.ts", output: "dist/ppsp-engine.js", title: "engine" },
  { mode: "tracker", entry: "tracker-worker/index.ts", output: "build/tracker-worker.js", title: "tracker Worker" },
];

/** Folders count too: a file that was taken away leaves no other trace. */
function newest(path) {
  if (!existsSync(root + path)) return 0;
  const stat = statSync(root + path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(root + path).map((name) => newest(join(path, name))));
}

/** Does a step unless its stamp is newer than all that it reads. */
async function step(name, title, reads, output, work) {
  const stamp = `${root}build/.info/${name}.stamp`;
  // The stamp gets the time of the start, so that a file that changes meanwhile is built next time.
  const started = Date.now();
  if (existsSync(root + output) && existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...reads.map(newest)))
    return;
  process.stdout.write(`Building the ${title} ...`);
  await work();
  mkdirSync(`${root}build/.info`, { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, started / 1000, started / 1000);
  process.stdout.write(` ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

/** Removes what an earlier build of a script gave it to load later (vite.config.ts). */
function removeParts(script) {
  const [folder, part] = [dirname(root + script), `${basename(script, ".js")}-`];
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) if (name.startsWith(part)) rmSync(join(folder, name));
}

/** Checks every type and writes build/, as far as it is not up to date. Rejects when TypeScript found errors. */
export async function compile() {
  const tsc = spawn(process.execPath, ["node_modules/typescript/bin/tsc", "-b"], { cwd: root, stdio: "inherit" });
  const [status] = await once(tsc, "exit");
  if (status !== 0) throw new Error("TypeScript found errors.");
}

/** Makes what browsers and the tracker load, or only some of it. Throws when something is missing or broken. */
export async function bundle(modes = targets.map(({ mode }) => mode)) {
  for (const { mode, entry, output, title } of targets) {
    if (!modes.includes(mode)) continue;
    if (!existsSync(root + entry)) throw new Error(`The ${title} cannot be built: ${entry} is missing.`);
    await step(mode, title, inputs, output, async () => {
      const { build: viteBuild } = await import("vite");
      if (mode === "page") rmSync(`${root}dist/assets`, { recursive: true, force: true });
      else removeParts(output);
      await viteBuild({ root, mode, configFile: `${root}vite.config.ts`, logLevel: "warn" });
    });
  }
}

/** Builds everything that is missing or old. */
export async function build() {
  await step("types", "Node part", typedInputs, "build/src", compile);
  await bundle();
}

if (process.argv[1] === import.meta.filename) {
  try {
    installMissing();
    await build();
  } catch (error) {
    console.error(`\n${error.message}`);
    process.exit(1);
  }
}
