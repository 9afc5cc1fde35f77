import type { Signal } from "./signal.ts";

/** What a relay says of the address behind it (RFC 8839 §5.1); some browsers write the real one. */
const RELATED = / raddr \S+ rport \d+/u;
const NOTHING = " raddr 0.0.0.0 rport 0";

/** Whether an ICE candidate, or a description that has some, names an address at a relay. */
export const isRelayed = (text: string): boolean => text.includes(" typ relay");

/**
 * What of a signal a peer may say that wants to be met at its relay only: relayed candidates, without the address that
 * they belong to; undefined if nothing is left. The browser's own policy makes no others: this holds whatever it does.
 */
export function relayedOnly(signal: Signal): Signal | undefined {
  if (signal.type !== "candidate") {
    const lines = signal.sdp
      .split("\r\n")
      .filter((line) => !line.startsWith("a=candidate:") || isRelayed(line))
      .map((line) => line.replace(RELATED, NOTHING));
    return { type: signal.type, sdp: lines.join("\r\n") };
  }
  const { candidate, ...place } = signal.candidate;
  // An empty one says that there are no more.
  if (candidate !== "" && !isRelayed(candidate)) return undefined;
  return { type: "candidate", candidate: { candidate: candidate.replace(RELATED, NOTHING), ...place } };
}
