/** What the driver and the pages tell each other. */

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
