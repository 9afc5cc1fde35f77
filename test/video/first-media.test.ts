import { EventEmitter } from "node:events";
import Hls, { type HlsConfig } from "hls.js";
import { beforeEach, describe, expect, test } from "vitest";
import { askFirstMedia } from "../../src/video/first-media.ts";
import type { RemoteEngine } from "../../src/worker/remote-engine.ts";

const BASE = "https://o.example/film/";
const engine = {
  baseUrl: `${BASE}ppsp.json`,
  presentation: {
    renditions: [{ uri: "low/index.m3u8" }, { uri: "high/index.m3u8" }, { uri: "one/index.m3u8" }],
    files: [
      { uri: "low/init.mp4", length: 9, rendition: 0 },
      { uri: "low/0.m4s", length: 9, duration: 4, rendition: 0 },
      { uri: "high/init.mp4", length: 9, rendition: 1 },
      { uri: "high/0.m4s", length: 9, duration: 4, rendition: 1 },
      { uri: "high/1.m4s", length: 9, duration: 4, rendition: 1 },
      { uri: "one/film.mp4", offset: 0, length: 9, rendition: 2 },
      { uri: "one/film.mp4", offset: 9, length: 9, duration: 4, rendition: 2 },
    ],
  },
} as unknown as RemoteEngine;

/** All that follows of itself has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("first media", () => {
  /** What hls.js tells others; its own controllers need a browser. */
  let hls: EventEmitter;
  let asked: string[];
  beforeEach(() => (asked = []));

  function begin(config: Partial<HlsConfig> = {}, open: RemoteEngine | Promise<RemoteEngine | undefined> = engine) {
    hls = Object.assign(new EventEmitter(), { config: { startPosition: -1, ...config } });
    const name = (url: string): string => url.replace(BASE, "");
    askFirstMedia(Hls, hls as unknown as Hls, {
      engine: () => open,
      early: {
        ask: (url) => void asked.push(name(url)),
        answer: () => undefined,
        askedAt: () => undefined,
        drop: (url) => (asked = asked.filter((one) => one !== name(url))),
      },
    });
  }
  /** hls.js asks for a media playlist. */
  const playlist = async (uri: string): Promise<void> => {
    hls.emit(Hls.Events.LEVEL_LOADING, Hls.Events.LEVEL_LOADING, { url: BASE + uri });
    await settled();
  };
  /** hls.js asks for a fragment. */
  const fragment = (uri: string): void => {
    const frag = { type: "main", sn: uri.includes("init") ? "initSegment" : 0, url: BASE + uri };
    hls.emit(Hls.Events.FRAG_LOADING, Hls.Events.FRAG_LOADING, { frag });
  };

  test("init section and first segment of the playlist that is on its way are asked for, once", async () => {
    begin();
    await playlist("high/index.m3u8");
    expect(asked).toEqual(["high/init.mp4", "high/0.m4s"]);
    fragment("high/init.mp4");
    fragment("high/0.m4s");
    await playlist("low/index.m3u8");
    fragment("low/1.m4s");
    expect(asked).toEqual(["high/init.mp4", "high/0.m4s"]);
  });

  test("where the player begins elsewhere after all, the segment is taken back", async () => {
    begin();
    await playlist("high/index.m3u8");
    fragment("high/1.m4s");
    expect(asked).toEqual(["high/init.mp4"]);
  });

  test("nothing is asked for where the player is told to begin elsewhere, where segments are parts of one file, or where nobody knows the playlist", async () => {
    begin({ startPosition: 30 });
    await playlist("high/index.m3u8");
    begin();
    await playlist("one/index.m3u8");
    begin();
    await playlist("other/index.m3u8");
    begin();
    await playlist("high/index.m3u8?token=1");
    expect(asked).toEqual([]);
  });

  test("an engine that opens later asks as long as the player has not", async () => {
    let opened: (engine: RemoteEngine) => void = () => undefined;
    const opening = (): Promise<RemoteEngine> => new Promise((resolve) => (opened = resolve));
    begin({}, opening());
    await playlist("high/index.m3u8");
    opened(engine);
    await expect.poll(() => asked).toEqual(["high/init.mp4", "high/0.m4s"]);
    asked = [];
    begin({}, opening());
    await playlist("high/index.m3u8");
    fragment("high/0.m4s");
    opened(engine);
    await settled();
    expect(asked).toEqual([]);
  });
});
