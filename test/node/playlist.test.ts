import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CommandError } from "../../src/node/publish/command-error.ts";
import {
  isMasterPlaylist,
  otherResources,
  parseMasterPlaylist,
  parseMediaPlaylist,
} from "../../src/node/publish/playlist.ts";
import { presentationUri, withSessionData } from "../../src/node/publish/session-data.ts";

/** Lines of playlists, good and bad, in any order. */
const line = fc.oneof(
  fc.constantFrom(
    "#EXTM3U",
    "#EXT-X-TARGETDURATION:4",
    "#EXTINF:4,",
    "#EXTINF:",
    "a.ts",
    "b.m3u8",
    "",
    "# comment",
    "#EXT-X-ENDLIST",
    "#EXT-X-BYTERANGE:10",
    "#EXT-X-BYTERANGE:10@5",
    "#EXT-X-BYTERANGE:-1",
    "#EXT-X-GAP",
    "#EXT-X-KEY:METHOD=NONE",
    '#EXT-X-MAP:URI="i",BYTERANGE="5"',
    "#EXT-X-MAP:",
    "#EXT-X-STREAM-INF:BANDWIDTH=1",
    "#EXT-X-STREAM-INF:BANDWIDTH=x",
    '#EXT-X-MEDIA:TYPE=AUDIO,URI="a"',
    "#EXT-X-MEDIA:TYPE",
    '#EXT-X-SESSION-DATA:DATA-ID="org.ppsp.presentation",URI="x"',
  ),
  fc.string({ maxLength: 20 }),
);
const playlist = fc.array(line, { maxLength: 20 }).map((lines) => ["#EXTM3U", ...lines].join("\n"));

describe("playlists", () => {
  it("give entries, or a CommandError that names file and line", () => {
    fc.assert(
      fc.property(playlist, (text) => {
        for (const parse of [parseMasterPlaylist, parseMediaPlaylist, otherResources]) {
          try {
            for (const entry of parse(text, "x.m3u8")) {
              const named = text.split(/\r\n|\n|\r/)[entry.line - 1]!;
              expect(named).toContain(entry.uri);
            }
          } catch (error) {
            expect(error).toBeInstanceOf(CommandError);
            expect((error as Error).message).toMatch(/^x\.m3u8:\d+: ./);
          }
        }
      }),
    );
  });

  it("name ppsp.json once, however often that is asked for, and lose nothing else", () => {
    fc.assert(
      fc.property(playlist, fc.constantFrom("\n", "\r\n"), (text, newline) => {
        const master = text.replace(/\r\n|\n|\r/g, newline);
        const amended = withSessionData(master);
        expect(presentationUri(amended)).toBe("ppsp.json");
        expect(withSessionData(amended)).toBe(amended);
        const rest = (from: string): string[] =>
          from.split(/\r\n|\n|\r/).filter((each) => !each.includes("org.ppsp.presentation"));
        expect(rest(amended).join("\n").trimEnd()).toBe(rest(master).join("\n").trimEnd());
        expect(amended.startsWith("#EXTM3U")).toBe(true);
        expect(isMasterPlaylist(amended)).toBe(isMasterPlaylist(master));
      }),
    );
  });
});
