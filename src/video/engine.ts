/**
 * Entry of dist/ppsp-engine.js, `ppsp-player/engine`: the swarm without the player, for pages that bring their own.
 * docs/EMBED.md shows it at work.
 */
import type { RemoteEngine } from "../worker/remote-engine.ts";
import { isSwarmUrl } from "../core/content/url.ts";
import type { EngineConfig } from "./config.ts";
import { openSwarm } from "./open-swarm.ts";

export { ContentError, type ContentErrorCode } from "../core/content/error.ts";
export type { Presentation, PresentationFile, Rendition } from "../core/content/presentation.ts";
export type { FetchRequest, Piece, PieceSource } from "../engine/delivery.ts";
export { PlaybackError, type PlaybackErrorCode } from "../engine/errors.ts";
export type { EngineEvents } from "../engine/options.ts";
export type { Playhead } from "../engine/ports.ts";
export type { EngineStats } from "../engine/stats.ts";

/** How to open a presentation; what is left out is as `<ppsp-player>` has it. */
export interface OpenOptions extends EngineConfig {
  /** URLs of trackers, instead of those that ppsp.json or the `ppsp:` URL names. */
  readonly trackers?: readonly string[];
  /** Called with one line for whoever reads the console, the same line only once. @defaultValue `console.warn` */
  readonly warn?: (message: string) => void;
}

/**
 * A presentation that is open, and a membership in its swarm.
 *
 * - `presentation`: what ppsp.json says; `presentation.files` lists what can be fetched.
 * - `fileAt(url, offset)`: the index of a file, by its absolute URL.
 * - `fetch(file, { offset, length, deadline, signal })`: bytes of a file, in order, from whoever can give them in time.
 * - `setPlayhead({ file })`: what is being played, so that memory keeps what is useful.
 * - `on(name, listener)`: events, see EngineEvents; returns a function that removes the listener.
 * - `stats`: counts so far.
 * - `lost`: it is closed since its worker fell silent, as one that the browser has ended: fetches that ran have failed; open another engine.
 * - `close()`: leaves the swarm and frees all memory. Safe on `pagehide`, where it tells the neighbours at once.
 */
export type SwarmEngine = Pick<
  RemoteEngine,
  "presentation" | "baseUrl" | "fileAt" | "fetch" | "setPlayhead" | "on" | "stats" | "lost" | "close"
>;

/**
 * Opens a presentation by the URL of its ppsp.json or by a `ppsp:` URL, and joins its swarm. Where there is no way to meet
 * others it works over HTTP alone, and says so once.
 * @throws ContentError or PlaybackError where there is no usable ppsp.json, or it is of another swarm than the `ppsp:` URL
 */
export async function openPresentation(url: string | URL, options: OpenOptions = {}): Promise<SwarmEngine> {
  const { trackers = [], warn = (message) => console.warn(`ppsp-player: ${message}`), ...config } = options;
  const said = new Set<string>();
  return openSwarm(
    { ...config, presentation: isSwarmUrl(String(url)) ? String(url) : new URL(url, document.baseURI).href, trackers },
    {
      warn(message) {
        if (!said.has(message)) warn(message);
        said.add(message);
      },
    },
  ).engine;
}
