import { TrackerError } from "../tracker/errors.ts";
import { jsonCodec } from "../tracker/json/codec.ts";
import { jsonSignals } from "../tracker/json/signal.ts";
import type { Encoding } from "../tracker/signal.ts";

/** How a peer writes to its trackers. */
export const ENCODINGS = ["json", "xml"] as const;
export type EncodingName = (typeof ENCODINGS)[number];

const jsonEncoding: Encoding = { codec: jsonCodec, signals: jsonSignals };

/**
 * The codecs of an encoding; XML's are a module, and in the browser a script (`SCRIPT-xml.js`, vite.config.ts), that is loaded only
 * here, so that a page that speaks JSON never has them. @throws TrackerError
 */
export async function loadEncoding(name: EncodingName): Promise<Encoding> {
  if (name === "json") return jsonEncoding;
  try {
    return (await import("../tracker/xml/xml.ts")).xmlEncoding;
  } catch (error) {
    throw new TrackerError("unreachable", "the XML codec cannot be loaded", { cause: error });
  }
}
