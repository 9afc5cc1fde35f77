import { describe, expect, it } from "vitest";
import { Session } from "../../src/video/session.ts";

describe("a single media file", () => {
  const src = "https://media.example/film.mp4";
  const warnings = (changes: object): string[] => {
    const lines: string[] = [];
    const ignored = (): void => undefined;
    const events = { warn: (line: string) => lines.push(line), engine: ignored, failed: ignored, plainBytes: ignored };
    const video = { src: "" } as HTMLVideoElement;
    const session = new Session(video, { src, trackers: [], config: {}, presentation: undefined, ...changes }, events);
    session.close();
    expect(video.src).toBe(src);
    return lines;
  };

  it("plays over HTTP only, which is said where somebody meant it to be shared", () => {
    const line = "A single media file plays over HTTP only here: publish it as HLS, or use the Service Worker.";
    expect(warnings({})).toEqual([]);
    expect(warnings({ presentation: "https://media.example/ppsp.json" })).toEqual([line]);
    expect(warnings({ trackers: ["https://tracker.example/"] })).toEqual([line]);
  });
});
