import { ChunkSet } from "../address/chunk-set.ts";
import type { ChunkRange } from "../address/range.ts";
import type { Connection } from "../connection/connection.ts";

/** Parts of a range that a neighbour has whom we may ask. */
export function covered(connections: Iterable<Connection>, range: ChunkRange): ChunkSet {
  const all = new ChunkSet();
  for (const { state, choked, peerHas } of connections) {
    if (state !== "established" || choked) continue;
    for (const part of peerHas.present(range)) all.add(part);
    if (all.size > range.end - range.start) break;
  }
  return all;
}

/** How many neighbours there are that can be asked or told something. */
export function established(connections: Iterable<Connection>): number {
  let count = 0;
  for (const { state } of connections) if (state === "established") count++;
  return count;
}

/** Content bytes per ms that all neighbours together deliver while they are asked; 0 while that is unknown. */
export function peerRate(connections: Iterable<Connection>): number {
  let rate = 0;
  for (const { state, choked, download } of connections)
    if (state === "established" && !choked && !download.isUseless) rate += download.rate;
  return rate;
}
