import type { SwarmUrl } from "../core/content/url.ts";
import { openEngine } from "../engine/open.ts";
import type { Engine } from "../engine/engine.ts";
import { createRendezvous } from "../link/rendezvous.ts";
import { Eviction } from "../store/eviction.ts";
import { MemoryStore } from "../store/memory-store.ts";
import type { EngineConfig } from "./config.ts";

/** Where a presentation and its viewers are found. */
export interface SwarmOptions extends EngineConfig {
  /** Absolute URL of ppsp.json. */
  readonly presentation: string;
  /** Instead of the trackers of ppsp.json. */
  readonly trackers: readonly string[];
  /** What a `ppsp:` URL says of the swarm. */
  readonly promised?: SwarmUrl | undefined;
  /** How to ask the origin. @defaultValue the global `fetch` */
  readonly fetch?: typeof fetch;
}

/** Says one thing to whoever reads the console; the same thing only once. */
export type Warn = (message: string) => void;

/** A viewer who has met nobody for this long, ms, is told so. */
const LONELY_MS = 10_000;

/**
 * Opens the engine of a presentation and joins its swarm, if there is a way to.
 * @throws ContentError or PlaybackError where there is no usable ppsp.json
 */
export async function openSwarm(options: SwarmOptions, report: Warn): Promise<Engine> {
  const { memoryLimit, strict, upload, maxNeighbours, minViewers, relayOnly } = options;
  const { accessToken, encoding, peerId, promised } = options;
  let warned = false;
  const warn: Warn = (message) => {
    warned = true;
    report(message);
  };
  const engine = await openEngine({
    presentationUrl: options.presentation,
    promised,
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
    store: new MemoryStore(),
    eviction: (presentation, layout) => new Eviction(presentation, layout),
    rendezvous: (presentation) =>
      presentation.policy.p2p
        ? createRendezvous({
            trackers: options.trackers.length > 0 ? [options.trackers] : presentation.trackers,
            iceServers:
              options.iceServers ?? (presentation.iceServers.length > 0 ? presentation.iceServers : "tracker"),
            grant: presentation.grant,
            ...(maxNeighbours === undefined ? {} : { maxNeighbours }),
            ...(minViewers === undefined ? {} : { minViewers }),
            ...(relayOnly === undefined ? {} : { relayOnly }),
            ...(accessToken === undefined ? {} : { accessToken }),
            ...(encoding === undefined ? {} : { encoding }),
            ...(peerId === undefined ? {} : { peerId }),
            warn,
          })
        : undefined,
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
    ...(strict === undefined ? {} : { strict }),
    ...(upload === undefined ? {} : { upload }),
  });
  engine.on("warning", warn);
  if (!engine.presentation.policy.p2p) return engine;
  const lonely = setTimeout(() => {
    // Whatever has been said explains it.
    if (!warned && engine.stats.neighbours === 0) warn("Nobody else is watching yet: the video plays over HTTP only.");
  }, LONELY_MS);
  engine.on("close", () => clearTimeout(lonely));
  return engine;
}
