import { useEffect, useState, type RefObject } from "react";
import type { PlayerStats, PpspPlayer } from "../video/index.ts";
import { sharesOf, type Shares } from "./sources.ts";

/** Length of one column of the chart, ms. */
export const SLOT_MS = 2000;
/** Columns of the chart. */
export const SLOTS = 36;
/** How often the numbers on the page are renewed, ms: often enough to look alive, seldom enough to be read. */
const SAMPLE_MS = 500;

/** The player's counts now, and the bytes that came in each of the last time slots, oldest first. */
export interface Observation {
  readonly stats: PlayerStats;
  readonly arrivals: readonly Shares[];
}

const nothing: Shares = { peer: 0, cache: 0, http: 0 };

/** A count that falls belongs to another `src`: what it shows now is all new. */
const grown = (now: number, before: number): number => (now >= before ? now - before : now);

/** Watches a player; undefined until it has been seen. */
export function useStats(player: RefObject<PpspPlayer | null>): Observation | undefined {
  const [observation, setObservation] = useState<Observation>();
  useEffect(() => {
    let seen = nothing;
    let slotsBefore = 0;
    const started = performance.now();
    const arrivals: Shares[] = Array.from({ length: SLOTS }, () => nothing);
    const sample = () => {
      if (player.current === null) return;
      const { stats } = player.current;
      const slot = Math.floor((performance.now() - started) / SLOT_MS);
      for (; slotsBefore < slot; slotsBefore++) {
        arrivals.push(nothing);
        arrivals.shift();
      }
      const now = sharesOf(stats);
      const last = arrivals.pop() ?? nothing;
      arrivals.push({
        peer: last.peer + grown(now.peer, seen.peer),
        cache: last.cache + grown(now.cache, seen.cache),
        http: last.http + grown(now.http, seen.http),
      });
      seen = now;
      setObservation({ stats, arrivals: [...arrivals] });
    };
    const timer = setInterval(sample, SAMPLE_MS);
    return () => clearInterval(timer);
  }, [player]);
  return observation;
}
