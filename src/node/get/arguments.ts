import { hashSize } from "../../core/codec/datagram.ts";
import { HashCode } from "../../core/codec/messages.ts";
import { ContentError } from "../../core/content/error.ts";
import { nameOf } from "../../core/content/presentation.ts";
import { isSwarmUrl, parseSwarmUrl, type SwarmUrl } from "../../core/content/url.ts";
import type { Compat, SwarmMetadata } from "../../core/connection/metadata.ts";
import { CommandError } from "../publish/command-error.ts";
import { readChunkSize, readSwarmArguments, type SwarmValues } from "../udp/arguments.ts";

/** What `ppsp get` was told about a swarm. */
export interface Wanted {
  readonly metadata: SwarmMetadata;
  readonly compat: Compat | undefined;
  /** HOST:PORT of the peers that the URL names. */
  readonly peers: readonly string[];
  /** URLs of the trackers that it names, best first. */
  readonly trackers: readonly string[];
}

/** Reads SWARM, its ID or a `ppsp:` URL, with the options that say more of it or the same. @throws CommandError */
export function readWanted(text: string, values: SwarmValues): Wanted {
  if (isSwarmUrl(text)) return readUrl(text, values);
  const { compat, ...swarm } = readSwarmArguments(values);
  const digits = 2 * hashSize(swarm.hash);
  if (!/^[0-9a-f]*$/iu.test(text) || text.length !== digits)
    throw new CommandError(`${text}: a swarm ID of ${nameOf(HashCode, swarm.hash)} has ${digits} hexadecimal digits`);
  const id = Uint8Array.from(Buffer.from(text, "hex"));
  return { metadata: { id, variableSize: false, ...swarm }, compat, peers: [], trackers: [] };
}

function readUrl(text: string, values: SwarmValues): Wanted {
  const { id, chunkSize, hash, addressing, chunkCount, peers, trackers } = parse(text);
  if (chunkSize === "variable")
    throw new CommandError("the URL names a presentation of many files: play it with <ppsp-player>");
  readChunkSize("the URL's chunk-size", String(chunkSize));
  const { compat, ...swarm } = readSwarmArguments(values, { by: "the URL", chunkSize, hash, addressing });
  const metadata = { id, variableSize: false, ...swarm, ...(chunkCount === undefined ? {} : { chunkCount }) };
  return { metadata, compat, peers, trackers };
}

function parse(text: string): SwarmUrl {
  try {
    return parseSwarmUrl(text);
  } catch (error) {
    if (error instanceof ContentError) throw new CommandError(error.message);
    throw error;
  }
}
