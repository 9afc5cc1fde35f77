import type { Voucher } from "./auth/grant.ts";
import type { RefusalCode } from "./errors.ts";
import type { Limits } from "./limits.ts";
import type {
  ConnectRequest,
  FindRequest,
  PeerAddress,
  PeerInfo,
  PeerMode,
  PeerNum,
  PeerProperties,
  StatReport,
  StreamStatistics,
  TrackerRequest,
  TrackerResponse,
} from "./messages.ts";
import type { Soon } from "./soon.ts";

/** Answer to a request, as a value that can travel between objects; `reason` never quotes the request. */
export type Outcome =
  | { readonly ok: true; readonly response: TrackerResponse }
  | { readonly ok: false; readonly code: RefusalCode; readonly reason: string };

/** Who sends a request, as far as the tracker knows without believing the body. */
export interface Asker {
  /** IP address that the request came from. */
  readonly source: string;
  /** Autonomous system of that address, such as "64496". */
  readonly asn?: string;
  /** Country of that address, ISO 3166-1 alpha-2. */
  readonly country?: string;
  /** Whom its access token is for; absent where none is needed. */
  readonly subject?: string;
  /** Swarms in which it has authenticated as a super-node, of those that it asks about. */
  readonly superNodeOf?: readonly string[];
  /** Swarms that are served only by the word of a publisher: that word as the request shows it, or why it does not. */
  readonly vouched?: ReadonlyMap<string, Voucher | string>;
}

/** What a peer wants of a peer list. */
export interface Wish {
  /** Most peers to list. */
  readonly count: number;
  readonly peerNum?: PeerNum;
  /** Chunk at its playhead. */
  readonly position?: number;
}

/** What a swarm answers to a peer that enters it or looks for others. */
export interface Listing {
  readonly peers: readonly PeerInfo[];
  /** Members of the swarm. */
  readonly size: number;
}

/** What the tracker lets whom do. */
export interface TrackerPolicy {
  /** Whether the tracker is there for this swarm. */
  serves(swarmId: string): boolean;
  /**
   * Checks the credentials of a request before anything else is done with it (§4.1), and may ask other services about them;
   * absent: none are needed.
   *
   * @param authorization - the header field of that name
   */
  authorize?(authorization: string | null, request: TrackerRequest, asker: Asker): Promise<Grant>;
  /** Origins of web pages that may ask; absent: all. */
  readonly origins?: readonly string[];
  /**
   * Milliseconds that a peer may take to send its request body.
   *
   * @defaultValue 10,000
   */
  readonly bodyTimeout?: number;
  /** @defaultValue those of the parameters */
  readonly limits?: Limits;
}

/** Whether a request may go on: as which asker, or how it is refused, with the challenge for WWW-Authenticate of a 401. */
export type Grant =
  | { readonly ok: true; readonly asker: Asker }
  | { readonly ok: false; readonly code: RefusalCode; readonly reason: string; readonly challenge?: string };

/** A peer of the base protocol as its Peer object enters it into a swarm. */
export interface Entry {
  readonly peerId: string;
  readonly peerMode: PeerMode;
  readonly asker: Asker;
  readonly address: PeerAddress;
  /** What it states beside that one. */
  readonly further?: readonly PeerAddress[];
}

/** One swarm: its roster, and the machines of the members that registered with a token. */
export interface SwarmPort {
  /** CONNECT with Registration, about this swarm only. */
  onConnect(request: ConnectRequest, asker: Asker): Soon<Outcome>;
  /** FIND with Registration. */
  onFind(request: FindRequest, asker: Asker): Soon<Outcome>;
  /** STAT_REPORT with Registration, about this swarm only. */
  onReport(request: StatReport, asker: Asker): Soon<Outcome>;
  /** Enters a peer, or changes its entry, and lists others; refuses when someone with a token has this Peer-ID, or when full. */
  enter(entry: Entry, wish: Wish): Promise<Listing | "unauthorized" | "forbidden" | "unavailable">;
  /** Lists other peers for one that `enter` put in; undefined when it is not there. */
  find(peerId: string, asker: Asker, wish: Wish): Promise<Listing | undefined>;
  /** Takes out a peer that `enter` put in. */
  remove(peerId: string): Promise<void>;
  /** Keeps what such a peer reports; `properties` hold the content map of this swarm only. */
  note(peerId: string, stat: StreamStatistics | undefined, properties: PeerProperties | undefined): Promise<void>;
}

/** One Peer-ID of the base protocol: its machine over all swarms. */
export interface PeerPort {
  onConnect(request: ConnectRequest, asker: Asker): Soon<Outcome>;
  onFind(request: FindRequest, asker: Asker): Soon<Outcome>;
  onReport(request: StatReport, asker: Asker): Soon<Outcome>;
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
