import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ChunkAddressing, type HashCode } from "../../core/codec/messages.ts";
import { ContentError } from "../../core/content/error.ts";
import {
  chunksIn,
  MAX_CHUNKS,
  MAX_FILES,
  MAX_RENDITIONS,
  parsePresentation,
  serialisePresentation,
  type Presentation,
} from "../../core/content/presentation.ts";
import { sameHash } from "../../core/integrity/hashes.ts";
import { mhashParts } from "../../core/integrity/mhash.ts";
import { readAsset, shown, type Asset } from "./asset.ts";
import { CommandError, systemReason } from "./command-error.ts";
import { hashFiles } from "./hash-files.ts";
import { Output } from "./output.ts";
import { Progress } from "./progress.ts";
import { withSessionData } from "./session-data.ts";

/** Name of the presentation's description, beside its master playlist. */
export const PRESENTATION_NAME = "ppsp.json";
/** Name of the hash tree, beside PRESENTATION_NAME. */
export const HASHES_NAME = "ppsp.mhash";

/** What `publish` is to do. */
export interface PublishOptions {
  /** HLS folder, HLS playlist, MP4 or WebM file. */
  readonly input: string;
  /** Folder for a complete presentation; absent: beside the input. */
  readonly out?: string;
  /** Nominal chunk size, bytes. */
  readonly chunkSize: number;
  readonly hash: HashCode;
  /** @defaultValue 32-bit chunk ranges, RFC 7574's default */
  readonly addressing?: ChunkAddressing;
  /** Tracker URLs, best first; none: those of the ppsp.json that is replaced. */
  readonly trackers: readonly string[];
  /** Makes the publisher's grant for a swarm ID. @defaultValue none is made; that of the same swarm stays */
  readonly grant?: (swarmId: Uint8Array) => Promise<string>;
  readonly signal: AbortSignal;
}

/** What `publish` has written. */
export interface Published {
  readonly presentation: Presentation;
  /** Bytes of all files together. */
  readonly bytes: number;
  /** Paths: ppsp.json, ppsp.mhash, and for HLS the master playlist. */
  readonly written: readonly string[];
  /** What became of the publisher's grant; absent where there never was one. */
  readonly signature?: "new" | "kept" | "dropped";
}

/**
 * Publishes HLS, MP4 or WebM: hashes everything, then writes ppsp.json, ppsp.mhash and the master playlist, which appear
 * together at the end or not at all. With `out` the media and playlists are hard-linked there, or copied where that is
 * not possible. What an operator may have set by hand in a ppsp.json that is replaced (trackers, ICE servers, policy) is kept.
 * @throws CommandError; the signal's reason
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const { input, out, chunkSize, hash, addressing = ChunkAddressing.chunk32, trackers, signal } = options;
  const asset = await readAsset(input);
  const bytes = asset.files.reduce((sum, { length }) => sum + length, 0);
  const chunkCount = asset.files.reduce((sum, { length }) => sum + chunksIn(length, chunkSize), 0);
  if (chunkCount > MAX_CHUNKS)
    throw new CommandError(`${chunkCount} chunks, more than ${MAX_CHUNKS}: use a larger --chunk-size`, input);
  if (asset.files.length > MAX_FILES)
    throw new CommandError(`${asset.files.length} files, more than ${MAX_FILES}`, input);
  if (asset.renditions.length > MAX_RENDITIONS) throw new CommandError(`more than ${MAX_RENDITIONS} renditions`, input);
  const folder = out === undefined ? asset.folder : resolve(out);
  const info = await stat(folder).catch(() => undefined);
  if (info !== undefined && !info.isDirectory()) throw new CommandError("is a file: --out wants a folder", out);
  const previous = await readPrevious(folder, asset);
  const source = folder === asset.folder ? undefined : await readSource(asset);
  const signed = [previous, source].filter((one) => one?.grant !== undefined);

  const output = await Output.open(folder);
  const progress = new Progress();
  progress.expect(bytes);
  try {
    const advance = (done: number): void => progress.advance(done);
    const tree = await hashFiles({ folder: asset.folder, files: asset.files, chunkSize, hash, signal, advance });
    const id = tree.root();
    const made = await options.grant?.(id);
    const kept = signed.find((one) => sameHash(one!.swarm.id, id))?.grant;
    const grant = made ?? kept;
    const before = signed.length === 0 ? undefined : kept === undefined ? "dropped" : "kept";
    const signature = made === undefined ? before : "new";
    const presentation: Presentation = {
      version: 1,
      swarm: { id, chunkSize, addressing, hash, chunkCount },
      hashes: HASHES_NAME,
      files: asset.files,
      renditions: asset.renditions,
      trackers: trackers.length > 0 ? trackers.map((url) => [url]) : (previous?.trackers ?? []),
      iceServers: previous?.iceServers ?? [],
      policy: previous?.policy ?? { p2p: true },
      ...(grant === undefined ? {} : { grant }),
    };
    if (folder !== asset.folder) await linkMedia(output, asset, signal);
    await output.write(HASHES_NAME, mhashParts(tree));
    await output.write(PRESENTATION_NAME, [serialisePresentation(presentation)]);
    const written = [join(folder, PRESENTATION_NAME), join(folder, HASHES_NAME)];
    if (asset.master !== undefined) {
      const path = join(folder, asset.master.name);
      const text = withSessionData(asset.master.text);
      // An unchanged playlist keeps its time stamp.
      if (text !== (await readFile(path, "utf8").catch(() => undefined))) await output.write(asset.master.name, [text]);
      written.push(path);
    }
    signal.throwIfAborted();
    await output.commit();
    return { presentation, bytes, written, ...(signature && { signature }) };
  } catch (error) {
    await output.discard();
    throw error;
  } finally {
    progress.clear();
  }
}

async function linkMedia(
  output: Output,
  { folder, files, renditions, others }: Asset,
  signal: AbortSignal,
): Promise<void> {
  for (const uri of new Set([...[...files, ...renditions].map((named) => named.uri), ...others])) {
    signal.throwIfAborted();
    const name = decodeURIComponent(uri);
    await output.link(name, join(folder, name));
  }
}

/** The presentation of the input of `--out`, if it has one that can be read: its grant holds for the copy too. */
async function readSource(asset: Asset): Promise<Presentation | undefined> {
  try {
    const source = parsePresentation(JSON.parse(await readFile(join(asset.folder, PRESENTATION_NAME), "utf8")));
    return sharesFiles(source, asset) ? source : undefined;
  } catch {
    return undefined;
  }
}

function sharesFiles({ files }: Presentation, asset: Asset): boolean {
  const uris = new Set(asset.files.map(({ uri }) => uri));
  return files.some(({ uri }) => uris.has(uri));
}

/** The presentation that is in the folder already. @throws CommandError if it is one of other files, which would be lost */
async function readPrevious(folder: string, asset: Asset): Promise<Presentation | undefined> {
  const path = join(folder, PRESENTATION_NAME);
  let previous: Presentation;
  try {
    previous = parsePresentation(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const broken = error instanceof ContentError || error instanceof SyntaxError;
    if (!broken) throw new CommandError(systemReason(error), shown(path));
    // A SyntaxError may cite several lines of the file.
    const problem = error.message.replaceAll(/\s+/g, " ");
    throw new CommandError(`${problem}: delete this file to publish anew`, shown(path));
  }
  if (sharesFiles(previous, asset)) return previous;
  const elsewhere = folder === asset.folder ? "--out" : "another --out";
  throw new CommandError(`publishes other files: use ${elsewhere}, or delete it to give that up`, shown(path));
}
