import type { ChunkRange } from "../address/range.ts";
import type { Connection } from "../connection/connection.ts";
import { MAX_HAVE_RANGES, type Millis } from "../connection/settings.ts";
import { isTooLate, holders, isLeftToOthers, offered, type Picker, type PickerView } from "./picker.ts";

/** Ranges that are looked at for one decision, and chunks that are compared: they bound its work. */
const MAX_RANGES = 256;
const SAMPLE = 64;
/** What is held may be in so many ranges before holes are filled instead: who announces four times as many is no honest peer to others. */
const MOST_SCATTERED = MAX_HAVE_RANGES / 4;

/**
 * Rarest first over all that is wanted, whatever its deadline, except what this peer would deliver too late: for content
 * that is not played while it comes, where what few peers have must spread before they leave. Where there are more
 * candidates than can be compared, a sample spread evenly over them is. Equally rare chunks are taken from where the
 * channel begins, which is another place for each, since channel IDs are random.
 */
export const rarestFirst: Picker = (view, connection, room, now) => {
  const ranges = candidates(view, connection, now);
  const others = [...view.connections].filter((other) => other !== connection && other.state === "established");
  const total = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  const step = view.busy.rangeCount > MOST_SCATTERED ? 1 : Math.max(1, Math.floor(total / SAMPLE));
  const chunks = spread(ranges, step, connection.channel).filter((chunk) => !isLeftToOthers(others, connection, chunk));
  const rarity = new Map(chunks.map((chunk) => [chunk, holders(others, chunk)]));
  return chunks.sort((a, b) => rarity.get(a)! - rarity.get(b)!).slice(0, room);
};

/** What this peer has of what is wanted, could be here in time, and is not busy; from another place in each channel. */
function candidates(view: PickerView, connection: Connection, now: Millis): ChunkRange[] {
  const soonest = connection.download.expected(now);
  const wants = view.wants.filter((want) => !isTooLate(want, soonest, now));
  const ranges: ChunkRange[] = [];
  const first = wants.length === 0 ? 0 : connection.channel % wants.length;
  for (const { chunks } of [...wants.slice(first), ...wants.slice(0, first)]) {
    for (const range of offered(view, connection, chunks)) {
      ranges.push(range);
      if (ranges.length >= MAX_RANGES) return ranges;
    }
  }
  return ranges;
}

/** At most SAMPLE chunks of these ranges, one of each `step`, in the ranges' order. */
function spread(ranges: readonly ChunkRange[], step: number, channel: number): number[] {
  const chunks: number[] = [];
  let skip = channel % step;
  for (const { start, end } of ranges) {
    let chunk = start + skip;
    for (; chunk <= end && chunks.length < SAMPLE; chunk += step) chunks.push(chunk);
    skip = chunk - end - 1;
  }
  return chunks;
}
