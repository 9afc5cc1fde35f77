import { basename, relative } from "node:path";
import { parseArgs } from "node:util";
import { ChunkAddressing, HashCode } from "../../core/codec/messages.ts";
import { MAX_CHUNK_SIZE, MAX_SERVERS, MIN_CHUNK_SIZE } from "../../core/content/presentation.ts";
import { formatSwarmUrl } from "../../core/content/url.ts";
import { oneOf, readHttpUrl, readTrackers } from "./arguments.ts";
import { CommandError } from "./command-error.ts";
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
                    is all that <ppsp-player> needs
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
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(PUBLISH_HELP);
    return 0;
  }
  const [input, ...rest] = positionals;
  if (input === undefined || rest.length > 0)
    throw new CommandError("publish wants one INPUT: see ppsp publish --help");
  const base = values.base === undefined ? undefined : readHttpUrl("--base", values.base);
  const published = await publish({
    input,
    ...(values.out === undefined ? {} : { out: values.out }),
    chunkSize: readChunkSize(values["chunk-size"]),
    hash: oneOf("--hash", HashCode, values.hash),
    addressing: oneOf("--addressing", ChunkAddressing, values.addressing),
    trackers: readTrackers(values.tracker),
    signal,
  });
  const url = swarmUrl(published, base);
  process.stdout.write(values.json ? `${JSON.stringify(summary(published, url))}\n` : describe(published, url));
  return 0;
}

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
  const at = (name: string): string => new URL(name, base!.endsWith("/") ? base : `${base}/`).href;
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

function summary({ presentation, bytes, written }: Published, url: string): object {
  const { swarm, files } = presentation;
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
  };
}

function describe({ presentation, bytes, written }: Published, url: string): string {
  const { swarm, files, renditions } = presentation;
  const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const parts = [plural(files.length, "file"), formatBytes(bytes), plural(swarm.chunkCount, "chunk")];
  if (renditions.length > 0) parts.unshift(plural(renditions.length, "rendition"));
  return [
    `swarm    ${hex(swarm.id)}`,
    `content  ${parts.join(", ")}`,
    `url      ${url}`,
    `written  ${written.map((path) => relative(".", path)).join(", ")}`,
    "next     serve the folder over HTTP, then run: npx ppsp check URL",
    "",
  ].join("\n");
}
