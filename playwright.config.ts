import { defineConfig } from "@playwright/test";

/** Browser tests. They start their own origins, trackers and browsers (test/e2e/swarm-fixture.ts), each on free ports. */
export default defineConfig({
  testDir: "test/e2e",
  testMatch: "**/*.spec.ts",
  // Most of the time tests wait for a film to play; two at a time still leave two cores room.
  workers: 2,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  forbidOnly: process.env["CI"] !== undefined,
  reporter: [["list"]],
  outputDir: "test-results",
});
