import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterEach } from "vitest";

/** `length` bytes that differ from file to file. */
export function bytes(length: number, salt: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + salt) & 255));
}

const made: string[] = [];
afterEach(() => made.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A new folder with these files, gone after the test. */
export function folder(files: Readonly<Record<string, string | Buffer>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), "ppsp-test-"));
  made.push(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

/** Every file under a folder with its content. */
export function tree(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = names.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  return Object.fromEntries(files.map((file) => [relative(path, file), readFileSync(file, "latin1")]));
}

/** A media playlist of these lines, complete. */
export const media = (...lines: string[]): string =>
  ["#EXTM3U", "#EXT-X-TARGETDURATION:4", ...lines, "#EXT-X-ENDLIST", ""].join("\n");

/** Two video renditions (fMP4 with byte ranges; TS), separate audio, subtitles. */
export function hls(): Record<string, string | Buffer> {
  return {
    "master.m3u8": [
      "#EXTM3U",
      "#EXT-X-VERSION:7",
      "#EXT-X-INDEPENDENT-SEGMENTS",
      '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="English",URI="subs/en.m3u8"',
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="Stereo, main",URI="audio/index.m3u8"',
      '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="cc",INSTREAM-ID="CC1"',
      '#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2",AUDIO="aud",SUBTITLES="subs"',
      "video/360.m3u8",
      "",
      '#EXT-X-STREAM-INF:BANDWIDTH=2400000,RESOLUTION=1280x720,AUDIO="aud",SUBTITLES="subs"',
      "720.m3u8?token=abc",
      "",
    ].join("\n"),
    "video/360.m3u8": media(
      '#EXT-X-MAP:URI="360.mp4",BYTERANGE="700@0"',
      "#EXTINF:4.0,",
      "#EXT-X-BYTERANGE:2000@700",
      "360.mp4",
      "#EXTINF:4.0,title",
      "#EXT-X-BYTERANGE:1500",
      "360.mp4",
      "#EXT-X-DISCONTINUITY",
      '#EXT-X-MAP:URI="360.mp4",BYTERANGE="700@0"',
      "#EXTINF:1.5",
      "#EXT-X-BYTERANGE:100@4200",
      "360.mp4",
    ),
    "video/360.mp4": bytes(4300, 1),
    "720.m3u8": media("#EXTINF:4,", "a%20b.ts?x=1", "#EXT-X-GAP", "#EXTINF:4,", "lost.ts", "#EXTINF:4,", "./seg2.ts"),
    "a b.ts": bytes(3000, 2),
    "seg2.ts": bytes(1024, 3),
    "audio/index.m3u8": media('#EXT-X-MAP:URI="init.mp4"', "#EXTINF:4,", "1.m4s"),
    "audio/init.mp4": bytes(50, 4),
    "audio/1.m4s": bytes(600, 5),
    "subs/en.m3u8": media("#EXTINF:8,", "en.vtt"),
    "subs/en.vtt": "WEBVTT\n\n00:00.000 --> 00:04.000\nHello\n",
  };
}
