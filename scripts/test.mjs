/**
 * `npm test`: installs what is missing, then types, lint, format and all tests, and closes with one line `N passed, N failed`.
 * `npm run check` (`--fast`) leaves out what needs browsers or workerd.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { installMissing, root } from "./install.mjs";

const fast = process.argv.includes("--fast");
const reports = `${root}build/reports`;
const total = { passed: 0, failed: 0, skipped: 0 };

/** The longest step takes more than four minutes on two cores; a test that never yields is stopped by nothing else. */
const stepLimitMs = 720_000;

/** What ends a running step with all its processes; each step is a process group of its own. */
const running = new Set();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    for (const stop of running) stop();
    process.exit(1);
  });
}

/** Runs a package's command line with our output; answers its exit code, 1 when it was stopped. */
async function run(script, args, env = {}) {
  const child = spawn(process.execPath, [`${root}node_modules/${script}`, ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
    env: { ...process.env, ...env },
  });
  const stop = () => {
    try {
      process.kill(-Number(child.pid), "SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  running.add(stop);
  const limit = setTimeout(() => {
    console.error(`\n${script} is stopped: it took more than ${stepLimitMs / 1000} s.`);
    stop();
  }, stepLimitMs);
  const [code] = await once(child, "exit");
  clearTimeout(limit);
  // Whatever a step leaves behind ends with it.
  stop();
  running.delete(stop);
  return code ?? 1;
}

function count({ passed = 0, failed = 0, skipped = 0 }) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

/** A step that passes or fails as a whole. */
async function step(name, work) {
  console.log(`\n── ${name}`);
  try {
    const code = await work();
    if (code !== undefined && code !== 0) throw new Error(`${name} failed (${code}).`);
    count({ passed: 1 });
  } catch (error) {
    console.error(error.message);
    count({ failed: 1 });
  }
}

/** A step of many tests that writes a report. A runner that fails without a failed test (or without a report) counts as one failure. */
async function suite(name, script, args, env, read) {
  console.log(`\n── ${name}`);
  const file = `${reports}/${name}.json`;
  rmSync(file, { force: true });
  const code = await run(script, args(file), env(file));
  const counts = existsSync(file) ? read(JSON.parse(readFileSync(file, "utf8"))) : {};
  if (code !== 0 && !counts.failed) counts.failed = 1;
  count(counts);
}

const vitest = (name, ...args) =>
  suite(
    name,
    "vitest/vitest.mjs",
    (file) => ["run", ...args, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
    () => ({}),
    ({ numPassedTests, numFailedTests, numPendingTests, numTodoTests }) => ({
      passed: numPassedTests,
      failed: numFailedTests,
      skipped: numPendingTests + numTodoTests,
    }),
  );

const playwright = (name) =>
  suite(
    name,
    "@playwright/test/cli.js",
    () => ["test", `--project=${name}`, "--reporter=list,json"],
    (file) => ({ PLAYWRIGHT_JSON_OUTPUT_NAME: file }),
    ({ stats }) => ({ passed: stats.expected, failed: stats.unexpected + stats.flaky, skipped: stats.skipped }),
  );

async function main() {
  installMissing();
  mkdirSync(reports, { recursive: true });
  const { compile, bundle } = await import("./build.mjs");
  const { size } = await import("./size.mjs");
  const { ensureBrowsers, ensureTurnServer } = await import("./browsers.mjs");
  // First of all, because without browsers there is no answer that is worth minutes of waiting.
  if (!fast) {
    await ensureBrowsers();
    ensureTurnServer();
  }
  // Each of the two keeps one core busy.
  await Promise.all([
    step("types", compile),
    step("format", () => run("prettier/bin/prettier.cjs", ["--check", "--log-level=warn", "."])),
  ]);
  await step("lint", () => run("oxlint/bin/oxlint", []));
  await step("build", bundle);
  await step("size", size);
  await vitest("tests");
  await vitest("tracker-under-node", "--config", "test/workers/node.config.mts");
  if (!fast) {
    // Both wait for workerd most of the time.
    await Promise.all([
      vitest("workerd", "--config", "test/workers/vitest.config.mts"),
      vitest("workerd-shards", "--config", "test/workers/shards.config.mts"),
    ]);
    await playwright("pages");
    await playwright("swarms");
  }
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  count({ failed: 1 });
}
console.log(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
process.exit(total.failed > 0 ? 1 : 0);
