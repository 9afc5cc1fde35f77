import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Log, LogLevel, Miniflare } from "miniflare";
import { CommandError } from "./publish/command-error.ts";

const HELP = `ppsp tracker: run a PPSP-TP tracker with WebRTC signalling

  ppsp tracker [--open | --swarm ID...] [--port N] [--host H]

  --open       serve every swarm that a peer names
  --swarm ID   serve only this swarm (its id as in ppsp.json); may be given several times
  --port N     port to listen on, 0 for a free one (8090)
  --host H     address to listen on (127.0.0.1)

Peers of the base protocol are told apart by their IP address. A request may state one in CF-Connecting-IP, as the
edge does: where strangers reach this port, put a proxy in front that overwrites that field.
`;

/** How to run a tracker. */
export interface TrackerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** @defaultValue "127.0.0.1" */
  readonly host?: string;
  /** Serve any swarm. @defaultValue false */
  readonly open?: boolean;
  /** SwarmIDs that are served, lower-case hex. @defaultValue none */
  readonly swarms?: readonly string[];
  /** Seconds of silence after which a peer is forgotten. @defaultValue 120 */
  readonly trackTimer?: number;
}

/** A tracker that runs. */
export interface RunningTracker {
  readonly url: string;
  readonly port: number;
  /** Ends it, and workerd with it. Idempotent. */
  close(): Promise<void>;
}

/**
 * Runs tracker-worker in workerd; its state lives as long as it runs.
 *
 * @throws CommandError when the port cannot be had or the Worker has not been built.
 */
export async function startTracker(options: TrackerOptions): Promise<RunningTracker> {
  const { port, host = "127.0.0.1", open = false, swarms = [], trackTimer } = options;
  await checkPort(port, host);
  const scriptPath = workerPath();
  const miniflare = new Miniflare({
    host,
    port,
    cf: false,
    telemetry: { enabled: false },
    log: new Log(LogLevel.ERROR),
    modules: true,
    // Without a root, Miniflare takes the working directory, and fails where the bundle is not below it.
    modulesRoot: dirname(scriptPath),
    scriptPath,
    compatibilityDate: "2026-04-01",
    durableObjects: {
      SWARM: { className: "Swarm", useSQLite: true },
      PEER: { className: "PeerObject", useSQLite: true },
    },
    bindings: {
      OPEN: String(open),
      SWARMS: swarms.join(" "),
      ...(trackTimer !== undefined && { TRACK_TIMER: String(trackTimer) }),
    },
  });
  const { href, port: bound } = await miniflare.ready;
  let closing: Promise<void> | undefined;
  return { url: href, port: Number(bound), close: () => (closing ??= miniflare.dispose()) };
}

/**
 * The command `ppsp tracker`: runs until Ctrl-C; gives the exit code, 130 when interrupted.
 *
 * @throws CommandError and node:util's argument errors.
 */
export async function trackerCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: "string", default: "8090" },
      host: { type: "string", default: "127.0.0.1" },
      open: { type: "boolean", default: false },
      swarm: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!/^\d{1,5}$/u.test(values.port) || Number(values.port) > 0xffff)
    throw new CommandError(`no such port: ${values.port}`);
  const swarms = values.swarm.map((swarm) => swarm.toLowerCase());
  const bad = swarms.find((swarm) => !/^(?:[0-9a-f]{2})+$/u.test(swarm));
  if (bad !== undefined) throw new CommandError(`a swarm id is hexadecimal, not ${bad}`);
  const ended = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  const tracker = await startTracker({ port: Number(values.port), host: values.host, open: values.open, swarms });
  if (!values.open && swarms.length === 0) {
    process.stderr.write("ppsp tracker: no swarm is served; name some with --swarm ID, or serve all with --open\n");
  }
  process.stdout.write(`ready ${tracker.url}\n`);
  await ended;
  await tracker.close();
  return 130;
}

/** The bundle of tracker-worker, seen from build/src/node or from src/node. */
function workerPath(): string {
  for (const candidate of ["../../tracker-worker.js", "../../build/tracker-worker.js"]) {
    const path = fileURLToPath(new URL(candidate, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new CommandError("the tracker's Worker has not been built: run npm run build");
}

/** workerd's own message about a port is neither short nor early. @throws CommandError */
async function checkPort(port: number, host: string): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(port, host);
    await once(probe, "listening");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") throw new CommandError(`port ${port} is in use`);
    throw new CommandError(`cannot listen on ${host}, port ${port}: ${message}`);
  }
  probe.close();
  await once(probe, "close");
}
