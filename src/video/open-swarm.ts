import { ContentError } from "../core/content/error.ts";
import type { SwarmUrl } from "../core/content/url.ts";
import { PlaybackError } from "../engine/errors.ts";
import { openRemote, type Opening, type OpeningEvents } from "../worker/open.ts";
import type { EngineConfig } from "./config.ts";

/** Where a presentation and its viewers are found. */
export interface SwarmOptions extends EngineConfig {
  /** Absolute URL of ppsp.json. */
  readonly presentation: string;
  /** Instead of the trackers of ppsp.json. */
  readonly trackers: readonly string[];
  /** What a `ppsp:` URL says of the swarm. */
  readonly promised?: SwarmUrl | undefined;
}

/** Says one thing to whoever reads the console; the same thing only once. */
export type Warn = (message: string) => void;

/** What an `Opening` failed for, in words. */
export const whatFailed = (error: unknown): string =>
  error instanceof ContentError || error instanceof PlaybackError
    ? "No usable ppsp.json"
    : "The engine's script cannot be loaded";

/** Opens the engine of a presentation and joins its swarm, if there is a way to. */
export function openSwarm(options: SwarmOptions, events: OpeningEvents): Opening {
  // What else there is, hls.js's options above all, stays in the page.
  const { presentation, trackers, promised, memoryLimit, strict, upload, iceServers } = options;
  const { maxNeighbours, minViewers, relayOnly, accessToken, encoding, peerId } = options;
  const swarm = { presentation, trackers, promised, iceServers, maxNeighbours, minViewers, relayOnly };
  return openRemote({ ...swarm, memoryLimit, strict, upload, accessToken, encoding, peerId }, events);
}
