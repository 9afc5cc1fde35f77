import { ChunkAddressing, HashCode } from "../../core/codec/messages.ts";
import type { Compat } from "../../core/connection/metadata.ts";
import { MIN_CHUNK_SIZE, nameOf } from "../../core/content/presentation.ts";
import { oneOf } from "../publish/arguments.ts";
import { CommandError } from "../publish/command-error.ts";

/** Largest chunk over UDP, bytes: chunk and proof fit one datagram of 65,507. */
const MAX_UDP_CHUNK = 32_768;

/** Options that `seed` and `get` share, as node:util's parseArgs wants them. */
export const SWARM_OPTIONS = {
  udp: { type: "string" },
  "chunk-size": { type: "string" },
  hash: { type: "string" },
  addressing: { type: "string" },
  compat: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Help text for them. */
export const SWARM_OPTIONS_HELP = `  --chunk-size N     bytes, ${MIN_CHUNK_SIZE} to ${MAX_UDP_CHUNK} (default 1024)
  --hash NAME        sha1, sha224, sha256, sha384 or sha512 (default sha256)
  --addressing NAME  chunk32, chunk64, bin32, bin64 or byte64 (default chunk32)
  --compat libswift  be understood by libswift: sha1, chunk32, and only the options that it knows
`;

/** Their values as they were typed. */
export type SwarmValues = Partial<Record<"chunk-size" | "hash" | "addressing" | "compat", string | undefined>>;

/** What they say about a swarm. */
export interface SwarmArguments {
  readonly chunkSize: number;
  readonly hash: HashCode;
  readonly addressing: ChunkAddressing;
  readonly compat?: Compat;
}

/** What was not said is as here: RFC 7574's defaults, and the chunk size that §8.1 recommends. */
const DEFAULTS: SwarmArguments = { chunkSize: 1024, hash: HashCode.sha256, addressing: ChunkAddressing.chunk32 };

/** What is settled already, and by what: naming anything else is a contradiction. */
export interface GivenArguments extends Partial<Omit<SwarmArguments, "compat">> {
  readonly by: string;
}

/** Reads them; what a `ppsp:` URL says is `given`. @throws CommandError, also for an option that contradicts another */
export function readSwarmArguments(values: SwarmValues, given?: GivenArguments): SwarmArguments {
  const compat = values.compat === undefined ? undefined : oneOf("--compat", COMPATS, values.compat);
  const size = values["chunk-size"];
  const said = {
    ...(size === undefined ? {} : { chunkSize: readChunkSize("--chunk-size", size) }),
    ...(values.hash === undefined ? {} : { hash: oneOf("--hash", HashCode, values.hash) }),
    ...(values.addressing === undefined
      ? {}
      : { addressing: oneOf("--addressing", ChunkAddressing, values.addressing) }),
  };
  const libswift = { by: "--compat libswift", hash: HashCode.sha1, addressing: ChunkAddressing.chunk32 };
  const asked = compat === undefined ? said : agree(libswift, said);
  const agreed = given === undefined ? asked : agree(given, asked);
  return { ...DEFAULTS, ...agreed, ...(compat === undefined ? {} : { compat }) };
}

/** A chunk size that fits UDP. @throws CommandError naming where it stood */
export function readChunkSize(where: string, size: string): number {
  if (/^\d+$/u.test(size) && Number(size) >= MIN_CHUNK_SIZE && Number(size) <= MAX_UDP_CHUNK) return Number(size);
  throw new CommandError(`${where} ${size}: wants ${MIN_CHUNK_SIZE} to ${MAX_UDP_CHUNK} bytes`);
}

const COMPATS: Readonly<Record<string, Compat>> = { libswift: "libswift" };

const NAMES = { chunkSize: "chunk size", hash: "hash", addressing: "addressing" } as const;

function agree({ by, ...given }: GivenArguments, said: Partial<SwarmArguments>): Partial<SwarmArguments> {
  for (const name of ["chunkSize", "hash", "addressing"] as const) {
    const [wanted, other] = [given[name], said[name]];
    if (wanted === undefined || other === undefined || wanted === other) continue;
    throw new CommandError(
      `${by} has ${NAMES[name]} ${nameOf(CODES[name], wanted)}, not ${nameOf(CODES[name], other)}`,
    );
  }
  return { ...said, ...given };
}

const CODES = { chunkSize: {}, hash: HashCode, addressing: ChunkAddressing };
