/** What every page of the benchmark measures in the same way, whoever plays. */
import type Hls from "hls.js";
import type { Events } from "hls.js";
import { StallMeter } from "../../src/video/stall-meter.ts";
import { counts, disconnect, fallSilent } from "./hooks.ts";
import type { Buffered, PageOptions, Taken } from "./protocol.ts";

const SAMPLE_MS = 100;
/** A frame that began so much earlier may be the one at a time, s. */
const FRAME_S = 0.1;
/** Their names: not all pages have hls.js. */
const FRAG_BUFFERED = "hlsFragBuffered" as Events.FRAG_BUFFERED;
const MANIFEST_PARSED = "hlsManifestParsed" as Events.MANIFEST_PARSED;

/** What differs between systems. */
export interface Abilities {
  /** Sets everything in motion, or anew; returns hls.js if it plays. */
  readonly begin: (options: PageOptions) => Promise<Hls | void> | Hls;
  readonly take?: (options: PageOptions) => Promise<Taken>;
  /** Resolves with the next bytes from a peer. */
  readonly peerBytes?: () => Promise<void>;
  /** Bytes that the element was given, where it has no SourceBuffer. */
  readonly bytes?: () => number;
}

/** URL of the master playlist. */
export const masterOf = ({ media, presentation }: PageOptions): string => `${media}${presentation}/master.m3u8`;

const refuse = (): Promise<never> => Promise.reject(new Error("this system has no peers"));

/** Makes a page's viewer known to the driver. */
export function present(video: HTMLVideoElement, abilities: Abilities): void {
  const { begin, take = refuse, peerBytes = refuse, bytes = () => counts.mediaBytes } = abilities;
  const meter = new StallMeter();
  let waits: () => readonly number[] = () => [];
  const buffered: Buffered[] = [];
  let firstFrame: { readonly at: number; readonly media: number } | undefined;
  let startedAt = 0;
  let failure: string | undefined;
  let hls: Hls | undefined;

  const sample = (): Parameters<StallMeter["sample"]>[1] => {
    const { currentTime, duration, playbackRate, paused, ended, seeking } = video;
    return { currentTime, duration, playbackRate, running: !paused && !ended && !seeking };
  };
  const frame = (): Promise<{ at: number; media: number }> =>
    new Promise((resolve) => video.requestVideoFrameCallback((at, { mediaTime: media }) => resolve({ at, media })));

  async function play(options: PageOptions): Promise<void> {
    const before = hls;
    hls = (await begin(options)) ?? undefined;
    if (hls === undefined || hls === before) return;
    const playing = hls;
    const { level: only } = options;
    if (only !== undefined) {
      const choose = (): void => void (playing.loadLevel = only);
      // The playlist may be there already.
      if (playing.levels.length > 0) choose();
      else playing.once(MANIFEST_PARSED, choose);
    }
    playing.on(FRAG_BUFFERED, (_, { frag: { sn, level } }) => {
      if (typeof sn !== "number") return;
      buffered.push({ segment: sn, level, estimateKbit: Math.round(playing.bandwidthEstimate / 1000) });
    });
  }

  video.addEventListener("waiting", () => meter.waiting(performance.now(), sample()));
  addEventListener("error", ({ message }) => (failure ??= message));
  globalThis.viewer = {
    video,
    async start(options) {
      startedAt = performance.now();
      void frame().then((first) => (firstFrame = first));
      setInterval(() => meter.sample(performance.now(), sample()), SAMPLE_MS);
      await play(options);
    },
    async change(options) {
      const began = performance.now();
      const emptied = new Promise((resolve) => video.addEventListener("emptied", resolve, { once: true }));
      await Promise.all([play(options), emptied]);
      return (await frame()).at - began;
    },
    async seek(to) {
      const began = performance.now();
      video.currentTime = to;
      let shown = await frame();
      while (shown.media < to - FRAME_S) shown = await frame();
      return shown.at - began;
    },
    async switchLevel(level) {
      const began = performance.now();
      const come = peerBytes();
      hls!.nextLevel = level;
      await come;
      return performance.now() - began;
    },
    disconnect,
    async peerBytes() {
      const began = performance.now();
      await peerBytes();
      return performance.now() - began;
    },
    fallSilent,
    async tap() {
      waits = (await import("./tap.ts")).tap();
    },
    get waits() {
      return waits();
    },
    take,
    read: () => ({
      firstFrameMs: firstFrame && firstFrame.at - startedAt,
      sinceFirstFrameMs: firstFrame === undefined ? 0 : performance.now() - firstFrame.at,
      playedMs: firstFrame === undefined ? 0 : (video.currentTime - firstFrame.media) * 1000,
      stalls: meter.stalls,
      mediaBytes: bytes(),
      connections: counts.connections,
      height: video.videoHeight,
      buffered,
      error: failure ?? video.error?.message,
    }),
  };
}

/** A muted `<video>` in the page. */
export function addVideo(): HTMLVideoElement {
  const video = document.createElement("video");
  video.muted = true;
  video.autoplay = true;
  document.body.append(video);
  return video;
}
