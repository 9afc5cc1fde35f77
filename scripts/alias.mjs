import { fileURLToPath } from "node:url";

const standIn = (name) => fileURLToPath(new URL(`../src/link/simple-peer/${name}.cjs`, import.meta.url));

/** What bundles for browsers take in place of modules that simple-peer asks for (docs/adr/0012-simple-peer-in-parts.md). */
export const alias = {
  "simple-peer": "simple-peer/index.js",
  "readable-stream": standIn("stream"),
  buffer: standIn("buffer"),
  debug: standIn("debug"),
  randombytes: standIn("randombytes"),
  "err-code": standIn("err-code"),
  "get-browser-rtc": standIn("get-browser-rtc"),
  "queue-microtask": standIn("queue-microtask"),
};
