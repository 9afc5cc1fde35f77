import { parseArgs } from "node:util";
import { makeMedia } from "./media.ts";
import { LINES } from "./stage.ts";
import { SYSTEMS, type SystemName } from "./systems.ts";
import { swarm } from "./swarm.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pages: { type: "string", default: "6" },
    stagger: { type: "string", default: "3000" },
    link: { type: "string", default: "home" },
    systems: { type: "string", default: "ppsp,p2pml,p2pml-tuned,hlsjs" },
    runs: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
const media = await makeMedia();
for (let run = 1; run <= Number(values.runs); run++) {
  for (const name of values.systems.split(",") as SystemName[]) {
    const result = await swarm(
      { system: SYSTEMS[name], media, presentation: "single", line: LINES[values.link as "home"] },
      { pages: Number(values.pages), staggerMs: Number(values.stagger) },
    );
    console.log(JSON.stringify({ scenario: positionals[0], system: name, run, link: values.link, ...result }));
  }
}
