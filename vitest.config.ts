import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** Unit, property, simulation, conformance and link tests: everything that runs under Node. */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/workers/**", "test/e2e/**"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // By default a machine with two cores would run one file at a time, and some of them mostly wait.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    passWithNoTests: true,
  },
});
