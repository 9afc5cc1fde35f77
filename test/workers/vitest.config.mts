import { fileURLToPath } from "node:url";
import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";
import { PUBLISHERS } from "../tracker/publishers.ts";

const configPath = fileURLToPath(new URL("../../tracker-worker/wrangler.jsonc", import.meta.url));

/** Tests that run inside workerd, against the real Durable Objects. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [
    cloudflareTest({
      wrangler: { configPath },
      miniflare: {
        bindings: {
          METRICS_INTERVAL: "3600",
          MANAGE_TOKEN: "the-operators-own-token",
          PUBLISHERS: PUBLISHERS.join(" "),
          SWARMS:
            "1111 2222 3333 abcdef aa11 aa22 aa33 aa44 aa55 aa66 aa77 aa88 aa99 empty1 empty2 bb11 bb22 bb33 bb44 bb55 bb66 bb77 bb88 bb99 bb91 bb92",
        },
      },
    }),
  ],
  // Grown swarms have parameters of their own: shards.config.mts.
  test: { include: ["**/*.test.ts"], exclude: ["shards.test.ts"] },
});
