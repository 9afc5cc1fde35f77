/** `npm run sim -- SCENARIO [--peers N] [--seed S] [--json]`: plays a scenario on virtual time and says what came of it. */
import { writeSync } from "node:fs";
import { readArguments, refuse, wholeNumber } from "../../bench/arguments.ts";
import { play, SCENARIOS } from "./scenarios.ts";
import type { Viewer } from "./viewer.ts";

const SAY_MS = 10_000;

const { values, positionals } = readArguments("sim", {
  allowPositionals: true,
  options: {
    peers: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const [scenario = "", ...rest] = positionals;
const peers = wholeNumber("sim", "--peers", values.peers, 1);
const seed = wholeNumber("sim", "--seed", values.seed);
if (scenario === "") {
  console.error("npm run sim -- SCENARIO [--peers N] [--seed S] [--json]\n");
  for (const [name, { about }] of Object.entries(SCENARIOS)) console.error(`  ${name.padEnd(14)} ${about}`);
  process.exit(2);
}
if (SCENARIOS[scenario] === undefined)
  refuse("sim", `there is no scenario "${scenario}": ${Object.keys(SCENARIOS).join(", ")}`);
if (rest.length > 0) refuse("sim", `one scenario at a time, not ${rest.join(" ")} too`);
let saidAt = performance.now();
/** Thousands of viewers take many minutes: a line now and then says how far they are. */
function say(viewers: readonly Viewer[], now: number): void {
  if (performance.now() - saidAt < SAY_MS) return;
  saidAt = performance.now();
  const through = viewers.filter((viewer) => viewer.through).length;
  // At once: the run leaves a stream no time.
  writeSync(
    2,
    `${(now / 1000).toFixed(1)} s: ${viewers.length} of ${peers} viewers have come, ${through} are through\n`,
  );
}
const report = play(scenario, peers, seed, undefined, say);
if (values.json) console.log(JSON.stringify(report));
else console.log(report);
