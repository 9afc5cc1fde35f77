import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { PresentationFile, Rendition } from "../../core/content/presentation.ts";
import { isRelativeUri } from "../../core/content/uri.ts";
import { CommandError, systemReason } from "./command-error.ts";
import {
  isMasterPlaylist,
  otherResources,
  parseMasterPlaylist,
  parseMediaPlaylist,
  type PlaylistEntry,
} from "./playlist.ts";

/** What is to be published, as found on disk. */
export interface Asset {
  /** Folder that all URIs are relative to. */
  readonly folder: string;
  readonly files: readonly PresentationFile[];
  readonly renditions: readonly Rendition[];
  /** URIs of what else belongs to a copy of it, such as playlists of I-frames. */
  readonly others: readonly string[];
  /** HLS only: name of the master playlist in `folder`, and its text as it is or would be without ppsp.json. */
  readonly master?: { readonly name: string; readonly text: string };
}

/** Base of playlist URIs while they are resolved: what is above its folder is outside the presentation. */
const BASE = "http://folder.invalid/presentation/";

/** Reads what INPUT names: an HLS folder, a master or media playlist, an MP4 or WebM file. @throws CommandError */
export async function readAsset(input: string): Promise<Asset> {
  const path = resolve(input);
  const info = await stat(path).catch((error: unknown) => fail(input, error));
  if (info.isDirectory()) return readHls(join(path, await findPlaylist(path, input)));
  if (!info.isFile()) throw new CommandError("neither a file nor a folder", input);
  if (info.size === 0) throw new CommandError("the file is empty", input);
  const start = await readStart(path);
  if (start.subarray(0, 10).toString("utf8").replace("\uFEFF", "").startsWith("#EXTM3U")) return readHls(path);
  if (/\.m3u8?$/i.test(path)) throw new CommandError("not an HLS playlist: no #EXTM3U", input, 1);
  const mp4 = start.toString("latin1", 4, 8) === "ftyp";
  const webm = start.subarray(0, 4).equals(Buffer.of(0x1a, 0x45, 0xdf, 0xa3));
  if (!mp4 && !webm) throw new CommandError("neither an HLS playlist nor an MP4 or WebM file", input);
  const uri = new URL(encodeURIComponent(basename(path)), BASE).href.slice(BASE.length);
  if (!isRelativeUri(uri)) throw new CommandError("this file name cannot be a URL: rename the file", input);
  return { folder: dirname(path), files: [{ uri, length: info.size }], renditions: [], others: [] };
}

async function readStart(path: string): Promise<Buffer> {
  const handle = await open(path).catch((error: unknown) => fail(shown(path), error));
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** The playlist of a folder that stands for all the others. */
async function findPlaylist(folder: string, input: string): Promise<string> {
  const names = (await readdir(folder).catch((error: unknown) => fail(input, error))).filter((name) =>
    /\.m3u8$/i.test(name),
  );
  const masters: string[] = [];
  for (const name of names) if (isMasterPlaylist(await readText(join(folder, name)))) masters.push(name);
  const candidates = masters.length > 0 ? masters : names;
  if (candidates.length === 1) return candidates[0]!;
  if (candidates.length === 0)
    throw new CommandError("no .m3u8 playlist in this folder: name the playlist or the video", input);
  throw new CommandError(`several playlists could be meant, name one: ${candidates.toSorted().join(", ")}`, input);
}

/** Reads the renditions behind a master playlist, or makes one for a lone media playlist. */
async function readHls(path: string): Promise<Asset> {
  const folder = dirname(path);
  const text = await readText(path);
  if (isMasterPlaylist(text))
    return { ...(await readRenditions(folder, basename(path), text)), master: { name: basename(path), text } };
  const uri = new URL(encodeURIComponent(basename(path)), BASE).href.slice(BASE.length);
  const { files } = await readRenditions(folder, "", `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=0\n${uri}\n`);
  const master = {
    name: "master.m3u8",
    text: `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=${peakBandwidth(files)}\n${uri}\n`,
  };
  const existing = await readFile(join(folder, master.name), "utf8").catch(() => undefined);
  if (existing !== undefined && !existing.includes(master.text.slice("#EXTM3U".length).trim())) {
    throw new CommandError(`${master.name} is there already: publish that, or rename it`, shown(path));
  }
  return { ...(await readRenditions(folder, master.name, master.text)), master };
}

async function readRenditions(folder: string, name: string, text: string): Promise<Asset> {
  const files = new Map<string, PresentationFile>();
  const renditions: Rendition[] = [];
  const sizes = new Map<string, number>();
  const masterFile = shown(join(folder, name));
  for (const { uri, line, ...rendition } of parseMasterPlaylist(text, masterFile)) {
    const playlist = relativeUri(uri, "", masterFile, line);
    if (renditions.some((other) => other.uri === playlist)) continue;
    const path = join(folder, decodeURIComponent(playlist));
    await sizeOf(path, sizes, `playlist "${uri}"`, masterFile, line);
    const file = shown(path);
    for (const entry of parseMediaPlaylist(await readText(path), file)) {
      const found = await readEntry(entry, playlist, folder, file, sizes);
      const key = JSON.stringify([found.uri, found.offset, found.length]);
      // Renditions may share files, and a playlist may repeat its init section: each is in the swarm once.
      if (!files.has(key)) files.set(key, { ...found, rendition: renditions.length });
    }
    renditions.push({ ...rendition, uri: playlist });
  }
  return { folder, files: [...files.values()], renditions, others: await readOthers(folder, masterFile, text) };
}

/** What of a master playlist's other resources is in the folder; they are extras, so the rest is left alone. */
async function readOthers(folder: string, file: string, text: string): Promise<string[]> {
  const found: string[] = [];
  const inside = async (uri: string): Promise<boolean> => {
    const info = await stat(join(folder, decodeURIComponent(uri))).catch(() => undefined);
    if (info?.isFile()) found.push(uri);
    return info?.isFile() ?? false;
  };
  for (const { uri, line } of otherResources(text, file)) {
    const other = relativeUri(uri, "", file, line);
    if (!(await inside(other)) || !/\.m3u8$/i.test(other)) continue;
    const path = join(folder, decodeURIComponent(other));
    for (const entry of parseMediaPlaylist(await readText(path), shown(path))) {
      await inside(relativeUri(entry.uri, other, shown(path), entry.line));
    }
  }
  return found;
}

async function readEntry(
  { uri, line, range, duration }: PlaylistEntry,
  playlist: string,
  folder: string,
  file: string,
  sizes: Map<string, number>,
): Promise<PresentationFile> {
  const found = relativeUri(uri, playlist, file, line);
  const size = await sizeOf(join(folder, decodeURIComponent(found)), sizes, `"${uri}"`, file, line);
  if (range !== undefined && range.offset + range.length > size) {
    const bytes = `${range.offset} to ${range.offset + range.length - 1}`;
    throw new CommandError(`bytes ${bytes} of "${uri}", which has only ${size} bytes`, file, line);
  }
  return { uri: found, ...(range ?? { length: size }), ...(duration === undefined ? {} : { duration }) };
}

/** The URI of what a playlist names, relative to the presentation's folder, without query. @throws CommandError */
export function relativeUri(uri: string, playlist: string, file: string, line: number): string {
  if (!URL.canParse(uri, BASE + playlist)) throw new CommandError(`"${uri}" is not a URI`, file, line);
  const { origin, pathname } = new URL(uri, BASE + playlist);
  const absolute = `${origin}${pathname}`;
  if (!absolute.startsWith(BASE)) {
    const what = "is outside the folder of the master playlist: only what is in it can be published";
    throw new CommandError(`"${uri}" ${what}`, file, line);
  }
  const inside = absolute.slice(BASE.length);
  if (!isRelativeUri(inside)) throw new CommandError(`"${uri}" is not a usable URI: rename the file`, file, line);
  return inside;
}

async function sizeOf(
  path: string,
  sizes: Map<string, number>,
  what: string,
  file: string,
  line: number,
): Promise<number> {
  const known = sizes.get(path);
  if (known !== undefined) return known;
  const info = await stat(path).catch((error: unknown) => {
    throw new CommandError(`${what}: ${systemReason(error)}`, file, line);
  });
  if (!info.isFile()) throw new CommandError(`${what} is not a file`, file, line);
  if (info.size === 0) throw new CommandError(`${what} is empty`, file, line);
  sizes.set(path, info.size);
  return info.size;
}

/** Highest bit rate of a segment, bit/s: what BANDWIDTH means (RFC 8216 §4.3.4.2). */
function peakBandwidth(files: readonly PresentationFile[]): number {
  const rates = files.map(({ length, duration }) => (duration ? Math.ceil((8 * length) / duration) : 0));
  return rates.reduce((highest, rate) => Math.max(highest, rate), 1);
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: unknown) => fail(shown(path), error));
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CommandError("not UTF-8 text", shown(path));
  }
}

function fail(file: string, error: unknown): never {
  throw new CommandError(systemReason(error), file);
}

/** A path as the user would type it here. */
export function shown(path: string): string {
  const short = relative(".", path);
  return short === "" ? "." : short.startsWith("..") ? path : short;
}
