import type { ChunkRange } from "../address/range.ts";

/** How chunks are named on the wire (RFC 7574 §7.8): the code of option 6. */
export const ChunkAddressing = { bin32: 0, byte64: 1, chunk32: 2, bin64: 3, chunk64: 4 } as const;
/** One of the five chunk addressing methods (RFC 7574 §7.8). */
export type ChunkAddressing = (typeof ChunkAddressing)[keyof typeof ChunkAddressing];

/** Content integrity protection methods (RFC 7574 §7.5); 0, "none", is withdrawn by erratum 4880. */
export const IntegrityMethod = { none: 0, merkle: 1, signAll: 2, unifiedMerkle: 3 } as const;
/** One of the content integrity protection methods (RFC 7574 §7.5). */
export type IntegrityMethod = (typeof IntegrityMethod)[keyof typeof IntegrityMethod];

/** Merkle tree hash functions (RFC 7574 §7.6): the code of option 4. */
export const HashCode = { sha1: 0, sha224: 1, sha256: 2, sha384: 3, sha512: 4 } as const;
/** One of the Merkle tree hash functions (RFC 7574 §7.6). */
export type HashCode = (typeof HashCode)[keyof typeof HashCode];

/** Chunk size option's value for chunks of varying size (RFC 7574 §7.11). */
export const VARIABLE_CHUNK_SIZE = 0xffff_ffff;

/**
 * The options of one HANDSHAKE (RFC 7574 §7). Codes that were not understood are never here: an unknown option has no
 * known length, so the datagram that holds one is malformed.
 */
export interface ProtocolOptions {
  /** 0: the highest version supported. */
  readonly version?: number;
  /** 1: the lowest version supported. */
  readonly minVersion?: number;
  /** 2: root hash (static) or public key (live). */
  readonly swarmId?: Uint8Array;
  /** 3. Any octet: the receiver decides what it supports. */
  readonly integrityMethod?: number;
  /** 4. Any octet. */
  readonly hashFunction?: number;
  /** 5: DNSSEC algorithm number. */
  readonly liveSignatureAlgorithm?: number;
  /** 6. Only the five known methods decode, since the rest of the datagram depends on it. */
  readonly chunkAddressing?: ChunkAddressing;
  /** 7: chunks (or bytes, with byte ranges) kept; all ones is `2n ** 32n - 1n` or `2n ** 64n - 1n`, "keeps everything". */
  readonly liveDiscardWindow?: bigint;
  /** 8: the message types understood, ascending. Absent: all of them. */
  readonly supportedMessages?: readonly number[];
  /** 9: bytes, or VARIABLE_CHUNK_SIZE. */
  readonly chunkSize?: number;
}

/**
 * Chunk specification as it stood on the wire: chunk numbers, except with 64-bit byte ranges, where start and end are
 * byte offsets (both inclusive). The empty bin (all ones) is `EMPTY_RANGE`.
 */
export type ChunkSpec = ChunkRange;

/** The message types of RFC 7574 §8.2, by name. */
export const MessageType = {
  HANDSHAKE: 0,
  DATA: 1,
  ACK: 2,
  HAVE: 3,
  INTEGRITY: 4,
  PEX_RESv4: 5,
  PEX_REQ: 6,
  SIGNED_INTEGRITY: 7,
  REQUEST: 8,
  CANCEL: 9,
  CHOKE: 10,
  UNCHOKE: 11,
  PEX_RESv6: 12,
  PEX_REScert: 13,
} as const;

/** Opens a channel, answers that, or closes it when `channel` is 0 (RFC 7574 §8.4). */
export interface Handshake {
  readonly type: "HANDSHAKE";
  /** Source channel ID, 1 to 2^32-1; 0 closes. */
  readonly channel: number;
  readonly options: ProtocolOptions;
}
/** One chunk (RFC 7574 §8.6). `data` is a view on the datagram, not a copy. */
export interface Data {
  readonly type: "DATA";
  readonly chunks: ChunkSpec;
  /** Sender's clock, microseconds. */
  readonly timestamp: bigint;
  readonly data: Uint8Array;
}
/** Chunks received and verified, with a one-way delay sample in microseconds (RFC 7574 §8.7). */
export interface Ack {
  readonly type: "ACK";
  readonly chunks: ChunkSpec;
  readonly delay: bigint;
}
/** Chunks that the sender holds, verified (RFC 7574 §8.5). */
export interface Have {
  readonly type: "HAVE";
  readonly chunks: ChunkSpec;
}
/** Hash of the subtree over exactly these chunks (RFC 7574 §8.8). */
export interface Integrity {
  readonly type: "INTEGRITY";
  readonly chunks: ChunkSpec;
  readonly hash: Uint8Array;
}
/** Signed munro hash or chunk (RFC 7574 §8.9). */
export interface SignedIntegrity {
  readonly type: "SIGNED_INTEGRITY";
  readonly chunks: ChunkSpec;
  /** 64-bit NTP time. */
  readonly timestamp: bigint;
  readonly signature: Uint8Array;
}
/** Chunks wanted (RFC 7574 §8.10). */
export interface Request {
  readonly type: "REQUEST";
  readonly chunks: ChunkSpec;
}
/** Chunks no longer wanted (RFC 7574 §8.11). */
export interface Cancel {
  readonly type: "CANCEL";
  readonly chunks: ChunkSpec;
}
/** No requests will be served from now on (RFC 7574 §8.12). */
export interface Choke {
  readonly type: "CHOKE";
}
/** Requests are welcome again (RFC 7574 §8.12). */
export interface Unchoke {
  readonly type: "UNCHOKE";
}
/** Asks for other peers' addresses (RFC 7574 §8.13). */
export interface PexReq {
  readonly type: "PEX_REQ";
}
/** A peer's IPv4 address, 4 octets, and port (RFC 7574 §8.13). */
export interface PexResV4 {
  readonly type: "PEX_RESv4";
  readonly address: Uint8Array;
  readonly port: number;
}
/** A peer's IPv6 address, 16 octets, and port (RFC 7574 §8.13). */
export interface PexResV6 {
  readonly type: "PEX_RESv6";
  readonly address: Uint8Array;
  readonly port: number;
}
/** A peer's membership certificate, X.509 in DER (RFC 7574 §8.13). */
export interface PexResCert {
  readonly type: "PEX_REScert";
  readonly certificate: Uint8Array;
}

/** Any PPSPP message (RFC 7574 §8.2). */
export type Message =
  | Handshake
  | Data
  | Ack
  | Have
  | Integrity
  | SignedIntegrity
  | Request
  | Cancel
  | Choke
  | Unchoke
  | PexReq
  | PexResV4
  | PexResV6
  | PexResCert;

/** What a channel has agreed on and the octets do not say (RFC 7574 §7.6 to §7.8). */
export interface Format {
  readonly addressing: ChunkAddressing;
  /** Octets of a hash in INTEGRITY. */
  readonly hashSize: number;
  /** Octets of a signature in SIGNED_INTEGRITY; 0 where the swarm has none. */
  readonly signatureSize: number;
}

/** Destination channel and messages, in their order; no message at all is a keep-alive (RFC 7574 §8.14). */
export interface Datagram {
  readonly channel: number;
  readonly messages: readonly Message[];
}
