/** Where the media bytes that were handed to the player came from, and what it cost. All counts only grow, but for `neighbours`. */
export interface EngineStats {
  /** Media bytes from the origin that were handed to the player, plus hash reads and aborted bytes. */
  httpBytes: number;
  /** Media bytes from peers that were handed to the player. */
  peerBytes: number;
  /** Media bytes that were handed to the player again from the store. */
  cacheBytes: number;
  /** Content bytes sent to peers in DATA. */
  uploadedBytes: number;
  /** Peers with an open PPSPP channel now. */
  neighbours: number;
  /** Chunks that passed verification, from any source. */
  verifiedChunks: number;
  /** Chunks from peers that failed it. */
  rejectedChunks: number;
}

/** Counts before anything has happened. */
export const NO_STATS: Readonly<EngineStats> = {
  httpBytes: 0,
  peerBytes: 0,
  cacheBytes: 0,
  uploadedBytes: 0,
  neighbours: 0,
  verifiedChunks: 0,
  rejectedChunks: 0,
};
