/** `npm run bench -- NAME [options]`: builds what is missing and runs a benchmark of bench/. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ensureBrowsers } from "./browsers.mjs";
import { installMissing, root } from "./install.mjs";

/** What ours is compared with has a package.json of its own, so that nobody else installs it. */
function installOthers() {
  const { dependencies } = JSON.parse(readFileSync(`${root}bench/package.json`, "utf8"));
  if (Object.keys(dependencies).every((name) => existsSync(`${root}bench/node_modules/${name}`))) return;
  console.error(`Installing ${Object.keys(dependencies).join(", ")} (once, without install scripts) ...`);
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync("npm", args, { cwd: `${root}bench`, stdio: ["ignore", 2, 2] });
  if (status !== 0) console.error("It could not be installed: rows that compare with it will say so.");
}

/** Scenarios that browsers play; the others have a file each. */
const SCENARIOS = ["swarm", "pair", "seek", "abr", "slow-peer", "switch"];

const [first = "--"] = process.argv.slice(2);
const name = first.startsWith("--") ? "ppspp" : first;
const file = SCENARIOS.includes(name) ? "browser/main" : name;
if (!/^[a-z/]+$/.test(file) || !existsSync(`${root}bench/${file}.ts`)) {
  console.error(`npm run bench: there is no benchmark "${name}": see bench/README.md`);
  process.exit(2);
}
// What bench/browser/main.ts and bench/report.ts take: a mistake is not to cost an installation and a build.
const [string, boolean] = [{ type: "string" }, { type: "boolean" }];
const options = SCENARIOS.includes(name)
  ? { pages: string, stagger: string, link: string, uplink: string, systems: string, runs: string, keep: string }
  : { only: string };
try {
  parseArgs({ allowPositionals: true, options: { ...options, json: boolean, write: boolean } });
} catch (error) {
  console.error(`npm run bench: ${error.message.split(/\. |\n/)[0]}`);
  process.exit(2);
}
installMissing();
const { compile, bundle } = await import("./build.mjs");
await compile();
if (name === "tracker") {
  installOthers();
  await bundle(["tracker"]);
}
if (file === "browser/main") {
  installOthers();
  await bundle(["element", "host"]);
  await ensureBrowsers(["chromium"]);
  const { build } = await import("vite");
  await build({ configFile: `${root}bench/vite.config.ts`, logLevel: "error" });
}
await import(`${root}build/bench/${file}.js`);
