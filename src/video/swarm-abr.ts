import type { AbrController } from "hls.js";
import type { RemoteEngine } from "../worker/remote-engine.ts";
import { startTimes } from "../sw/timeline.ts";
import type { HlsClass } from "./load-hls.ts";

/** Segments are looked up this far behind the end of the buffer, seconds: playlists round their durations. */
const LOOK_UP_S = 0.3;

/**
 * hls.js's own choice of a level, except that it does not take the speed of neighbours for the speed of everything. They
 * may be ten times as fast as the origin and have other renditions than the one that would be next: what none of them has
 * must come from the origin in time.
 */
export function swarmAbr(HlsJs: HlsClass, currentEngine: () => RemoteEngine | undefined): typeof AbrController {
  return class SwarmAbrController extends HlsJs.DefaultConfig.abrController {
    override get nextAutoLevel(): number {
      const choice = super.nextAutoLevel;
      const engine = currentEngine();
      // No neighbour, no doubt; and hls.js is null once it is destroyed.
      if (engine === undefined || engine.stats.neighbours === 0 || choice < 0) return choice;
      const { hls } = this;
      const { levels, loadLevel, minAutoLevel, config } = hls;
      const time = (hls.mainForwardBufferInfo?.end ?? hls.media?.currentTime ?? 0) + LOOK_UP_S;
      for (let level = choice; level > minAutoLevel; level--) {
        const share = level > loadLevel ? config.abrBandWidthUpFactor : config.abrBandWidthFactor;
        const playlist = levels[level]?.uri;
        if (playlist === undefined || fits(engine, playlist, time, share)) return level;
      }
      return Math.min(choice, minAutoLevel);
    }

    override set nextAutoLevel(level: number) {
      super.nextAutoLevel = level;
    }
  };
}

/** The part of an engine that tells what a segment costs. */
export type Costs = Pick<RemoteEngine, "presentation" | "baseUrl" | "coveredOf" | "expectedHttpMs">;

/**
 * Whether the origin can give, within `share` (0 to 1) of its duration, what no neighbour has of the segment that plays
 * at `time` (seconds) in the rendition of a media playlist. True where the presentation does not tell.
 */
export function fits(engine: Costs, playlist: string, time: number, share: number): boolean {
  const { presentation, baseUrl } = engine;
  const rendition = presentation.renditions.findIndex(({ uri }) => samePath(new URL(uri, baseUrl).href, playlist));
  const starts = startTimes(presentation);
  const file = presentation.files.findIndex(({ rendition: owner, duration = 0 }, i) => {
    const start = starts[i];
    return owner === rendition && start !== undefined && start <= time && time < start + duration;
  });
  const { length = 0, duration = 0 } = presentation.files[file] ?? {};
  if (rendition < 0 || duration === 0) return true;
  return engine.expectedHttpMs(length * (1 - engine.coveredOf(file))) <= duration * 1000 * share;
}

function samePath(one: string, other: string): boolean {
  return new URL(one).pathname === new URL(other).pathname;
}
