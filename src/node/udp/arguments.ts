import { ChunkAddressing, HashCode } from "../../core/codec/messages.ts";
import { MIN_CHUNK_SIZE } from "../../core/content/presentation.ts";
import { CommandError } from "../publish/command-error.ts";

/** Largest chunk over UDP, bytes: chunk and proof fit one datagram of 65,507. */
const MAX_UDP_CHUNK = 32_768;

/** Options that `seed` and `get` share, as node:util's parseArgs wants them; 1,024 bytes as RFC 7574 §8.1 recommends. */
export const SWARM_OPTIONS = {
  udp: { type: "string" },
  "chunk-size": { type: "string", default: "1024" },
  hash: { type: "string", default: "sha256" },
  addressing: { type: "string", default: "chunk32" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Help text for them. */
export const SWARM_OPTIONS_HELP = `  --chunk-size N     bytes, ${MIN_CHUNK_SIZE} to ${MAX_UDP_CHUNK} (default 1024)
  --hash NAME        sha1, sha224, sha256, sha384 or sha512 (default sha256)
  --addressing NAME  chunk32, chunk64, bin32 or bin64 (default chunk32)
`;

/** What they say about a swarm. */
export interface SwarmArguments {
  readonly chunkSize: number;
  readonly hash: HashCode;
  readonly addressing: ChunkAddressing;
}

/** Reads them. @throws CommandError */
export function readSwarmArguments(values: {
  readonly "chunk-size": string;
  readonly hash: string;
  readonly addressing: string;
}): SwarmArguments {
  const size = values["chunk-size"];
  if (!/^\d+$/u.test(size) || Number(size) < MIN_CHUNK_SIZE || Number(size) > MAX_UDP_CHUNK)
    throw new CommandError(`--chunk-size ${size}: wants ${MIN_CHUNK_SIZE} to ${MAX_UDP_CHUNK} bytes`);
  if (values.addressing === "byte64")
    throw new CommandError("--addressing byte64: 64-bit byte ranges are not supported yet");
  const { byte64: _, ...addressings } = ChunkAddressing;
  return {
    chunkSize: Number(size),
    hash: oneOf("--hash", HashCode, values.hash),
    addressing: oneOf("--addressing", addressings, values.addressing),
  };
}

function oneOf<Code>(option: string, codes: Readonly<Record<string, Code>>, name: string): Code {
  const entry = Object.entries(codes).find(([known]) => known === name);
  if (entry === undefined) throw new CommandError(`${option} ${name}: knows ${Object.keys(codes).join(", ")}`);
  return entry[1];
}
