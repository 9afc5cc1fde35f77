import type { Presentation } from "../content/presentation.ts";
import { binRange, rangeBins } from "../address/bin.ts";
import type { ChunkRange } from "../address/range.ts";
import { hashSize } from "../codec/datagram.ts";
import {
  ChunkAddressing,
  IntegrityMethod,
  MessageType,
  VARIABLE_CHUNK_SIZE,
  type ChunkSpec,
  type Format,
  type HashCode,
  type Message,
  type ProtocolOptions,
} from "../codec/messages.ts";
import { sameHash } from "../integrity/hashes.ts";

/** The metadata record of a static swarm (RFC 7574 §8.4, points a to f). */
export interface SwarmMetadata {
  /** Merkle root. */
  readonly id: Uint8Array;
  /** Bytes of a full chunk. */
  readonly chunkSize: number;
  /** Whether other chunks than the last may be shorter. */
  readonly variableSize: boolean;
  readonly addressing: ChunkAddressing;
  readonly hash: HashCode;
  /** Absent: found from the peak hashes (RFC 7574 §5.6). */
  readonly chunkCount?: number;
}

const VERSION = 1;

/** The messages that this implementation sends and understands on a static swarm (RFC 7574 §7.10). */
const SUPPORTED: readonly number[] = [
  MessageType.HANDSHAKE,
  MessageType.DATA,
  MessageType.ACK,
  MessageType.HAVE,
  MessageType.INTEGRITY,
  MessageType.REQUEST,
  MessageType.CANCEL,
  MessageType.CHOKE,
  MessageType.UNCHOKE,
];
/** … over links on which addresses are exchanged. */
const SUPPORTED_WITH_PEX: readonly number[] = [
  ...SUPPORTED,
  MessageType.PEX_REQ,
  MessageType.PEX_RESv4,
  MessageType.PEX_RESv6,
];

/** What the codec must know of a swarm. */
export function swarmFormat(metadata: SwarmMetadata): Format {
  return { addressing: metadata.addressing, hashSize: hashSize(metadata.hash), signatureSize: 0 };
}

/**
 * Another implementation whose peers ours is to understand and be understood by. libswift throws away a HANDSHAKE with
 * option 9 (chunk size), does not see what stands behind option 8 (supported messages), and always names its lowest version.
 */
export type Compat = "libswift";

/** The options of our HANDSHAKE (RFC 7574 §7); only the initiator names the swarm and must name its lowest version. */
export function handshakeOptions(
  metadata: SwarmMetadata,
  initiator: boolean,
  exchanging: boolean,
  compat?: Compat,
): ProtocolOptions {
  const { id, hash, addressing, chunkSize, variableSize } = metadata;
  return {
    version: VERSION,
    ...(initiator || compat === "libswift" ? { minVersion: VERSION } : {}),
    ...(initiator ? { swarmId: id } : {}),
    integrityMethod: IntegrityMethod.merkle,
    hashFunction: hash,
    chunkAddressing: addressing,
    ...(compat === "libswift"
      ? {}
      : {
          supportedMessages: exchanging ? SUPPORTED_WITH_PEX : SUPPORTED,
          chunkSize: variableSize ? VARIABLE_CHUNK_SIZE : chunkSize,
        }),
  };
}

/** Why a peer's options do not fit the swarm, in words; undefined if they do. Absent chunk size is tolerated (draft 10 had none). */
export function optionsMismatch(
  options: ProtocolOptions,
  metadata: SwarmMetadata,
  fromInitiator: boolean,
): string | undefined {
  if (options.version === undefined || options.version < VERSION) return "version";
  if (fromInitiator && (options.minVersion === undefined || options.minVersion > VERSION)) return "minimum version";
  if (options.swarmId !== undefined && !sameHash(options.swarmId, metadata.id)) return "swarm ID";
  if (fromInitiator && options.swarmId === undefined) return "swarm ID";
  if (options.integrityMethod !== IntegrityMethod.merkle) return "content integrity protection method";
  if (options.hashFunction !== metadata.hash) return "Merkle hash function";
  if (options.chunkAddressing !== metadata.addressing) return "chunk addressing method";
  const size = metadata.variableSize ? VARIABLE_CHUNK_SIZE : metadata.chunkSize;
  if (options.chunkSize !== undefined && options.chunkSize !== size) return "chunk size";
  return undefined;
}

/** A chunk range as the specifications that a message can carry: one, or with bins as many as it takes. */
export function chunkSpecs(range: ChunkRange, addressing: ChunkAddressing): readonly ChunkSpec[] {
  const bins = addressing === ChunkAddressing.bin32 || addressing === ChunkAddressing.bin64;
  return bins ? rangeBins(range).map(binRange) : [range];
}

/** HAVE for the first of the chunks held, at most `count` messages. */
export function firstHaves(have: Iterable<ChunkRange>, addressing: ChunkAddressing, count: number): Message[] {
  const messages: Message[] = [];
  for (const range of have) {
    for (const chunks of chunkSpecs(range, addressing)) messages.push({ type: "HAVE", chunks });
    if (messages.length >= count) break;
  }
  return messages.slice(0, count);
}

/** The swarm metadata record of a presentation (RFC 7574 §8.4). */
export function metadataOf({ swarm, files }: Presentation): SwarmMetadata {
  return {
    id: swarm.id,
    chunkSize: swarm.chunkSize,
    variableSize: files.length > 1,
    addressing: swarm.addressing,
    hash: swarm.hash,
    chunkCount: swarm.chunkCount,
  };
}
