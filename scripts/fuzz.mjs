/** `npm run fuzz [-- --seed S --count N]`: builds what is missing and runs test/fuzz/run.ts. */
import { installMissing, root } from "./install.mjs";

installMissing();
const { compile } = await import("./build.mjs");
await compile();
await import(`${root}build/test/fuzz/run.js`);
