/**
 * Makes public/sample/: a 48 s VP9 + Opus fMP4 HLS presentation in three renditions, then publishes it in place.
 * Needs ffmpeg with libvpx-vp9, libopus and drawtext. The result is committed, so only whoever changes the film runs this.
 *
 *   node scripts/make-sample.mjs
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { landscape } from "./sample/landscape.mjs";
import { music } from "./sample/music.mjs";

const out = new URL("../public/sample/", import.meta.url).pathname;
const seconds = 48;
const frameRate = 24;
const segmentSeconds = 4;
const byteLimit = 8_000_000;
const audioKbit = 48;

const renditions = [
  { name: "180p", width: 320, height: 180, kbit: 72, codec: "vp09.00.11.08" },
  { name: "360p", width: 640, height: 360, kbit: 290, codec: "vp09.00.21.08" },
  { name: "720p", width: 1280, height: 720, kbit: 720, codec: "vp09.00.31.08" },
];

/** Draws the film once, without loss, so that both passes of every rendition read the same frames. */
async function drawMaster(folder) {
  const sound = join(folder, "sound.pcm");
  const master = join(folder, "master.mkv");
  writeFileSync(sound, music(seconds));
  const ffmpeg = spawn(
    "ffmpeg",
    [
      "-v",
      "error",
      "-y",
      "-f",
      "rawvideo",
      "-pix_fmt",
      "rgb24",
      "-s",
      "1280x720",
      "-r",
      `${frameRate}`,
      "-i",
      "-",
      "-f",
      "s16le",
      "-ar",
      "48000",
      "-ac",
      "2",
      "-i",
      sound,
      "-c:v",
      "ffv1",
      "-pix_fmt",
      "yuv420p",
      "-c:a",
      "copy",
      master,
    ],
    { stdio: ["pipe", "inherit", "inherit"] },
  );
  const paint = landscape(1280, 720);
  const frames = seconds * frameRate;
  for (let i = 0; i < frames; i++) {
    if (!ffmpeg.stdin.write(Buffer.from(paint(i / frames, i / frameRate)))) await once(ffmpeg.stdin, "drain");
    if (i % 96 === 95) console.log(`drawn ${(i + 1) / frameRate} of ${seconds} s`);
  }
  ffmpeg.stdin.end();
  const [code] = await once(ffmpeg, "close");
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}`);
  return master;
}

/** The label in the corner: time and rendition, so that a viewer sees when the player changes its mind. */
function label({ height }) {
  const size = Math.max(9, Math.round(height / 36));
  const edge = Math.round(height / 26);
  return `drawtext=font=monospace:fontsize=${size}:fontcolor=white@0.72:shadowcolor=black@0.35:shadowx=1:shadowy=1:x=w-tw-${edge}:y=h-th-${edge}:text='%{pts\\:gmtime\\:0\\:%M\\\\\\:%S}   ${height}p'`;
}

function encode(master, rendition, folder) {
  const { name, width, height, kbit } = rendition;
  const target = join(out, name);
  mkdirSync(target, { recursive: true });
  const gop = segmentSeconds * frameRate;
  const video = [
    "-i",
    master,
    "-vf",
    `scale=${width}:${height}:flags=lanczos,${label(rendition)}`,
    "-c:v",
    "libvpx-vp9",
    "-b:v",
    `${kbit}k`,
    "-maxrate",
    `${Math.round(kbit * 1.6)}k`,
    "-bufsize",
    `${kbit * 4}k`,
    "-g",
    `${gop}`,
    "-keyint_min",
    `${gop}`,
    "-row-mt",
    "1",
    "-tile-columns",
    "1",
    "-auto-alt-ref",
    "1",
    "-lag-in-frames",
    "25",
    "-passlogfile",
    join(folder, name),
  ];
  const run = (args) => execFileSync("ffmpeg", ["-v", "error", "-y", ...args], { stdio: "inherit" });
  console.log(`encoding ${name}`);
  run([...video, "-cpu-used", "4", "-pass", "1", "-an", "-f", "null", "-"]);
  run([
    ...video,
    "-cpu-used",
    "2",
    "-pass",
    "2",
    "-c:a",
    "libopus",
    "-b:a",
    `${audioKbit}k`,
    "-strict",
    "-2",
    "-f",
    "hls",
    "-hls_time",
    `${segmentSeconds}`,
    "-hls_playlist_type",
    "vod",
    "-hls_segment_type",
    "fmp4",
    "-hls_fmp4_init_filename",
    "init.mp4",
    "-hls_flags",
    "independent_segments",
    "-hls_segment_filename",
    join(target, "%02d.m4s"),
    join(target, "index.m3u8"),
  ]);
}

/** A line of the master playlist, with the rates that the segments really have. */
function streamInfo({ name, width, height, codec }) {
  const folder = join(out, name);
  const durations = [...readFileSync(join(folder, "index.m3u8"), "utf8").matchAll(/#EXTINF:([\d.]+)/g)].map((match) =>
    Number(match[1]),
  );
  const sizes = readdirSync(folder)
    .filter((file) => file.endsWith(".m4s"))
    .sort()
    .map((file) => statSync(join(folder, file)).size);
  const peak = Math.max(...sizes.map((size, i) => (size * 8) / durations[i]));
  const mean = (sizes.reduce((a, b) => a + b, 0) * 8) / durations.reduce((a, b) => a + b, 0);
  return `#EXT-X-STREAM-INF:BANDWIDTH=${Math.ceil(peak)},AVERAGE-BANDWIDTH=${Math.ceil(mean)},RESOLUTION=${width}x${height},FRAME-RATE=${frameRate}.000,CODECS="${codec},opus"\n${name}/index.m3u8`;
}

const folder = mkdtempSync(join(tmpdir(), "ppsp-sample-"));
try {
  rmSync(out, { recursive: true, force: true });
  const master = await drawMaster(folder);
  for (const rendition of renditions) encode(master, rendition, folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
writeFileSync(
  join(out, "master.m3u8"),
  `#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n${renditions.map(streamInfo).join("\n")}\n`,
);
execFileSync(process.execPath, [new URL("../bin/ppsp.js", import.meta.url).pathname, "publish", out, "--out", out], {
  stdio: "inherit",
});
const bytes = readdirSync(out, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
console.log(`${out}: ${bytes} bytes`);
if (bytes > byteLimit) throw new Error(`The sample must stay under ${byteLimit} bytes.`);
