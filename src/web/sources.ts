import type { PlayerStats } from "../video/index.ts";

/** Where media bytes come from, in the order in which they are shown, and the names that people read. */
export const sources = [
  { id: "peer", stat: "peerBytes", label: "Other viewers" },
  { id: "cache", stat: "cacheBytes", label: "Own memory" },
  { id: "http", stat: "httpBytes", label: "The server" },
] as const satisfies readonly { id: string; stat: keyof PlayerStats; label: string }[];

/** One of `sources`. */
export type SourceId = (typeof sources)[number]["id"];

/** Bytes by source. */
export type Shares = Readonly<Record<SourceId, number>>;

/** The bytes by source in the player's counts. */
export function sharesOf(stats: PlayerStats): Shares {
  return { peer: stats.peerBytes, cache: stats.cacheBytes, http: stats.httpBytes };
}

/** All bytes. */
export function totalOf(shares: Shares): number {
  return sources.reduce((sum, { id }) => sum + shares[id], 0);
}
