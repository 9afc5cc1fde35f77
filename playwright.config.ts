import { defineConfig } from "@playwright/test";

/** Browser tests. They start their own origins, trackers and browsers (test/e2e/swarm-fixture.ts), each on free ports. */
export default defineConfig({
  testDir: "test/e2e",
  testMatch: "**/*.spec.ts",
  projects: [
    { name: "pages", grepInvert: /@quiet/ },
    // These count stalls; two browsers that decode video leave no room on two cores for a second test.
    { name: "swarms", grep: /@quiet/, workers: 1 },
  ],
  workers: 2,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  forbidOnly: process.env["CI"] !== undefined,
  reporter: [["list"]],
  outputDir: "test-results",
});
