/**
 * `npm start`: installs and builds what is missing, then runs the tracker and an HTTP origin with the watch page and the sample until
 * Ctrl-C. Prints `ready URL` when the page can be opened.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { installMissing, root } from "./install.mjs";

const host = "127.0.0.1";

const usage = `Usage: npm start -- [--port N] [--tracker-port N] [--origin-delay MS] [--origin-kbit N]

  --port N           port of the watch page and the sample, 0 for a free one (8080)
  --tracker-port N   port of the tracker, 0 for a free one (8090)
  --origin-delay MS  wait before each answer of the origin (0)
  --origin-kbit N    rate of each media response, kbit/s (as fast as it goes)`;

/** A mistake of whoever typed the command: one line, exit code 2. */
class UsageError extends Error {}

function readFlags() {
  const string = { type: "string" };
  const options = {
    port: string,
    "tracker-port": string,
    "origin-delay": string,
    "origin-kbit": string,
    help: { type: "boolean" },
  };
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new UsageError(error.message.split(". ")[0]);
  }
  if (values.help === true) {
    console.log(usage);
    process.exit(0);
  }
  function number(name, fallback, min, max) {
    const text = values[name];
    if (text === undefined) return fallback;
    if (!/^\d+$/.test(text) || Number(text) < min || Number(text) > max)
      throw new UsageError(`--${name} takes a whole number from ${min} to ${max}, not "${text}"`);
    return Number(text);
  }
  return {
    port: number("port", 8080, 0, 65_535),
    trackerPort: number("tracker-port", 8090, 0, 65_535),
    delayMs: number("origin-delay", 0, 0, 600_000),
    kbit: number("origin-kbit", Infinity, 1, 10_000_000),
  };
}

/** Says at once that a port is taken, not after minutes of installing. */
async function checkPort(flag, port) {
  if (port === 0) return;
  const probe = createServer();
  await new Promise((resolve, reject) => {
    probe.once("error", (error) =>
      reject(
        error.code === "EADDRINUSE"
          ? new UsageError(`port ${port} is in use; choose another with --${flag}`)
          : new UsageError(`port ${port}: ${error.message}`),
      ),
    );
    probe.listen(port, host, () => probe.close(resolve));
  });
}

/** The sample's metadata with the tracker that runs here, as `ppsp publish --tracker URL` would have written it. */
const sampleAt = (tracker) => ({
  ...JSON.parse(readFileSync(`${root}dist/sample/ppsp.json`, "utf8")),
  trackers: [[tracker]],
});

async function main() {
  const { port, trackerPort, delayMs, kbit } = readFlags();
  if (port !== 0 && port === trackerPort) throw new UsageError(`--port and --tracker-port are both ${port}`);
  await checkPort("port", port);
  await checkPort("tracker-port", trackerPort);
  installMissing();
  await build();
  const { startTracker } = await import("../build/src/node/tracker.js");
  const { startOrigin } = await import("../build/src/node/origin.js");

  const running = [];
  let ending = false;
  async function end() {
    if (ending) return;
    ending = true;
    await Promise.allSettled(running.map((part) => part.close()));
    process.exit(0);
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => void end());
  // npm and its shell do not pass on a signal that only they get. Where they end by it, they leave us to another parent.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event === "start")
    setInterval(() => process.ppid !== parent && void end(), 500).unref();

  const tracker = await startTracker({ port: trackerPort, host, open: true });
  running.push(tracker);
  const origin = await startOrigin({
    root: `${root}dist`,
    port,
    host,
    delayMs,
    kbit,
    json: { "/sample/ppsp.json": sampleAt(tracker.url) },
  });
  running.push(origin);
  const slow = [delayMs > 0 ? `${delayMs} ms late` : "", Number.isFinite(kbit) ? `media at ${kbit} kbit/s` : ""]
    .filter(Boolean)
    .join(", ");
  console.log(`tracker ${tracker.url}`);
  if (slow !== "") console.log(`origin  ${slow}`);
  console.log("Open the page in two windows, the second one some seconds later. Ctrl-C ends everything.");
  console.log(`ready ${origin.url}`);
}

try {
  await main();
} catch (error) {
  console.error(`npm start: ${error.message}`);
  process.exit(error instanceof UsageError || error.code === "EADDRINUSE" ? 2 : 1);
}
