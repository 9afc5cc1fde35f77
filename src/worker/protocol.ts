/** What a page and the host of its engine, in a worker or in the page, tell each other: one port for each engine. */
import { ContentError, type ContentErrorCode } from "../core/content/error.ts";
import type { Presentation } from "../core/content/presentation.ts";
import type { SwarmUrl } from "../core/content/url.ts";
import type { PieceSource } from "../engine/delivery.ts";
import { PlaybackError, type PlaybackErrorCode } from "../engine/errors.ts";
import type { EngineEvents } from "../engine/options.ts";
import type { Playhead } from "../engine/ports.ts";
import type { EngineStats } from "../engine/stats.ts";
import type { DialOptions, IceServer } from "../link/dial.ts";
import type { EncodingName } from "../link/encoding.ts";
import type { Signal } from "../link/signal.ts";

/** What is opened, and how; plain values only. */
export interface OpenMessage {
  readonly type: "open";
  /** Absolute URL of ppsp.json, or a `ppsp:` URL. */
  readonly presentation: string;
  /** Instead of those of the `ppsp:` URL or ppsp.json, if there are any. */
  readonly trackers: readonly string[];
  /** What a `ppsp:` URL that the page knows said of the swarm. */
  readonly promised?: SwarmUrl | undefined;
  readonly memoryLimit?: number | undefined;
  readonly strict?: boolean | undefined;
  readonly upload?: boolean | undefined;
  readonly maxNeighbours?: number | undefined;
  readonly minViewers?: number | undefined;
  readonly iceServers?: readonly IceServer[] | undefined;
  readonly relayOnly?: boolean | undefined;
  readonly encoding?: EncodingName | undefined;
  readonly peerId?: string | undefined;
  /** The token itself; true: the page is to be asked. */
  readonly accessToken?: string | true | undefined;
  /** Whether the page can make connections. */
  readonly webRtc: boolean;
}

/** What a worker says once, when it runs. */
export interface Greeting {
  /** Whether it can be given data channels. */
  readonly channels: boolean;
}

/** What becomes of a connection that the host has asked for: see DialEvents. */
export type CallNews =
  | { readonly type: "said"; readonly call: number; readonly said: unknown }
  | { readonly type: "channel"; readonly call: number; readonly channel: RTCDataChannel }
  | { readonly type: "connected"; readonly call: number; readonly maxMessage: number }
  | { readonly type: "gathered"; readonly call: number }
  | { readonly type: "ended"; readonly call: number };

/** From the page to the host. Times are ms since 1970, since threads count `performance.now` from different moments. */
export type ToHost =
  | OpenMessage
  /** `due`: when the last byte is needed; until it is said again, not before now. */
  | {
      readonly type: "fetch";
      readonly id: number;
      readonly file: number;
      readonly offset: number;
      readonly length: number;
      readonly url: string | undefined;
      readonly due: number;
    }
  | { readonly type: "due"; readonly id: number; readonly due: number }
  /** So many bytes of a fetch have been used. */
  | { readonly type: "used"; readonly id: number; readonly bytes: number }
  | { readonly type: "abort"; readonly id: number }
  /** A whole resource that will be fetched is to be asked of the origin, and is not to be fetched after all: see EarlyMedia. */
  | { readonly type: "early"; readonly url: string }
  | { readonly type: "drop"; readonly url: string }
  | { readonly type: "playhead"; readonly playhead: Playhead }
  | { readonly type: "stalls"; readonly stalls: number }
  | { readonly type: "power"; readonly charging: boolean }
  /** Asks for news, to learn whether anybody is there. */
  | { readonly type: "ping" }
  | { readonly type: "token"; readonly id: number; readonly token?: string; readonly error?: string }
  | CallNews
  | { readonly type: "close" };

/** What the page's decisions need to know of the engine; times in ms. */
export interface News {
  readonly stats: EngineStats;
  /** Whether neighbours may turn up at any moment. */
  readonly expecting: boolean;
  /** Before the first byte of the origin, and for each byte. */
  readonly httpDelayMs: number;
  readonly httpMsPerByte: number;
  /** For each byte if the line is free. */
  readonly lineMsPerByte: number;
  /** What the hashes so far have taken of the line. */
  readonly hashMs: number;
}

/** Bytes of one batch that came the same way. */
export interface Part {
  readonly length: number;
  readonly source: PieceSource;
  readonly early: boolean;
}

/** The whole answer to an "early" request; times in ms since 1970. */
export interface EarlyAnswer {
  readonly url: string;
  readonly bytes: ArrayBuffer;
  readonly askedAt: number;
  readonly firstByteAt: number;
  readonly endedAt: number;
}

/** An error as plain values. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly path?: string;
}

/** What the page is to do about a connection of the host: see Call. */
export type CallOrder =
  | { readonly type: "dial"; readonly call: number; readonly options: DialOptions }
  | { readonly type: "tell"; readonly call: number; readonly signal: Signal }
  | { readonly type: "hang up"; readonly call: number };

/** What an open engine says. */
export type EngineMessage =
  | {
      readonly type: "pieces";
      readonly id: number;
      readonly bytes: ArrayBuffer;
      readonly parts: readonly Part[];
      readonly news: News;
    }
  /** A fetch has ended. */
  | { readonly type: "done"; readonly id: number; readonly failure?: Failure }
  | { readonly type: "news"; readonly news: News }
  | {
      readonly type: "event";
      readonly name: ForwardedEvent;
      readonly detail: EngineEvents[ForwardedEvent];
      readonly news: News;
    }
  /** One line for the console; may come before the engine is open. */
  | { readonly type: "warning"; readonly text: string };

/** From the host to the page. */
export type ToPage =
  /** An engine is being opened, which may take its time. */
  | { readonly type: "opening" }
  | { readonly type: "opened"; readonly presentation: Presentation; readonly baseUrl: string; readonly news: News }
  | { readonly type: "failed"; readonly failure: Failure }
  | EngineMessage
  /** It has come as a whole; the engine has it, too. Not said where everything is verified before it is played. */
  | { readonly type: "early"; readonly answer: EarlyAnswer }
  /** An access token for this tracker is wanted. */
  | { readonly type: "token"; readonly id: number; readonly url: string }
  /** What the page is to tell a tracker when it goes with everything in it. */
  | { readonly type: "farewell"; readonly url: string; readonly body: string }
  | CallOrder
  /** Everything has been said. */
  | { readonly type: "closed" };

/** Events of an engine that are handed on as they are. */
export const FORWARDED = ["peerchange", "chunkrejected", "contentmismatch"] as const;
export type ForwardedEvent = (typeof FORWARDED)[number];

/** Now, ms since 1970; the same in a page and in its workers. */
export const epochMs = (): number => performance.timeOrigin + performance.now();

/** An error for the way over a port. */
export function toFailure(error: unknown): Failure {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (error instanceof PlaybackError) return { name, message, code: error.code };
  if (error instanceof ContentError) return { name, message, code: error.code, path: error.path };
  return { name, message };
}

/** The error that it was, as far as callers tell errors apart. */
export function fromFailure({ name, message, code, path = "" }: Failure): Error {
  if (name === "PlaybackError") return new PlaybackError(code as PlaybackErrorCode, message);
  if (name !== "ContentError") return Object.assign(new Error(message), { name });
  return new ContentError(code as ContentErrorCode, path, message.slice(message.indexOf(": ") + 2));
}
