/** `npm run sim -- SCENARIO [--peers N] [--seed S] [--json]`: plays a scenario on virtual time and says what came of it. */
import { parseArgs } from "node:util";
import { play, SCENARIOS } from "./scenarios.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const [scenario = "", ...rest] = positionals;
const [peers, seed] = [Number(values.peers), Number(values.seed)];
const known = SCENARIOS[scenario] !== undefined && rest.length === 0;
if (!known || !Number.isInteger(peers) || peers < 1 || !Number.isInteger(seed)) {
  console.error("npm run sim -- SCENARIO [--peers N] [--seed S] [--json]\n");
  for (const [name, { about }] of Object.entries(SCENARIOS)) console.error(`  ${name.padEnd(14)} ${about}`);
  process.exit(2);
}
const report = play(scenario, peers, seed);
if (values.json) console.log(JSON.stringify(report));
else console.log(report);
