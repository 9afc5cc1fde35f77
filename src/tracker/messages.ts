/** PPSP-TP/1.0 messages as values, independent of their encoding (draft-ietf-ppsp-base-tracker-protocol-00 §3). */

import type { RefusalCode } from "./errors.ts";

/** Version that this tracker and client speak (root attribute @version). */
export const PROTOCOL_VERSION = "1.0";

/** SEED holds the complete content, LEECH does not yet (Table 2, @peerMode). */
export type PeerMode = "SEED" | "LEECH";

/** One SwarmID element of a CONNECT: what to do in which swarm (Table 2). */
export interface SwarmAction {
  readonly swarmId: string;
  readonly action: "JOIN" | "LEAVE";
  readonly peerMode: PeerMode;
  /** Identifies the action; its Result in the response repeats it. */
  readonly transactionId: string;
}

/** How a peer gets through NAT (Table 2, @abilityNAT). */
export const NAT_ABILITIES = ["No-NAT", "STUN", "TURN", "PROXY"] as const;
export type NatAbility = (typeof NAT_ABILITIES)[number];

/** How many peers the asker wants at most, and which ones it would prefer (Table 2, PeerNum). */
export interface PeerNum {
  readonly count: number;
  readonly abilityNAT?: NatAbility;
  readonly concurrentLinks?: "HIGH" | "LOW" | "NORMAL";
  readonly onlineTime?: "HIGH" | "NORMAL";
  readonly uploadBWlevel?: "HIGH" | "NORMAL";
}

/** One transport address of a peer (Table 3, PeerAddress). */
export interface PeerAddress {
  readonly addrType: "ipv4" | "ipv6";
  readonly ip: string;
  /** 0 when the peer takes no connections at a port, such as a browser. */
  readonly port: number;
  readonly priority?: number;
  readonly type?: "HOST" | "REFLEXIVE" | "PROXY";
  /** Access type, such as ADSL. */
  readonly connection?: string;
  readonly asn?: string;
  readonly peerProtocol?: string;
}

/** One peer of a peer list, or the asker itself where `swarmId` is absent (Table 3, PeerInfo). */
export interface PeerInfo {
  readonly swarmId?: string;
  readonly peerId: string;
  readonly addresses: readonly PeerAddress[];
  /** Our SuperNode extension: this peer has authenticated as one. */
  readonly superNode?: true;
}

/** What a peer reports about one swarm (Table 5). */
export interface StreamStatistics {
  readonly swarmId?: string;
  /** Bytes sent to the swarm. */
  readonly uploadedBytes?: number;
  /** Bytes received from the swarm. */
  readonly downloadedBytes?: number;
  /** Upstream bandwidth, bit/s. */
  readonly availBandwidth?: number;
}

/** Which chunks of a swarm a peer holds, as first and last chunk of ascending disjoint ranges (our ContentMap property). */
export interface ContentMap {
  readonly swarmId: string;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** How playback goes, counted since the peer joined (our Playback property). */
export interface PlaybackCounts {
  readonly chunksInTime: number;
  readonly chunksLate: number;
  readonly stalls: number;
  /** Chunks that failed verification. */
  readonly rejected: number;
  /** Bytes that came from the origin instead of peers. */
  readonly httpBytes?: number;
}

/** What a peer's access network is. */
export const ACCESS_TYPES = ["ethernet", "wifi", "cellular", "bluetooth", "wimax", "other"] as const;
/** What a peer's device runs on. */
export const POWER_SOURCES = ["mains", "battery"] as const;

/** What a peer reports about itself: properties beyond Table 5 (docs/PROTOCOL.md, Stat properties). */
export interface PeerProperties {
  /** Seconds since the peer joined. */
  readonly onlineTime?: number;
  /** Sent on change only: absent means as before. */
  readonly contentMap?: readonly ContentMap[];
  readonly playback?: PlaybackCounts;
  readonly nat?: NatAbility;
  readonly access?: (typeof ACCESS_TYPES)[number];
  readonly power?: (typeof POWER_SOURCES)[number];
}

/** How many members a swarm has (our SwarmSize extension). */
export interface SwarmSize {
  readonly swarmId: string;
  readonly size: number;
}

/** A STUN or TURN server as RTCPeerConnection takes it (our IceServer extension). */
export interface IceServer {
  readonly urls: readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

/**
 * Our Registration extension (docs/PROTOCOL.md). In a request: without `token` it asks for one, with `token` it shows
 * it. In a response: the token to show from now on, and how long the tracker waits for a sign of life.
 */
export interface Registration {
  readonly token?: string;
  /** Seconds. */
  readonly trackTimer?: number;
  /** In a request: others are not to be shown the address that it comes from. */
  readonly relayOnly?: true;
}

/** Registers a peer, or changes which swarms it is in (§4.1). */
export interface ConnectRequest {
  readonly method: "CONNECT";
  readonly transactionId: string;
  readonly peerId: string;
  readonly actions: readonly SwarmAction[];
  readonly peerNum?: PeerNum;
  /** Addresses that the peer says it has; the tracker knows only that it was heard from one. */
  readonly addresses: readonly PeerAddress[];
  /** Chunk at the asker's playhead (our Position extension). */
  readonly position?: number;
  readonly registration?: Registration;
  /** What publishers say about the swarms of the request (our Grant extension). */
  readonly grants?: readonly string[];
}

/** Asks for more peers of a swarm that the asker is in; its membership stays as it is (RFC 7846). */
export interface FindRequest {
  readonly method: "FIND";
  readonly transactionId: string;
  readonly peerId: string;
  readonly swarmId: string;
  readonly peerNum?: PeerNum;
  /** Chunk at the asker's playhead. */
  readonly position?: number;
  readonly registration?: Registration;
  readonly grants?: readonly string[];
}

/** Sign of life of a registered peer, with or without numbers (§4.2). */
export interface StatReport {
  readonly method: "STAT_REPORT";
  readonly transactionId: string;
  readonly peerId: string;
  readonly stats: readonly StreamStatistics[];
  readonly properties?: PeerProperties;
  readonly registration?: Registration;
  readonly grants?: readonly string[];
}

/** Table 6, and FIND of RFC 7846. */
export type TrackerRequest = ConnectRequest | FindRequest | StatReport;

/** A response that has a body (Table 7). */
export interface TrackerResponse {
  readonly response: "SUCCESSFUL" | "AUTHENTICATION REQUIRED";
  readonly transactionId: string;
  /** Of CONNECT: TransactionIDs of the actions that were done, in the order of the request. */
  readonly results?: readonly string[];
  /** Of CONNECT: the asker with its public address first, then the peer list. Of FIND: the peer list. */
  readonly peers?: readonly PeerInfo[];
  readonly swarmSizes?: readonly SwarmSize[];
  readonly iceServers?: readonly IceServer[];
  readonly registration?: Registration;
}

/** How messages become text and back; one per media type. */
export interface Codec {
  /** Value of Content-Type in responses. */
  readonly contentType: string;
  /** @throws TrackerError "malformed" or "version". */
  decodeRequest(text: string): TrackerRequest;
  encodeRequest(request: TrackerRequest): string;
  /** @throws TrackerError "malformed" or "version". */
  decodeResponse(text: string): TrackerResponse;
  /** @param request - what is answered */
  encodeResponse(response: TrackerResponse, request: TrackerRequest): string;
  /**
   * Body of a refusal; undefined where it has none (§4.3).
   *
   * @param transactionId - of the request, where it could be read
   */
  encodeRefusal(code: RefusalCode, transactionId: string | undefined): string | undefined;
}
