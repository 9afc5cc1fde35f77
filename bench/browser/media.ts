/**
 * The film of the browser benchmarks: the sample of public/, a minute long and with a constant bit rate, so that nobody
 * needs an encoder. Its twelve segments are repeated until it is long enough, and a `free` box fills each up to its rate.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HashCode } from "../../src/core/codec/messages.ts";
import { publish } from "../../src/node/publish/publish.ts";
import { filled, moved, timescales } from "./boxes.ts";

const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const SAMPLE = root("public/sample/");
/** What is made, anew when this number changes. */
const FOLDER = root("build/bench-media-2/");

/** Length of a segment, seconds; of the sample, in segments; and of the film. */
export const SEGMENT_S = 4;
const SAMPLE_SEGMENTS = 12;
export const SEGMENTS = 15;
/** Rate of the rendition that most scenarios play, kbit/s. */
export const KBIT = 2500;

interface Rendition {
  /** In public/sample. */
  readonly name: string;
  readonly kbit: number;
  readonly info: string;
}

const RENDITIONS: readonly Rendition[] = [
  { name: "180p", kbit: 800, info: 'RESOLUTION=320x180,FRAME-RATE=24.000,CODECS="vp09.00.11.08,opus"' },
  { name: "360p", kbit: KBIT, info: 'RESOLUTION=640x360,FRAME-RATE=24.000,CODECS="vp09.00.21.08,opus"' },
  { name: "720p", kbit: 5000, info: 'RESOLUTION=1280x720,FRAME-RATE=24.000,CODECS="vp09.00.31.08,opus"' },
];

/** Bytes of a media segment. */
export const segmentBytes = (kbit: number): number => (kbit * 1000 * SEGMENT_S) / 8;

/** Bytes of all media segments of the rendition of KBIT. */
export const FILM_BYTES = SEGMENTS * segmentBytes(KBIT);

const segmentName = (index: number): string => `${index.toString().padStart(2, "0")}.m4s`;

/** Writes one rendition; returns the whole of it as one fragmented MP4. */
async function writeRendition(folder: string, { name, kbit }: Rendition): Promise<Buffer> {
  await mkdir(`${folder}${name}`, { recursive: true });
  const init = await readFile(`${SAMPLE}${name}/init.mp4`);
  const scales = timescales(init);
  const parts: Buffer[] = [init];
  const lines = [
    "#EXTM3U",
    "#EXT-X-VERSION:7",
    `#EXT-X-TARGETDURATION:${SEGMENT_S}`,
    "#EXT-X-MEDIA-SEQUENCE:0",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    '#EXT-X-MAP:URI="init.mp4"',
  ];
  for (let index = 0; index < SEGMENTS; index++) {
    const segment = await readFile(`${SAMPLE}${name}/${segmentName(index % SAMPLE_SEGMENTS)}`);
    const later = Math.floor(index / SAMPLE_SEGMENTS) * SAMPLE_SEGMENTS * SEGMENT_S;
    const bytes = filled(moved(segment, later, scales), segmentBytes(kbit));
    parts.push(bytes);
    lines.push(`#EXTINF:${SEGMENT_S.toFixed(6)},`, segmentName(index));
    await writeFile(`${folder}${name}/${segmentName(index)}`, bytes);
  }
  await writeFile(`${folder}${name}/init.mp4`, init);
  await writeFile(`${folder}${name}/index.m3u8`, `${[...lines, "#EXT-X-ENDLIST"].join("\n")}\n`);
  return Buffer.concat(parts);
}

/** Metadata of a torrent of one file (BEP 3), with pieces of the size that create-torrent would choose. */
function torrent(name: string, bytes: Buffer): Buffer {
  const size = 16_384;
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    createHash("sha1")
      .update(bytes.subarray(index * size, (index + 1) * size))
      .digest(),
  );
  const head = `d4:infod6:lengthi${bytes.length}e4:name${name.length}:${name}12:piece lengthi${size}e6:pieces${pieces.length * 20}:`;
  return Buffer.concat([Buffer.from(head), ...pieces, Buffer.from("ee")]);
}

async function writePresentation(folder: string, renditions: readonly Rendition[]): Promise<void> {
  const films: Buffer[] = [];
  for (const rendition of renditions) films.push(await writeRendition(folder, rendition));
  const streams = renditions.map(({ name, kbit, info }) => {
    const rate = kbit * 1000;
    return `#EXT-X-STREAM-INF:BANDWIDTH=${rate},AVERAGE-BANDWIDTH=${rate},${info}\n${name}/index.m3u8`;
  });
  const master = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS", ...streams];
  await writeFile(`${folder}master.m3u8`, `${master.join("\n")}\n`);
  await publish({
    input: folder,
    chunkSize: 16_384,
    hash: HashCode.sha256,
    trackers: [],
    signal: new AbortController().signal,
  });
  if (films.length > 1) return;
  await writeFile(`${folder}film.mp4`, films[0]!);
  await writeFile(`${folder}film.torrent`, torrent("film.mp4", films[0]!));
}

/**
 * Makes what is missing and returns its folder, with a slash at its end. In it `single/` (one rendition of KBIT, and the
 * same as one `film.mp4` with its `film.torrent`) and `ladder/` (0.8, 2.5 and 5 Mbit/s), each with a `master.m3u8` and published.
 */
export async function makeMedia(): Promise<string> {
  if (existsSync(`${FOLDER}done`)) return FOLDER;
  await rm(FOLDER, { recursive: true, force: true });
  await writePresentation(
    `${FOLDER}single/`,
    RENDITIONS.filter(({ kbit }) => kbit === KBIT),
  );
  await writePresentation(`${FOLDER}ladder/`, RENDITIONS);
  await writeFile(`${FOLDER}done`, "");
  return FOLDER;
}
