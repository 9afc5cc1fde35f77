import type { SwarmTotals } from "../../tracker/manage/summary.ts";

/** Bytes that viewers fetched between two looks. */
export interface Moment {
  /** ms since 1970 */
  readonly at: number;
  readonly peerBytes: number;
  readonly httpBytes: number;
}

/** What is drawn: an hour of looks that are five seconds apart. */
const KEPT = 720;

/** The history with one more look; `before` are the sums of the look before. Sums that went down mean a new tracker. */
export function remember(
  history: readonly Moment[],
  at: number,
  now: SwarmTotals,
  before: SwarmTotals | undefined,
): readonly Moment[] {
  if (before === undefined) return history;
  const peerBytes = now.downloadedBytes - before.downloadedBytes;
  const httpBytes = now.httpBytes - before.httpBytes;
  if (peerBytes < 0 || httpBytes < 0) return [];
  return [...history, { at, peerBytes, httpBytes }].slice(-KEPT);
}

/** Share of bytes that came from peers; undefined where there were none. */
export function offloadOf({ peerBytes, httpBytes }: Pick<Moment, "peerBytes" | "httpBytes">): number | undefined {
  const all = peerBytes + httpBytes;
  return all === 0 ? undefined : peerBytes / all;
}
