import { fileURLToPath } from "node:url";
import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig, type ViteUserConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests of this folder that run inside workerd, against the real Durable Objects with these variables. */
export const inWorkerd = (
  variables: Readonly<Record<string, string>>,
  test: NonNullable<ViteUserConfig["test"]>,
): ViteUserConfig =>
  defineConfig({
    root: here("."),
    plugins: [
      cloudflareTest({
        wrangler: { configPath: here("../../tracker-worker/wrangler.jsonc") },
        miniflare: {
          bindings: { METRICS_INTERVAL: "3600", MANAGE_TOKEN: "the-operators-own-token", ...variables },
        },
      }),
    ],
    test,
  });
