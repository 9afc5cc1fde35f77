import { CommandError } from "./publish/command-error.ts";

const HELP = `ppsp: peer-to-peer video over the IETF's own protocols

  ppsp publish INPUT   prepare HLS, MP4 or WebM for peers
  ppsp check URL|DIR   verify what is published
  ppsp tracker         run a tracker
  ppsp seed FILE       serve a file to peers over UDP
  ppsp get SWARM|URL   fetch a file from peers over UDP
  ppsp --version

ppsp COMMAND --help says more.
`;

/**
 * Runs the command line `args`, without node and script, of this package's `version`; gives the exit code: 0 done, 1 findings, 2 bad input or
 * arguments, 130 interrupted. Never throws for a user's mistake: that is one line on stderr.
 */
export async function main(args: readonly string[], version: string): Promise<number> {
  const [command = "--help", ...rest] = args;
  const label = command.startsWith("-") ? "ppsp" : `ppsp ${command}`;
  try {
    switch (command) {
      case "publish":
        return await interruptible(async (signal) =>
          (await import("./publish/command.ts")).publishCommand(rest, signal),
        );
      case "check":
        return await interruptible(async (signal) => (await import("./check/command.ts")).checkCommand(rest, signal));
      case "tracker":
        return await (await import("./tracker.ts")).trackerCommand(rest);
      case "seed":
        return await interruptible(async (signal) => (await import("./seed/command.ts")).seedCommand(rest, signal));
      case "get":
        return await interruptible(async (signal) => (await import("./get/command.ts")).getCommand(rest, signal));
      case "--version":
      case "-v":
        process.stdout.write(`${version}\n`);
        return 0;
      case "--help":
      case "-h":
      case "help":
        process.stdout.write(HELP);
        return args.length === 0 ? 2 : 0;
      default:
        throw new CommandError("no such command: see ppsp --help");
    }
  } catch (error) {
    if (error instanceof Interrupted) return 130;
    if (!(error instanceof CommandError) && !isArgumentError(error)) throw error;
    process.stderr.write(`${label}: ${error.message.split("\n")[0]}\n`);
    return 2;
  }
}

/** The user pressed Ctrl-C. */
class Interrupted extends Error {}

/** Runs a command that cleans up after itself when Ctrl-C or an end signal comes. */
async function interruptible(run: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new Interrupted());
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  try {
    return await run(controller.signal);
  } finally {
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}

/** What node:util's parseArgs throws for unknown options and missing values. */
function isArgumentError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_");
}
