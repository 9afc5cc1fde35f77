/** `npm run sim -- SCENARIO [--peers N] [--seed S] [--json]`: builds what is missing and runs test/sim/run.ts. */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { installMissing, root } from "./install.mjs";

installMissing();
const { compile } = await import("./build.mjs");
await compile();
const args = process.argv.slice(2);
const { values } = parseArgs({ args, strict: false, options: { peers: { type: "string", default: "1000" } } });
// What is on its way between viewers lives for a moment of their time, which is the longer the more they are: what has to be
// moved before it ends, and is garbage among the old then, takes half of the time. Far more room than that misses all caches.
const semiSpaceMb = Math.min(512, Math.max(64, Number(values.peers) / 20 || 0));
const resourceLimits = { maxYoungGenerationSizeMb: 3 * semiSpaceMb, maxOldGenerationSizeMb: 8192 };
const run = new Worker(`${root}build/test/sim/run.js`, { argv: args, resourceLimits });
run.on("exit", (code) => (process.exitCode = code));
