import type { Limits } from "./limits.ts";
import type { ConnectRequest, PeerMode } from "./messages.ts";
import type { Wish } from "./objects.ts";

/** What a request wants of a peer list. */
export function wishOf(
  peerMode: PeerMode,
  { peerNum, position }: Pick<ConnectRequest, "peerNum" | "position">,
  limits: Pick<Limits, "peers" | "defaultPeers">,
): Wish {
  const count = listLength(peerMode, peerNum?.count, limits);
  if (position !== undefined) return peerNum === undefined ? { count, position } : { count, peerNum, position };
  return peerNum === undefined ? { count } : { count, peerNum };
}

/** How many peers to list for a CONNECT (§4.1): seeders get none unless they ask. */
const listLength = (
  peerMode: PeerMode,
  wanted: number | undefined,
  { peers, defaultPeers }: Pick<Limits, "peers" | "defaultPeers">,
): number => Math.min(wanted ?? (peerMode === "LEECH" ? defaultPeers : 0), peers);
