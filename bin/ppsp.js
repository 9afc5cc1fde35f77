#!/usr/bin/env node
import { existsSync, readFileSync } from "node:fs";

// A reader such as `head` that has seen enough is no error.
process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const cli = new URL("../build/src/node/cli.js", import.meta.url);
if (existsSync(cli)) {
  const { main } = await import(cli.href);
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  process.exitCode = await main(process.argv.slice(2), version);
} else {
  console.error("ppsp: not built yet: run `npm run build` first");
  process.exitCode = 2;
}
