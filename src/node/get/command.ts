import { parseArgs } from "node:util";
import { CommandError } from "../publish/command-error.ts";
import { Progress } from "../publish/progress.ts";
import { parseAddress, resolveAddress } from "../udp/address.ts";
import { SWARM_OPTIONS, SWARM_OPTIONS_HELP } from "../udp/arguments.ts";
import { readPicker } from "../udp/policies.ts";
import { readTrackerChoice, TRACKER_OPTIONS, TRACKER_OPTIONS_HELP } from "../udp/tracker-arguments.ts";
import { readWanted } from "./arguments.ts";
import { get } from "./get.ts";

const HELP = `ppsp get SWARM|ppsp:URL --peer HOST:PORT... --tracker URL... --out FILE [options]

Fetches a file from PPSPP peers over UDP, and verifies all of it against SWARM, its Merkle root in hexadecimal.
A ppsp: URL, as ppsp seed prints it, says that and the options, and may name peers and trackers.
What FILE holds already is verified and not fetched again; the rest of it is overwritten. Meanwhile others may fetch from here.

  --peer HOST:PORT   a peer; repeat it for more
  --out FILE         where to write
  --udp HOST:PORT    where to listen (default: any address, a free port)
  --picker NAME      which chunks first: deadline (in the file's order per peer) or rarest (default deadline)
  --no-pex           do not find other peers through those named
  --timeout S        give up after this many seconds (default: never)
${TRACKER_OPTIONS_HELP}                     (default: those of the URL)
${SWARM_OPTIONS_HELP}
These must be what the seeder was given. Exit code 0: complete and verified, 1: not complete, 2: wrong arguments.
`;

/** Longest that a timer can wait, seconds. */
const MAX_TIMEOUT_S = 2_147_483;

/** Runs `ppsp get`; gives the exit code. @throws CommandError; the signal's reason */
export async function getCommand(args: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...SWARM_OPTIONS,
      peer: { type: "string", multiple: true, default: [] },
      out: { type: "string" },
      ...TRACKER_OPTIONS,
      timeout: { type: "string" },
      picker: { type: "string", default: "deadline" },
      "no-pex": { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [id, ...rest] = positionals;
  if (id === undefined || rest.length > 0) throw new CommandError("get wants one SWARM: see ppsp get --help");
  const { metadata, compat, peers: known, trackers: told } = readWanted(id, values);
  const { out, timeout, udp } = values;
  const named = [...known, ...values.peer];
  if (out === undefined) throw new CommandError("get wants --out FILE");
  const trackers = readTrackerChoice(values, told);
  if (named.length === 0 && trackers.tiers.length === 0)
    throw new CommandError("get wants at least one --peer HOST:PORT or --tracker URL");
  const seconds = timeout === undefined ? undefined : Number(timeout);
  if (seconds !== undefined && !(seconds > 0 && seconds <= MAX_TIMEOUT_S))
    throw new CommandError(`--timeout ${timeout}: wants seconds, more than 0 and at most ${MAX_TIMEOUT_S}`);
  const peers = await Promise.all(
    named
      .map((text) => parseAddress(text, "--peer"))
      .map((peer) => {
        if (peer.port === 0) throw new CommandError("--peer: nobody has port 0");
        return resolveAddress(peer);
      }),
  );
  const anyAddress = { host: peers.some(({ host }) => host.includes(":")) ? "::" : "0.0.0.0", port: 0 };
  const local = udp === undefined ? anyAddress : await resolveAddress(parseAddress(udp, "--udp"));
  const policies = { picker: readPicker(values.picker), ...(values["no-pex"] && { pex: undefined }) };
  const progress = new Progress();
  const tell = (line: string): void => {
    progress.clear();
    process.stderr.write(`ppsp get: ${line}\n`);
  };
  // The timer holds its controller; a signal of AbortSignal.timeout may be collected before its time, and never come.
  const ending = new AbortController();
  const timer = seconds === undefined ? undefined : setTimeout(() => ending.abort(), seconds * 1000);
  const outcome = await get({
    metadata,
    ...(compat === undefined ? {} : { compat }),
    peers,
    trackers,
    out,
    policies,
    udp: local,
    signal: AbortSignal.any([signal, ending.signal]),
    progress,
    warn: tell,
  }).finally(() => clearTimeout(timer));
  progress.clear();
  if (!outcome.complete) signal.throwIfAborted();
  if (outcome.complete) process.stdout.write(`complete ${outcome.length} bytes in ${out}\n`);
  else tell(outcome.reason);
  return outcome.complete ? 0 : 1;
}
