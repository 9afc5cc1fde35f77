/** `npm run sim -- SCENARIO [--peers N] [--seed S] [--json]`: builds what is missing and runs test/sim/run.ts. */
import { installMissing, root } from "./install.mjs";

installMissing();
const { compile } = await import("./build.mjs");
await compile();
await import(`${root}build/test/sim/run.js`);
