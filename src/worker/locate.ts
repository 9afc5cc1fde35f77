import { ContentError } from "../core/content/error.ts";
import { SESSION_DATA_ID } from "../core/content/presentation.ts";
import { isSwarmUrl, parseSwarmUrl, type SwarmUrl } from "../core/content/url.ts";
import { readDocument } from "../engine/document.ts";
import { PlaybackError } from "../engine/errors.ts";
import type { OpenMessage } from "./protocol.ts";

/** Where a presentation is, and what its `ppsp:` URL says of it. */
export interface Located {
  /** Absolute URL of ppsp.json. */
  readonly place: string;
  readonly promised: SwarmUrl | undefined;
  /** Trackers that the `ppsp:` URL names. */
  readonly named: readonly string[];
}

/** Largest playlist that is read for the name of its ppsp.json, bytes: a master playlist has a few lines for each rendition. */
const MAX_PLAYLIST_BYTES = 1024 * 1024;

/** Finds the ppsp.json of what is to be opened. @throws ContentError, PlaybackError */
export async function locate({ presentation, promised }: OpenMessage): Promise<Located> {
  if (!isSwarmUrl(presentation)) return { place: presentation, promised, named: [] };
  const url = parseSwarmUrl(presentation);
  return { place: url.presentation ?? (await beside(url)), promised: url, named: url.trackers };
}

/** Where the HLS master playlist says that ppsp.json is (docs/PROTOCOL.md, "How it is found"). */
async function beside({ src }: SwarmUrl): Promise<string> {
  if (src === undefined) throw new ContentError("bad-url", "ppsp: URL", "it has neither src nor presentation");
  const { text, url } = await readDocument(src, MAX_PLAYLIST_BYTES);
  const tag = text
    .split("\n")
    .find((line) => line.startsWith("#EXT-X-SESSION-DATA:") && line.includes(`DATA-ID="${SESSION_DATA_ID}"`));
  const [, uri] = /[:,]URI="([^"]+)"/.exec(tag ?? "") ?? [];
  if (uri === undefined) throw new PlaybackError("presentation", `${src} names no ppsp.json`);
  return new URL(uri, url).href;
}
