import { parseArgs } from "node:util";
import { ContentError } from "../../core/content/error.ts";
import { parsePresentation, type Presentation } from "../../core/content/presentation.ts";
import { decodedPath } from "../../core/content/uri.ts";
import { CommandError, MISSING } from "../publish/command-error.ts";
import { Progress } from "../publish/progress.ts";
import { checkFiles, checkHashes } from "./content.ts";
import { Findings } from "./findings.ts";
import { checkMaster, checkPlaylists, findPresentation, readMaster, readText, type Master } from "./playlists.ts";
import { checkServer, checkTrackers } from "./server.ts";
import { readTarget, type Source, type Target } from "./source.ts";

/** Text of `ppsp check --help`. */
export const CHECK_HELP = `ppsp check URL|DIR

Verifies a published presentation: every file against its root, the hash tree, the trackers, and at a
URL also what the server lets browsers do. URL or DIR is its folder, its ppsp.json, its master playlist or its
single MP4 or WebM file. Prints one line per finding. Exit code 0: all is well, 1: something failed, 2: wrong arguments.
`;

/** Runs `ppsp check`; gives the exit code. @throws CommandError */
export async function checkCommand(args: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { help: { type: "boolean", short: "h", default: false } },
  });
  if (values.help) {
    process.stdout.write(CHECK_HELP);
    return 0;
  }
  const [place, ...rest] = positionals;
  if (place === undefined || rest.length > 0)
    throw new CommandError("check wants one URL or DIR: see ppsp check --help");
  const findings = await check(await readTarget(place, signal), signal, (line) => process.stdout.write(`${line}\n`));
  return findings.failed > 0 ? 1 : 0;
}

/** Checks everything, and prints a line per finding. */
export async function check(target: Target, signal: AbortSignal, print: (line: string) => void): Promise<Findings> {
  const { source } = target;
  const progress = new Progress();
  const findings = new Findings((line) => {
    progress.clear();
    print(line);
  });
  const named = target.playlist === undefined ? undefined : await readMaster(source, target.playlist, findings);
  const name = target.presentation ?? (named && findPresentation(named, findings));
  const presentation = name === undefined ? undefined : await readPresentation(source, name, findings);
  if (name === undefined || presentation === undefined) return findings;
  const { file } = target;
  if (file !== undefined && !presentation.files.some(({ uri }) => decodedPath(uri) === decodedPath(file)))
    findings.fail(file, `is not in ${name}: run ppsp publish`);
  const tree = await checkHashes(source, presentation, findings);
  progress.expect(presentation.files.reduce((sum, { length }) => sum + length, 0));
  await checkFiles(source, presentation, tree, findings, (bytes) => {
    signal.throwIfAborted();
    progress.advance(bytes);
  });
  progress.clear();
  await checkPlaylists(source, presentation, findings);
  const master = named ?? (await findMaster(source, name, presentation, findings));
  if (master !== undefined) checkMaster(master, presentation, findings);
  if (source.base !== undefined) {
    const names = master === undefined ? [name] : [name, master.name];
    await checkServer(source.base, presentation, names, findings, signal);
  }
  await checkTrackers(presentation, findings, signal);
  return findings;
}

/** The master playlist of a presentation that was not named by it; a single file has none. */
async function findMaster(
  source: Source,
  name: string,
  { renditions }: Presentation,
  findings: Findings,
): Promise<Master | undefined> {
  if (renditions.length === 0) return undefined;
  const master = await readMaster(source, undefined, findings);
  if (master !== undefined) findPresentation(master, findings, name);
  return master;
}

async function readPresentation(source: Source, name: string, findings: Findings): Promise<Presentation | undefined> {
  const text = await readText(source, name, (problem) =>
    findings.fail(name, problem === MISSING ? `${problem}: run ppsp publish` : problem),
  );
  if (text === undefined) return undefined;
  try {
    const presentation = parsePresentation(JSON.parse(text));
    findings.ok(name, `${presentation.files.length} files in ${presentation.swarm.chunkCount} chunks`);
    if (!presentation.policy.p2p) findings.warn(name, "policy.p2p is false: viewers use no peers");
    return presentation;
  } catch (error) {
    if (!(error instanceof ContentError || error instanceof SyntaxError)) throw error;
    findings.fail(name, error.message.split("\n")[0]!);
    return undefined;
  }
}
