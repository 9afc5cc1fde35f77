import { defineConfig } from "vitest/config";

/** Unit, property, simulation, conformance and link tests: everything that runs under Node. */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/workers/**", "test/e2e/**"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    passWithNoTests: true,
  },
});
