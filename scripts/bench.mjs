/** `npm run bench -- NAME [--json]`: builds what is missing and runs a benchmark of bench/. */
import { existsSync } from "node:fs";
import { installMissing, root } from "./install.mjs";

const [first = "--"] = process.argv.slice(2);
const name = first.startsWith("--") ? "ppspp" : first;
if (!/^[a-z]+$/.test(name) || !existsSync(`${root}bench/${name}.ts`)) {
  console.error(`There is no benchmark "${name}": see the files in bench/.`);
  process.exit(2);
}
installMissing();
const { compile } = await import("./build.mjs");
compile();
await import(`${root}build/bench/${name}.js`);
