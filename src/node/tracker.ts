import { once } from "node:events";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { TrackerFront } from "../tracker/front.ts";
import { refuse } from "../tracker/exchange.ts";
import { type ParameterName, PARAMETERS } from "../tracker/parameter-list.ts";
import { Parameters, type ParameterTexts, parameterTexts } from "../tracker/parameters.ts";
import { SourceLimiter } from "../tracker/sources.ts";
import { CommandError } from "./publish/command-error.ts";
import { LocalObjects, TrackerState } from "./tracker/objects.ts";
import { addressOf, startServer } from "./tracker/server.ts";
import { loadState, saveState } from "./tracker/state.ts";

const HELP = `ppsp tracker: run a PPSP-TP tracker with WebRTC signalling

  ppsp tracker [--open | --swarm ID... | --publisher KEY...] [--port N] [--host H] [--tls-cert FILE --tls-key FILE]
               [--state FILE] [--set NAME=VALUE...]

  --open            serve every swarm that a peer names
  --swarm ID        serve only this swarm (its id as in ppsp.json); may be given several times
  --publisher KEY   serve the swarms that this publisher vouches for (its public text, as
                    ppsp publish --new-key prints it); may be given several times
  --port N          port to listen on, 0 for a free one (8090)
  --host H          address to listen on (127.0.0.1, this machine only; 0.0.0.0: all)
  --tls-cert FILE   certificate chain in PEM: the tracker then speaks HTTPS
  --tls-key FILE    its private key in PEM
  --state FILE      keep members here, so that they survive a restart
  --set NAME=VALUE  a parameter; each can also be set as environment variable PPSP_NAME
  --parameters      list all parameters

Behind a proxy, --set SOURCE_HEADER=NAME names the header field in which the proxy states the peer's address.
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
  /** Public keys of publishers whose swarms are served. @defaultValue none */
  readonly publishers?: readonly string[];
  /** Seconds of silence after which a peer is forgotten. @defaultValue 120 */
  readonly trackTimer?: number;
  /** File in which members survive a restart. @defaultValue none */
  readonly state?: string;
  /** PEM. @defaultValue none: HTTP */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** Further parameters (src/tracker/parameter-list.ts). */
  readonly parameters?: ParameterTexts;
  /** Takes log lines, one JSON text each. @defaultValue nobody */
  readonly log?: (line: string) => void;
}

/** A tracker that runs. */
export interface RunningTracker {
  readonly url: string;
  readonly port: number;
  /** Ends it, and writes its state. Idempotent. */
  close(): Promise<void>;
}

/**
 * Runs the tracker of src/tracker in this process.
 *
 * @throws CommandError when the port cannot be had, or a parameter, the certificate or the state not be used.
 */
export async function startTracker(options: TrackerOptions): Promise<RunningTracker> {
  const { port, host = "127.0.0.1", tls, state: path, log = () => undefined } = options;
  const parameters = parametersOf(options);
  const state = path === undefined ? new TrackerState() : await loadState(path, Date.now());
  // A place that cannot be written is known of before anybody relies on it.
  if (path !== undefined) await saveState(path, state, Date.now());
  const objects = new LocalObjects(parameters, state, log);
  const { registry } = objects;
  const perHour = parameters.number("ENROL_RATE");
  const enrolments = new SourceLimiter(perHour / 3600, perHour, parameters.number("SOURCE_TABLE"));
  const front = new TrackerFront({
    parameters,
    objects,
    registry,
    desk: (swarmId) => objects.desk(swarmId),
    mayEnrol: async (source) => enrolments.take(source, Date.now()),
    signal: async (request, swarmId) =>
      objects.local(swarmId)?.desk.signals.poll(request) ?? refuse("forbidden", "Peer not registered"),
    collect: () => objects.collect(),
    now: () => Date.now(),
    date: (at) => new Date(at),
  });
  await front.flush();
  const swarm = objects.local.bind(objects);
  const server = await startServer({ port, host, parameters, front, swarm, ...(tls !== undefined && { tls }) });
  const { url, port: bound } = addressOf(server, tls !== undefined);
  await registry.log({ event: "tracker-started", level: "info", detail: url });
  const keeper =
    path === undefined
      ? undefined
      : keep(path, state, parameters.number("STATE_INTERVAL") * 1000, (detail) =>
          registry.log({ event: "failure", level: "error", detail }),
        );
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    objects.stop();
    await keeper?.end();
    await registry.log({ event: "tracker-ended", level: "info" });
  };
  let closing: Promise<void> | undefined;
  return { url, port: bound, close: () => (closing ??= close()) };
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
      publisher: { type: "string", multiple: true, default: [] },
      "tls-cert": { type: "string" },
      "tls-key": { type: "string" },
      state: { type: "string" },
      set: { type: "string", multiple: true, default: [] },
      parameters: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help || values.parameters) {
    process.stdout.write(values.help ? HELP : listing());
    return 0;
  }
  if (!/^\d{1,5}$/u.test(values.port) || Number(values.port) > 0xffff)
    throw new CommandError(`no such port: ${values.port}`);
  const swarms = values.swarm.map((swarm) => swarm.toLowerCase());
  const bad = swarms.find((swarm) => !/^(?:[0-9a-f]{2})+$/u.test(swarm));
  if (bad !== undefined) throw new CommandError(`a swarm id is hexadecimal, not ${bad}`);
  const publishers = values.publisher.map((key) => key.toLowerCase());
  const tls = tlsOf(values["tls-cert"], values["tls-key"]);
  const parameters = { ...fromEnvironment(), ...Object.fromEntries(values.set.map(setting)) };
  const ended = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  const tracker = await startTracker({
    port: Number(values.port),
    host: values.host,
    ...(values.open && { open: true }),
    ...(swarms.length > 0 && { swarms }),
    ...(publishers.length > 0 && { publishers }),
    ...(tls !== undefined && { tls }),
    ...(values.state !== undefined && { state: values.state }),
    parameters,
    log: (line) => void process.stderr.write(`${line}\n`),
  });
  const named = swarms.length + publishers.length > 0 || parameters["SWARMS"] || parameters["PUBLISHERS"];
  if (!values.open && !named && parameters["OPEN"] !== "true") {
    process.stderr.write(
      "ppsp tracker: no swarm is served; name some with --swarm ID or --publisher KEY, or serve all with --open\n",
    );
  }
  process.stdout.write(`ready ${tracker.url}\n`);
  await ended;
  await tracker.close();
  return 130;
}

/** @throws CommandError */
function parametersOf({ open, swarms, publishers, trackTimer, parameters }: TrackerOptions): Parameters {
  try {
    return new Parameters({
      ...parameters,
      ...(open !== undefined && { OPEN: String(open) }),
      ...(swarms !== undefined && { SWARMS: swarms.join(" ") }),
      ...(publishers !== undefined && { PUBLISHERS: publishers.join(" ") }),
      ...(trackTimer !== undefined && { TRACK_TIMER: String(trackTimer) }),
    });
  } catch (error) {
    if (error instanceof RangeError) throw new CommandError(error.message);
    throw error;
  }
}

/** Writes the state from time to time while it changes, and at the end; `failed` hears why it could not. */
function keep(
  path: string,
  state: TrackerState,
  interval: number,
  failed: (reason: string) => Promise<void>,
): { end(): Promise<void> } {
  let writing: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    writing = writing.then(async () => {
      if (!state.changed) return;
      state.changed = false;
      try {
        await saveState(path, state, Date.now());
      } catch (error) {
        state.changed = true;
        await failed((error as Error).message);
      }
    });
    return writing;
  };
  const timer = setInterval(() => void write(), interval);
  timer.unref();
  return {
    async end() {
      clearInterval(timer);
      state.changed = true;
      await write();
    },
  };
}

/** @throws CommandError */
function tlsOf(cert: string | undefined, key: string | undefined): TrackerOptions["tls"] {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new CommandError("--tls-cert and --tls-key go together");
  try {
    return { cert: readFileSync(cert), key: readFileSync(key) };
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}

/** One --set. @throws CommandError */
function setting(text: string): readonly [ParameterName, string] {
  const at = text.indexOf("=");
  const name = text.slice(0, Math.max(at, 0));
  if (!(name in PARAMETERS)) throw new CommandError(`--set takes NAME=VALUE: see ppsp tracker --parameters`);
  return [name as ParameterName, text.slice(at + 1)];
}

/** @throws CommandError for a name that no parameter has: a slip must not leave a tracker without its secret */
function fromEnvironment(): ParameterTexts {
  const own = Object.entries(process.env).filter(([name]) => name.startsWith("PPSP_"));
  const texts = own.map(([name, value]) => [name.slice("PPSP_".length), value] as const);
  const unknown = texts.find(([name]) => !(name in PARAMETERS));
  if (unknown !== undefined)
    throw new CommandError(`PPSP_${unknown[0]} is no parameter: see ppsp tracker --parameters, or unset it`);
  return parameterTexts(Object.fromEntries(texts));
}

const listing = (): string =>
  new Parameters({})
    .list()
    .map(
      ({ name, default: standard, unit, range, meaning }) =>
        `${name} (${range === undefined ? unit : `${range[0]} to ${range[1]} ${unit}`}; default ${standard || "empty"})\n  ${meaning}\n`,
    )
    .join("");
