import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** The tests of this folder that need only HTTP, against the same tracker under plain Node. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  resolve: {
    alias: { "cloudflare:workers": fileURLToPath(new URL("../tracker/node-runtime.ts", import.meta.url)) },
  },
  test: { include: ["http.test.ts", "decisions.test.ts", "table8.test.ts", "grants.test.ts"] },
});
