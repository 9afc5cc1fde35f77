import type { Codec } from "./messages.ts";

/** How a peer encodes what it sends. */
export type Encoding = "json" | "xml";

/**
 * Loads the codec of an encoding. Each is a module of its own, so that a page that keeps to JSON loads no XML parser.
 */
export const loadCodec: Readonly<Record<Encoding, () => Promise<Codec>>> = {
  json: async () => (await import("./json/codec.ts")).jsonCodec,
  xml: async () => (await import("./xml/codec.ts")).xmlCodec,
};
