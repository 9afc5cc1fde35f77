/** What every page of the benchmark measures in the same way, whoever plays. */
import type Hls from "hls.js";
import type { Events } from "hls.js";
import { StallMeter } from "../../src/video/stall-meter.ts";

/** What the driver tells a page. */
export interface PageOptions {
  /** Base URL of the media, with a slash at its end. */
  readonly media: string;
  /** One rendition of 2.5 Mbit/s, or three of 0.8, 2.5 and 5. */
  readonly presentation: "single" | "ladder";
  /** WebSocket trackers of those that speak WebTorrent's protocol; HTTP trackers of ours. */
  readonly tracker: string;
  /** Bytes of all segments of the rendition that most scenarios play. */
  readonly filmBytes: number;
  /** The only rendition to play, the lowest is 0. @defaultValue what hls.js chooses */
  readonly level?: number;
  /** Options of the system's own. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A segment that hls.js has put into the buffer. */
export interface Buffered {
  readonly segment: number;
  /** Number of the rendition, the lowest first. */
  readonly level: number;
  /** What hls.js believed of the network then, kbit/s. */
  readonly estimateKbit: number;
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
  /** In the order in which they came, where hls.js plays. */
  readonly buffered: readonly Buffered[];
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
  /** Plays another presentation in the same element; resolves with the time to its first frame, ms. */
  change(options: PageOptions): Promise<number>;
  /** Seeks to a time, s; resolves with the time to the first frame from there, ms. */
  seek(to: number): Promise<number>;
  /** Switches to a rendition for good; resolves with the time to the next bytes from a peer, ms. */
  switchLevel(level: number): Promise<number>;
  /** Ends all connections to peers, as a network that is gone. */
  disconnect(): void;
  /** Resolves with the time to the next bytes from a peer, ms. */
  peerBytes(): Promise<number>;
  /** Announces what it has and sends nothing of it any more. */
  fallSilent(): void;
  /** Begins to note how long chunks wait until somebody else is asked for them; ours only. */
  tap(): Promise<void>;
  /** These times so far, ms. */
  readonly waits: readonly number[];
  /** Gets the whole film from peers, as fast as it can, without playing it. */
  take(options: PageOptions): Promise<Taken>;
  /** The element that plays. */
  readonly video: HTMLVideoElement;
}

declare global {
  var viewer: Viewer;
}

const SAMPLE_MS = 100;
/** A frame that began so much earlier may be the one at a time, s. */
const FRAME_S = 0.1;
/** Datagrams without DATA are hardly longer, bytes. */
const LONGEST_REST = 4096;
/** Their names: not all pages have hls.js. */
const FRAG_BUFFERED = "hlsFragBuffered" as Events.FRAG_BUFFERED;
const MANIFEST_PARSED = "hlsManifestParsed" as Events.MANIFEST_PARSED;

let mediaBytes = 0;
let connections = 0;
const open = new Set<RTCPeerConnection>();

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
    const connection = Reflect.construct(target, parameters, newTarget) as RTCPeerConnection;
    open.add(connection);
    return connection;
  },
});

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

/** Drops what could hold a chunk; all else is shorter. */
function fallSilent(): void {
  // oxlint-disable-next-line typescript/unbound-method -- the proxy passes `this` on
  RTCDataChannel.prototype.send = new Proxy(RTCDataChannel.prototype.send, {
    apply(send, channel: RTCDataChannel, [data]: [ArrayBufferView]) {
      if (data.byteLength < LONGEST_REST) Reflect.apply(send, channel, [data]);
    },
  });
}

/** Makes a page's viewer known to the driver. */
export function present(video: HTMLVideoElement, abilities: Abilities): void {
  const { begin, take = refuse, peerBytes = refuse, bytes = () => mediaBytes } = abilities;
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
    if (only !== undefined) playing.once(MANIFEST_PARSED, () => (playing.loadLevel = only));
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
    disconnect() {
      for (const connection of open) connection.close();
      open.clear();
    },
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
      connections,
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
