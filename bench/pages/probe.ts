/** What every page of the benchmark measures in the same way, whoever plays. */
import { StallMeter } from "../../src/video/stall-meter.ts";

/** What the driver tells a page. */
export interface PageOptions {
  /** Base URL of the media, with a slash at its end. */
  readonly media: string;
  /** WebSocket trackers of those that speak WebTorrent's protocol; HTTP trackers of ours. */
  readonly tracker: string;
  /** Bytes of all segments of the rendition that most scenarios play. */
  readonly filmBytes: number;
  /** Options of the system's own. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What a page has seen so far. */
export interface Reading {
  /** From `start` to the first frame, ms; undefined until there is one. */
  readonly firstFrameMs: number | undefined;
  /** Wall time since the first frame, ms. */
  readonly sinceFirstFrameMs: number;
  /** Media time played since then, ms. */
  readonly playedMs: number;
  readonly stalls: number;
  /** Bytes that were given to the media element. */
  readonly mediaBytes: number;
  /** RTCPeerConnections that were made. */
  readonly connections: number;
  /** Height of the picture, pixels. */
  readonly height: number;
  readonly error: string | undefined;
}

/** What a page took from another one. */
export interface Taken {
  /** From the start to the first byte from a peer, ms. */
  readonly firstByteMs: number;
  /** From then to the last byte, ms. */
  readonly transferMs: number;
  readonly peerBytes: number;
}

/** One system in a page, as the driver sees it. */
export interface Viewer {
  /** Begins to play, muted. */
  start(options: PageOptions): Promise<void>;
  read(): Reading;
  /** Gets the whole film from peers, as fast as it can, without playing it. */
  take(options: PageOptions): Promise<Taken>;
  /** The element that plays. */
  readonly video: HTMLVideoElement;
}

declare global {
  var viewer: Viewer;
}

const SAMPLE_MS = 100;

let mediaBytes = 0;
let connections = 0;

// oxlint-disable-next-line typescript/unbound-method -- the proxy passes `this` on
SourceBuffer.prototype.appendBuffer = new Proxy(SourceBuffer.prototype.appendBuffer, {
  apply(append, buffer: SourceBuffer, [data]: [BufferSource]) {
    mediaBytes += data.byteLength;
    Reflect.apply(append, buffer, [data]);
  },
});

globalThis.RTCPeerConnection = new Proxy(globalThis.RTCPeerConnection, {
  construct(target, parameters, newTarget) {
    connections += 1;
    return Reflect.construct(target, parameters, newTarget) as object;
  },
});

/** What differs between systems, besides how they begin. */
export interface Abilities {
  readonly take?: (options: PageOptions) => Promise<Taken>;
  /** Bytes that the element was given, where it has no SourceBuffer. */
  readonly bytes?: () => number;
}

/** Makes a page's viewer known to the driver. `begin` sets everything in motion. */
export function present(
  video: HTMLVideoElement,
  begin: (options: PageOptions) => Promise<void> | void,
  { take, bytes = () => mediaBytes }: Abilities = {},
): void {
  const meter = new StallMeter();
  let firstFrame: { readonly at: number; readonly media: number } | undefined;
  let startedAt = 0;
  let failure: string | undefined;
  const sample = (): Parameters<StallMeter["sample"]>[1] => {
    const { currentTime, duration, playbackRate, paused, ended, seeking } = video;
    return { currentTime, duration, playbackRate, running: !paused && !ended && !seeking };
  };
  video.addEventListener("waiting", () => meter.waiting(performance.now(), sample()));
  addEventListener("error", ({ message }) => (failure ??= message));
  globalThis.viewer = {
    video,
    async start(options) {
      startedAt = performance.now();
      video.requestVideoFrameCallback((now, { mediaTime }) => (firstFrame = { at: now, media: mediaTime }));
      setInterval(() => meter.sample(performance.now(), sample()), SAMPLE_MS);
      await begin(options);
    },
    take: take ?? (() => Promise.reject(new Error("this system takes nothing from others"))),
    read: () => ({
      firstFrameMs: firstFrame && firstFrame.at - startedAt,
      sinceFirstFrameMs: firstFrame === undefined ? 0 : performance.now() - firstFrame.at,
      playedMs: firstFrame === undefined ? 0 : (video.currentTime - firstFrame.media) * 1000,
      stalls: meter.stalls,
      mediaBytes: bytes(),
      connections,
      height: video.videoHeight,
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
