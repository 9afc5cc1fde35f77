import { useCallback, useEffect, useRef, useState } from "react";
import type { LoggedEvent } from "../../tracker/manage/events.ts";
import { DeskError, type Look, type TrackerDesk } from "./desk.ts";
import { type Moment, remember } from "./history.ts";

/** Between two looks, ms. */
const LOOK_MS = 5_000;
/** Log lines that stay on the page. */
const KEPT_EVENTS = 200;

/** What has been seen of a tracker. */
export interface Observation {
  readonly look?: Look;
  readonly history: readonly Moment[];
  /** Newest first. */
  readonly events: readonly LoggedEvent[];
  readonly trouble?: string;
}

/** Looks at a tracker every five seconds, and whenever the second result is called. */
export function useDesk(desk: TrackerDesk): readonly [Observation, () => void] {
  const [observation, setObservation] = useState<Observation>({ history: [], events: [] });
  const wake = useRef<() => void>(() => undefined);
  useEffect(() => {
    let ended = false;
    let before: Look | undefined;
    const see = async (): Promise<void> => {
      try {
        const look = await desk.look();
        const earlier = before?.stats.totals;
        before = look;
        setObservation(({ history, events }) => ({
          look,
          history: remember(history, Date.now(), look.stats.totals, earlier),
          events: [...look.events.toReversed(), ...events].slice(0, KEPT_EVENTS),
        }));
      } catch (error) {
        setObservation((last) => ({ ...last, trouble: sentenceOf(error) }));
      }
    };
    const run = async (): Promise<void> => {
      while (!ended) {
        await see();
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOOK_MS);
          wake.current = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    };
    void run();
    return () => {
      ended = true;
      wake.current();
    };
  }, [desk]);
  const refresh = useCallback(() => wake.current(), []);
  return [observation, refresh];
}

/** What went wrong, for people. */
export const sentenceOf = (error: unknown): string => (error instanceof DeskError ? error.message : String(error));
