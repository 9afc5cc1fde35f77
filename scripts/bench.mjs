/** `npm run bench -- NAME [--json]`: builds what is missing and runs a benchmark of bench/. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { installMissing, root } from "./install.mjs";

/** What the tracker is compared with has a package.json of its own, so that nobody else installs it. */
function installOthers() {
  if (existsSync(`${root}bench/node_modules/bittorrent-tracker`)) return;
  console.error("Installing bittorrent-tracker for the comparison (once, without install scripts) ...");
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync("npm", args, { cwd: `${root}bench`, stdio: ["ignore", 2, 2] });
  if (status !== 0) console.error("It could not be installed: rows that compare with it will say so.");
}

const [first = "--"] = process.argv.slice(2);
const name = first.startsWith("--") ? "ppspp" : first;
if (!/^[a-z]+$/.test(name) || !existsSync(`${root}bench/${name}.ts`)) {
  console.error(`There is no benchmark "${name}": see the files in bench/.`);
  process.exit(2);
}
installMissing();
const { compile, bundle } = await import("./build.mjs");
compile();
if (name === "tracker") {
  installOthers();
  await bundle(["tracker"]);
}
await import(`${root}build/bench/${name}.js`);
