import { once } from "node:events";
import { parseArgs } from "node:util";
import type { SwarmMetadata } from "../../core/connection/metadata.ts";
import { MAX_CHUNKS } from "../../core/content/presentation.ts";
import { formatSwarmUrl } from "../../core/content/url.ts";
import { OPEN_SLOTS, RECIPROCAL_SLOTS } from "../../core/swarm/choker.ts";
import type { MerkleTree } from "../../core/integrity/tree.ts";
import type { SwarmOptions } from "../../core/swarm/swarm.ts";
import type { News } from "../../engine/host.ts";
import { UploadMeter } from "../../engine/report.ts";
import { systemClock } from "../../engine/system.ts";
import { CommandError } from "../publish/command-error.ts";
import { Progress } from "../publish/progress.ts";
import { FileStore } from "../store/file-store.ts";
import { fileLength, hashFile } from "../store/leftover.ts";
import { formatAddress, parseAddress, resolveAddress, type UdpAddress } from "../udp/address.ts";
import { readSwarmArguments, SWARM_OPTIONS, SWARM_OPTIONS_HELP, type SwarmArguments } from "../udp/arguments.ts";
import { readChoker } from "../udp/policies.ts";
import { UdpHost } from "../udp/host.ts";
import { UdpSocket } from "../udp/socket.ts";
import { readTrackerChoice, TRACKER_OPTIONS, TRACKER_OPTIONS_HELP } from "../udp/tracker-arguments.ts";
import { type TrackerChoice, UdpTrackers, type UdpTrackersOptions } from "../udp/trackers.ts";

const HELP = `ppsp seed FILE [options]

Serves a file to PPSPP peers over UDP until Ctrl-C, or until it is written to. Prints: ready swarm=HEX udp=HOST:PORT
and then a ppsp: URL, which is all that ppsp get needs once --udp names an address or --tracker a tracker.
Registers with trackers, which then send peers here.

  --udp HOST:PORT    where to listen, port 0 for a free one (default 0.0.0.0:0)
  --choker NAME      whom to serve when many ask: open (in turn) or reciprocal (who passes chunks on; default open)
  --slots N          peers to serve at a time (default ${OPEN_SLOTS}, reciprocal ${RECIPROCAL_SLOTS})
  --no-pex           neither ask nor tell where other peers are
${TRACKER_OPTIONS_HELP}${SWARM_OPTIONS_HELP}`;

/** What to seed, and where. */
export interface SeedJob extends SwarmArguments {
  readonly file: string;
  readonly udp: UdpAddress;
  readonly signal: AbortSignal;
  /** Whom to serve, and whether to tell peers of each other. */
  readonly policies?: Pick<SwarmOptions, "choker" | "pex">;
  /** Where to register. */
  readonly trackers?: TrackerChoice;
  /** One line about trouble that may pass. */
  readonly warn?: (line: string) => void;
}

/** A seeder that runs. */
export interface Seeder {
  /** Swarm ID in lower-case hexadecimal. */
  readonly swarm: string;
  readonly metadata: SwarmMetadata;
  readonly socket: UdpSocket;
  /** Why nothing is served any more, once the file is not the one that was hashed. */
  readonly changed: Promise<CommandError>;
  /** Says goodbye and frees file and port. */
  close(): Promise<void>;
}

/** Runs `ppsp seed` until the signal, or until somebody writes to the file. @throws CommandError; the signal's reason */
export async function seedCommand(args: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...SWARM_OPTIONS,
      ...TRACKER_OPTIONS,
      choker: { type: "string", default: "open" },
      slots: { type: "string" },
      "no-pex": { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new CommandError("seed wants one FILE: see ppsp seed --help");
  const udp = await resolveAddress(parseAddress(values.udp ?? "0.0.0.0:0", "--udp"));
  const policies = {
    choker: readChoker(values.choker, values.slots),
    ...(values["no-pex"] && { pex: undefined }),
  };
  const choice = readTrackerChoice(values);
  const warn = (line: string): void => void process.stderr.write(`ppsp seed: ${line}\n`);
  const seeder = await seed({ file, udp, signal, policies, trackers: choice, warn, ...readSwarmArguments(values) });
  const { address } = seeder.socket;
  // Nobody can be sent to the address that stands for all of them.
  const peers = /^(?:0\.0\.0\.0|::)$/.test(address.host) ? [] : [formatAddress(address)];
  process.stdout.write(`ready swarm=${seeder.swarm} udp=${formatAddress(address)}\n`);
  process.stdout.write(`${formatSwarmUrl({ ...seeder.metadata, trackers: choice.tiers.flat(), peers })}\n`);
  if (peers.length === 0 && choice.tiers.length === 0)
    warn(
      `the URL names no peer: add --peer YOUR-ADDRESS:${address.port} to ppsp get, or give --udp YOUR-ADDRESS:PORT here`,
    );
  const interrupted = signal.aborted ? undefined : once(signal, "abort").then(() => undefined);
  const error = await Promise.race([interrupted, seeder.changed]);
  await seeder.close();
  throw error ?? signal.reason;
}

/** Hashes a file and serves it. @throws CommandError if file or address cannot be had; the signal's reason */
export async function seed(job: SeedJob): Promise<Seeder> {
  const { file, udp, signal, chunkSize, hash, addressing, compat, policies } = job;
  const length = await fileLength(file);
  if (length === undefined) throw new CommandError("does not exist", file);
  if (length === 0) throw new CommandError("the file is empty", file);
  if (length > MAX_CHUNKS * chunkSize)
    throw new CommandError(`more than ${MAX_CHUNKS} chunks: use a larger --chunk-size`, file);
  // Before it is hashed, so that what is written from then on is noticed.
  const store = new FileStore(file, "read", chunkSize, length);
  let socket: UdpSocket | undefined;
  try {
    socket = await UdpSocket.bind(udp);
    const tree = await hashWithProgress(file, length, { chunkSize, hash, signal });
    const { chunkCount } = tree;
    const metadata: SwarmMetadata = { id: tree.root(), chunkSize, variableSize: false, addressing, hash, chunkCount };
    let tell: (error: CommandError) => void = () => undefined;
    const changed = new Promise<CommandError>((resolve) => (tell = resolve));
    const get = (chunk: number): Uint8Array | undefined => {
      const data = store.get(chunk);
      if (store.isChanged) tell(new CommandError("has changed since it was hashed: it is not served any more", file));
      return data;
    };
    const nothing = (): void => undefined;
    let uploadedBytes = 0;
    const news = (one: News): void => {
      if (one.type === "uploaded") uploadedBytes += one.bytes;
    };
    const swarm: SwarmOptions = {
      metadata,
      chunkLength: (chunk) => Math.min(chunkSize, length - chunk * chunkSize),
      ...policies,
      ...(compat === undefined ? {} : { compat }),
    };
    const host = new UdpHost({ swarm, socket, store: { get, put: nothing }, news, failed: nothing });
    host.swarm.verifier.verifyPeaks(tree.peaks());
    const proven = host.swarm.verifier.tree!;
    for (let bin = 0; bin < 2 * chunkCount - 1; bin++) {
      const node = tree.get(bin);
      if (node !== undefined) proven.set(bin, node);
    }
    host.step({ type: "have", swarm: host.swarm.key, chunks: { start: 0, end: chunkCount - 1 } });
    const meter = new UploadMeter();
    const trackers = registered(job, {
      swarm: host.swarm.key,
      mode: "SEED",
      socket,
      report: () => ({
        uploadedBytes,
        downloadedBytes: 0,
        availBandwidth: meter.measure(uploadedBytes, systemClock.now()),
      }),
      // A seeder is found, and looks for nobody.
      meet: nothing,
      wants: () => false,
    });
    const close = async (): Promise<void> => {
      await Promise.all([trackers?.leave(), host.close()]);
      store.close();
    };
    return { swarm: host.swarm.key, metadata, socket, changed, close };
  } catch (error) {
    store.close();
    await socket?.close();
    throw error;
  }
}

/** The seeder at its trackers, if it has any. */
function registered(
  { trackers, warn = () => undefined }: SeedJob,
  options: Omit<UdpTrackersOptions, keyof TrackerChoice | "warn">,
): UdpTrackers | undefined {
  if (trackers === undefined || trackers.tiers.length === 0) return undefined;
  return new UdpTrackers({ ...options, ...trackers, warn });
}

async function hashWithProgress(
  file: string,
  length: number,
  options: Pick<SeedJob, "chunkSize" | "hash" | "signal">,
): Promise<MerkleTree> {
  const progress = new Progress();
  progress.expect(length);
  try {
    return await hashFile(file, length, { ...options, advance: (bytes) => progress.advance(bytes) });
  } finally {
    progress.clear();
  }
}
