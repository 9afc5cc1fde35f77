/** `npm run sim -- SCENARIO [--peers N] [--seed S] [--json]`: builds what is missing and runs test/sim/run.ts. */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { installMissing, root } from "./install.mjs";

installMissing();
const { compile } = await import("./build.mjs");
await compile();
const args = process.argv.slice(2);
const { values } = parseArgs({ args, strict: false, options: { peers: { type: "string" } } });
// The more viewers, the sooner the young generation is full, and what is on its way between them is moved among the old before
// it arrives: with 10,000 that took a third of the time. More room than that misses the caches (bench/RESULTS.md, Audiences).
const semiSpaceMb = Math.min(512, Math.max(64, Number(values.peers) / 20 || 0));
const resourceLimits = { maxYoungGenerationSizeMb: 3 * semiSpaceMb, maxOldGenerationSizeMb: 8192 };
const run = new Worker(`${root}build/test/sim/run.js`, { argv: args, resourceLimits });
run.on("exit", (code) => (process.exitCode = code));
