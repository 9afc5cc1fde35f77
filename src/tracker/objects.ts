import type { RefusalCode } from "./errors.ts";
import type {
  ConnectRequest,
  PeerAddress,
  PeerInfo,
  PeerMode,
  StatReport,
  StreamStatistics,
  TrackerResponse,
} from "./messages.ts";

/** Answer to a request, as a value that can travel between objects; `reason` never quotes the request. */
export type Outcome =
  | { readonly ok: true; readonly response: TrackerResponse }
  | { readonly ok: false; readonly code: RefusalCode; readonly reason: string };

/** A peer of the base protocol as its Peer object enters it into a swarm. */
export interface Entry {
  readonly peerId: string;
  readonly peerMode: PeerMode;
  /** IP address that its requests come from. */
  readonly source: string;
  readonly address: PeerAddress;
}

/** One swarm: its roster, and the machines of the members that registered with a token. */
export interface SwarmPort {
  /** CONNECT with Registration, about this swarm only. */
  onConnect(request: ConnectRequest, source: string): Promise<Outcome>;
  /** STAT_REPORT with Registration, about this swarm only. */
  onReport(request: StatReport, source: string): Promise<Outcome>;
  /** Enters a peer, or changes its entry, and lists others; refuses when someone with a token has this Peer-ID, or when full. */
  enter(entry: Entry, wanted: number): Promise<readonly PeerInfo[] | "unauthorized" | "unavailable">;
  /** Takes out a peer that `enter` put in. */
  remove(peerId: string): Promise<void>;
  /** Keeps what such a peer reports. */
  note(peerId: string, stat: StreamStatistics): Promise<void>;
}

/** One Peer-ID of the base protocol: its machine over all swarms. */
export interface PeerPort {
  onConnect(request: ConnectRequest, source: string): Promise<Outcome>;
  onReport(request: StatReport, source: string): Promise<Outcome>;
}

/** Where the objects of a tracker are found: Durable Objects, or plain ones in one process. */
export interface TrackerObjects {
  swarm(swarmId: string): SwarmPort;
  peer(peerId: string): PeerPort;
}

/** A refusal as an outcome. */
export const refusal = (code: RefusalCode, reason: string): Outcome => ({ ok: false, code, reason });

/** §2.4.2: what Table 8 does not allow. */
export const NOT_ALLOWED: Outcome = refusal("forbidden", "Action not allowed");
/** §2.4.2 A: STAT_REPORT of a Peer-ID without registration. */
export const NOT_REGISTERED: Outcome = refusal("forbidden", "Peer not registered");
/** The Peer-ID is held by someone who proved more than this asker did. */
export const NOT_YOURS: Outcome = refusal("unauthorized", "Peer-ID is registered to someone else");
