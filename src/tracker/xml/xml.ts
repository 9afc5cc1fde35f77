import type { Encoding } from "../signal.ts";
import { xmlSignals } from "./signal.ts";
import { xmlCodec } from "./codec.ts";

/** All that a peer says to its tracker in XML: a module of its own, so that only who chooses it loads it. */
export const xmlEncoding: Encoding = { codec: xmlCodec, signals: xmlSignals };
