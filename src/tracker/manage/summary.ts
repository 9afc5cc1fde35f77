/** What a swarm's members have reported, summed up since the swarm began. */
export interface SwarmTotals {
  readonly joined: number;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** Bytes that members fetched from the origin instead. */
  readonly httpBytes: number;
  readonly chunksInTime: number;
  readonly chunksLate: number;
  readonly stalls: number;
  /** Chunks that failed verification. */
  readonly rejected: number;
}

/** What an operator may say about the content of a swarm; the tracker itself never sees it. */
export interface ContentCharacteristics {
  readonly title?: string;
  readonly kind?: "vod" | "live";
  readonly byteLength?: number;
  readonly chunkCount?: number;
  /** Seconds. */
  readonly duration?: number;
}

/** One swarm as the registry and the management API know it: no Peer-ID, no address. */
export interface SwarmSummary {
  readonly swarmId: string;
  readonly members: number;
  readonly seeds: number;
  /** Open signalling sockets. */
  readonly sockets: number;
  readonly totals: SwarmTotals;
  /** Signals relayed since the last summary. */
  readonly signals: number;
  readonly p2p: boolean;
  readonly bans: number;
  readonly content?: ContentCharacteristics;
  /** Public key of the publisher by whose word it is served; absent where the operator named it. */
  readonly publisher?: string;
  /** The last member has gone, and nothing is kept. */
  readonly ended?: true;
}

/** One member as an operator sees it; its address stays with the swarm. */
export interface MemberSummary {
  readonly peerId: string;
  readonly peerMode: "SEED" | "LEECH";
  /** It has a signalling socket. */
  readonly reachable: boolean;
  /** Join time, ISO 8601 in UTC. */
  readonly since: string;
  /** Seconds since its last sign of life. */
  readonly silent: number;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly stalls: number;
  readonly rejected: number;
}

/** Nothing yet. */
export const NO_TOTALS: SwarmTotals = {
  joined: 0,
  uploadedBytes: 0,
  downloadedBytes: 0,
  httpBytes: 0,
  chunksInTime: 0,
  chunksLate: 0,
  stalls: 0,
  rejected: 0,
};

/** `left` and `sign` times `right`, number by number. */
export function sumTotals(left: SwarmTotals, right: SwarmTotals, sign: 1 | -1 = 1): SwarmTotals {
  return {
    joined: left.joined + sign * right.joined,
    uploadedBytes: left.uploadedBytes + sign * right.uploadedBytes,
    downloadedBytes: left.downloadedBytes + sign * right.downloadedBytes,
    httpBytes: left.httpBytes + sign * right.httpBytes,
    chunksInTime: left.chunksInTime + sign * right.chunksInTime,
    chunksLate: left.chunksLate + sign * right.chunksLate,
    stalls: left.stalls + sign * right.stalls,
    rejected: left.rejected + sign * right.rejected,
  };
}

/** Share of media bytes that came from peers; undefined before the first byte. */
export function offloadOf({ downloadedBytes, httpBytes }: SwarmTotals): number | undefined {
  const all = downloadedBytes + httpBytes;
  return all === 0 ? undefined : downloadedBytes / all;
}
