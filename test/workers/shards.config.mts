import { fileURLToPath } from "node:url";
import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

const configPath = fileURLToPath(new URL("../../tracker-worker/wrangler.jsonc", import.meta.url));

/** Swarms that become several objects with their ninth member, inside workerd. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [
    cloudflareTest({
      wrangler: { configPath },
      miniflare: {
        bindings: {
          METRICS_INTERVAL: "3600",
          MANAGE_TOKEN: "the-operators-own-token",
          SHARD_MEMBERS: "8",
          SHARDS: "4",
          OPEN: "true",
        },
      },
    }),
  ],
  test: { include: ["shards.test.ts"], testTimeout: 60_000 },
});
