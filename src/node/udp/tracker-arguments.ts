import { MAX_SERVERS } from "../../core/content/presentation.ts";
import { ENCODINGS } from "../../link/encoding.ts";
import { oneOf, readHttpUrl } from "../publish/arguments.ts";
import { CommandError } from "../publish/command-error.ts";
import type { TrackerChoice } from "./trackers.ts";

/** Options that `seed` and `get` share about trackers, as node:util's parseArgs wants them. */
export const TRACKER_OPTIONS = {
  tracker: { type: "string", multiple: true, default: [] as string[] },
  encoding: { type: "string", default: "xml" },
  "track-timer": { type: "string" },
} as const;

/** Help text for them. */
export const TRACKER_OPTIONS_HELP = `  --tracker URL      a PPSP tracker; repeat it for more, best first: the next is used when one does not answer.
                     "URL URL": both at once
  --encoding NAME    how to write to trackers: xml or json (default xml)
  --track-timer S    the trackers' track timer, where it is not 120 seconds
`;

/** Longest track timer that a tracker may have, seconds. */
const MAX_TRACK_TIMER = 86_400;

/** What they say; `known` are the trackers of a `ppsp:` URL, used where the options name none. @throws CommandError */
export function readTrackerChoice(
  values: {
    readonly tracker: readonly string[];
    readonly encoding: string;
    readonly "track-timer"?: string | undefined;
  },
  known: readonly string[] = [],
): TrackerChoice {
  const named = values.tracker.map((tier) => tier.trim().split(/\s+/u));
  const tiers = (named.length > 0 ? named : known.map((url) => [url])).map((tier) =>
    tier.map((url) => readHttpUrl("--tracker", url)),
  );
  if (tiers.flat().length > MAX_SERVERS) throw new CommandError(`--tracker: at most ${MAX_SERVERS}`);
  const encodings = Object.fromEntries(ENCODINGS.map((name) => [name, name] as const));
  const timer = values["track-timer"];
  if (timer !== undefined && !(Number(timer) >= 1 && Number(timer) <= MAX_TRACK_TIMER))
    throw new CommandError(`--track-timer ${timer}: wants 1 to ${MAX_TRACK_TIMER} seconds`);
  return {
    tiers,
    encoding: oneOf("--encoding", encodings, values.encoding),
    ...(timer !== undefined && { trackTimer: Number(timer) }),
  };
}
