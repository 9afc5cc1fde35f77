import { SESSION_DATA_ID } from "../../core/content/presentation.ts";

const TAG = `#EXT-X-SESSION-DATA:DATA-ID="${SESSION_DATA_ID}",URI="ppsp.json"`;
/** Tags that players expect first. */
const HEAD = /^(#EXTM3U|#EXT-X-VERSION:|#EXT-X-INDEPENDENT-SEGMENTS)/;

/** URI of ppsp.json in a master playlist, as it stands there, if it names one. */
export function presentationUri(master: string): string | undefined {
  const line = master.split(/\r\n|\n|\r/).find(namesPresentation);
  return line === undefined ? undefined : /[:,]\s*URI="([^"]+)"/.exec(line)?.[1];
}

/** The master playlist with one tag that names ppsp.json (RFC 8216 §4.3.4.4), nothing else changed. */
export function withSessionData(master: string): string {
  const newline = /\r\n|\n|\r/.exec(master)?.[0] ?? "\n";
  // Each with its own line end.
  const lines = master.split(/(?<=\r\n|\n|\r(?!\n))/);
  const present = lines.findIndex(namesPresentation);
  const others = lines.filter((line) => !namesPresentation(line));
  const head = others.findIndex((line, i) => i > 0 && !HEAD.test(line));
  const at = present >= 0 ? present : head < 0 ? others.length : head;
  const before = others.slice(0, at).join("");
  const separator = /[\r\n]$/.test(before) ? "" : newline;
  return `${before}${separator}${TAG}${newline}${others.slice(at).join("")}`;
}

function namesPresentation(line: string): boolean {
  return line.startsWith("#EXT-X-SESSION-DATA:") && line.includes(`DATA-ID="${SESSION_DATA_ID}"`);
}
