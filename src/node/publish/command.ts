import { basename, relative } from "node:path";
import { parseArgs } from "node:util";
import { ChunkAddressing, HashCode } from "../../core/codec/messages.ts";
import { MAX_CHUNK_SIZE, MAX_SERVERS, MIN_CHUNK_SIZE } from "../../core/content/presentation.ts";
import { formatSwarmUrl } from "../../core/content/url.ts";
import { readGrant } from "../../tracker/auth/grant.ts";
import { isUrl, oneOf, readFolderUrl, readTrackers } from "./arguments.ts";
import { CommandError } from "./command-error.ts";
import { grantFor, newKey, readKey } from "./key.ts";
import { formatBytes } from "./progress.ts";
import { publish, type Published } from "./publish.ts";

/** Text of `ppsp publish --help`. */
export const PUBLISH_HELP = `ppsp publish INPUT [options]

Publishes a video: writes ppsp.json and ppsp.mhash, and names ppsp.json in the HLS master playlist.
INPUT is an HLS folder, an HLS master or media playlist, or an MP4 or WebM file.

  --out DIR         write a complete presentation there: media and playlists are hard-linked, or
                    copied where that is not possible (default: write beside INPUT, copy nothing)
  --chunk-size N    bytes, ${MIN_CHUNK_SIZE} to ${MAX_CHUNK_SIZE} (default 16384)
  --hash NAME       sha1, sha224, sha256, sha384 or sha512 (default sha256)
  --addressing NAME chunk32, chunk64, bin32, bin64 or byte64 (default chunk32)
  --tracker URL     a PPSP tracker; repeat it for more, best first
                    (default: those of the ppsp.json that is replaced)
  --base URL        the http or https folder that will serve it: then the ppsp: URL that is printed
                    is all that <ppsp-player> needs (a single file it plays over HTTP only)
  --key FILE        sign the swarm with this private key (PEM): trackers that list its public text
                    serve the video without naming its swarm (default: the grant of the same swarm stays)
  --grant-days N    that signature holds for N days (default: for good)
  --new-key FILE    make such a key and print its public text, for PUBLISHERS of a tracker; no INPUT
  --json            print one JSON object instead of text
`;

/** Runs `ppsp publish`; gives the exit code. @throws CommandError */
export async function publishCommand(args: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: "string" },
      "chunk-size": { type: "string", default: "16384" },
      hash: { type: "string", default: "sha256" },
      addressing: { type: "string", default: "chunk32" },
      base: { type: "string" },
      tracker: { type: "string", multiple: true, default: [] },
      key: { type: "string" },
      "grant-days": { type: "string" },
      "new-key": { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(PUBLISH_HELP);
    return 0;
  }
  const [input, ...rest] = positionals;
  if (values["new-key"] !== undefined) {
    if (input !== undefined) throw new CommandError("--new-key takes no INPUT: publish with --key afterwards");
    const { publisher } = await newKey(values["new-key"]);
    const made = { key: values["new-key"], publisher };
    process.stdout.write(values.json ? `${JSON.stringify(made)}\n` : describeKey(made));
    return 0;
  }
  if (input === undefined || rest.length > 0)
    throw new CommandError("publish wants one INPUT: see ppsp publish --help");
  if (isUrl(input)) throw new CommandError("publish takes a local folder or file", input);
  const base = values.base === undefined ? undefined : readFolderUrl("--base", values.base);
  const days = readDays(values["grant-days"], values.key);
  const keys = values.key === undefined ? undefined : await readKey(values.key);
  const published = await publish({
    input,
    ...(values.out === undefined ? {} : { out: values.out }),
    chunkSize: readChunkSize(values["chunk-size"]),
    hash: oneOf("--hash", HashCode, values.hash),
    addressing: oneOf("--addressing", ChunkAddressing, values.addressing),
    trackers: readTrackers(values.tracker),
    ...(keys === undefined ? {} : { grant: (id) => grantFor(keys, id, days) }),
    signal,
  });
  const url = swarmUrl(published, base);
  const publisher = keys?.publisher;
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...summary(published, url), ...(publisher === undefined ? {} : { publisher }) })}\n`
      : describe(published, url, publisher),
  );
  return 0;
}

/** How many days a grant holds; undefined: for good. @throws CommandError */
function readDays(text: string | undefined, key: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (key === undefined) throw new CommandError("--grant-days needs --key");
  if (/^\d{1,5}(?:\.\d{1,3})?$/.test(text) && Number(text) > 0) return Number(text);
  throw new CommandError(`--grant-days ${text}: wants a number of days above 0`);
}

const describeKey = ({ key, publisher }: { readonly key: string; readonly publisher: string }): string =>
  [
    `written  ${key}: keep it secret`,
    `public   ${publisher}`,
    `next     the operator lists that: ppsp tracker --publisher ${publisher}`,
    `         and you sign with it: ppsp publish INPUT --key ${key}`,
    "",
  ].join("\n");

function readChunkSize(text: string): number {
  const size = Number(text);
  if (/^\d+$/.test(text) && size >= MIN_CHUNK_SIZE && size <= MAX_CHUNK_SIZE) return size;
  throw new CommandError(`--chunk-size ${text}: wants ${MIN_CHUNK_SIZE} to ${MAX_CHUNK_SIZE} bytes`);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** All that one must know to get or play it; to play it, also where it is served. */
function swarmUrl({ presentation, written: [json, , playlist] }: Published, base: string | undefined): string {
  const { swarm, files, trackers } = presentation;
  const { id, hash, addressing, chunkCount } = swarm;
  const at = (name: string): string => new URL(name, base).href;
  const [only] = files;
  const places =
    base === undefined
      ? {}
      : playlist === undefined
        ? { src: at(only!.uri), presentation: at(basename(json!)) }
        : { src: at(encodeURIComponent(basename(playlist))) };
  const chunkSize = files.length > 1 ? "variable" : swarm.chunkSize;
  const named = trackers.flat().slice(0, MAX_SERVERS);
  return formatSwarmUrl({ id, chunkSize, hash, addressing, chunkCount, trackers: named, peers: [], ...places });
}

function summary(published: Published, url: string): object {
  const { presentation, bytes, written, signature } = published;
  const { swarm, files } = presentation;
  const until = signedUntil(published);
  const [json, hashes, playlist] = written;
  return {
    swarmId: hex(swarm.id),
    files: files.length,
    chunks: swarm.chunkCount,
    bytes,
    url,
    presentation: json,
    hashes,
    ...(playlist === undefined ? {} : { playlist }),
    ...(signature === undefined ? {} : { signature }),
    ...(until === undefined ? {} : { signedUntil: until.toISOString() }),
  };
}

/** Until when the presentation's grant holds; undefined: for good, or there is none. */
function signedUntil({ presentation: { grant } }: Published): Date | undefined {
  const end = grant === undefined ? undefined : readGrant(grant)?.end;
  return end === undefined ? undefined : new Date(end * 1000);
}

/** What became of the signature, for people. */
function signedLines(published: Published, publisher: string | undefined): string[] {
  const { signature } = published;
  if (signature === undefined) return [];
  if (signature === "dropped")
    return ["signed   no longer: the content, chunk size or hash has changed, publish again with --key FILE"];
  const end = signedUntil(published);
  const day = end?.toISOString().slice(0, 10);
  if (end !== undefined && end.getTime() <= Date.now())
    return [`signed   as before, but only until ${day}: publish again with --key FILE`];
  const until = day === undefined ? "" : `, until ${day}`;
  return [signature === "new" ? `signed   by ${publisher}${until}` : `signed   as before${until}`];
}

function describe(published: Published, url: string, publisher: string | undefined): string {
  const { presentation, bytes, written } = published;
  const { swarm, files, renditions } = presentation;
  const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const parts = [plural(files.length, "file"), formatBytes(bytes), plural(swarm.chunkCount, "chunk")];
  if (renditions.length > 0) parts.unshift(plural(renditions.length, "rendition"));
  const playlist = written[2] && encodeURIComponent(basename(written[2]));
  return [
    `swarm    ${hex(swarm.id)}`,
    `content  ${parts.join(", ")}`,
    `url      ${url}`,
    ...signedLines(published, publisher),
    ...(renditions.length > 0
      ? []
      : ["note     <ppsp-player> plays a single file over HTTP only; Service Worker and engine share it"]),
    `written  ${written.map((path) => relative(".", path)).join(", ")}`,
    `next     serve the folder over HTTP, then run: npx ppsp check URL${playlist === undefined ? "" : `/${playlist}`}`,
    "",
  ].join("\n");
}
