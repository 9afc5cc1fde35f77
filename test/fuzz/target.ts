import { ChunkAddressing, HashCode, type Format, type Message } from "../../src/core/codec/messages.ts";
import { swarmFormat } from "../../src/core/connection/metadata.ts";
import type { Swarm } from "../../src/core/swarm/swarm.ts";
import { makeContent, type Content } from "../sim/content.ts";
import { foreignDatagrams, honestDatagrams, honestMessages } from "./corpus.ts";

/** One swarm that is attacked: the victim serves it whole, or fetches it. */
export interface Target {
  readonly content: Content;
  readonly swarm: Swarm;
  readonly format: Format;
  readonly datagrams: readonly Uint8Array[];
  readonly messages: readonly (readonly Message[])[];
  /** The same without HANDSHAKE. */
  readonly talk: readonly (readonly Message[])[];
  readonly store: Map<number, Uint8Array>;
}

/** What attackers know of a swarm. */
export function makeTarget(swarm: Swarm, content: Content): Target {
  const messages = honestMessages(content);
  return {
    content,
    swarm,
    format: swarmFormat(content.options.metadata),
    store: new Map(),
    messages,
    talk: messages.filter((list) => list.every(({ type }) => type !== "HANDSHAKE")),
    datagrams: [...honestDatagrams(content), ...foreignDatagrams()],
  };
}

/** What libswift's captures are about: 102,417 bytes in chunks of 1 KiB, SHA-1. */
export function libswiftContent(): Content {
  let i = 0;
  const next = (): number => {
    const byte = (i * 31 + 7 + (i >> 8) * 13 + (i >> 16) * 101) & 255;
    i++;
    return byte / 256;
  };
  return makeContent(102_417, 1_024, next, HashCode.sha1);
}

/** Another content, SHA-256, whose size is found from its peaks. */
export function fetchedContent(addressing: keyof typeof ChunkAddressing, random: () => number): Content {
  const content = makeContent(90 * 256 - 7, 256, random, HashCode.sha256);
  const { chunkCount: _, ...metadata } = content.options.metadata;
  return { ...content, options: { metadata: { ...metadata, addressing: ChunkAddressing[addressing] } } };
}
