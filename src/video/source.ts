import { ContentError } from "../core/content/error.ts";
import { isSwarmUrl, parseSwarmUrl, type SwarmUrl } from "../core/content/url.ts";

/** What is to be played, and where its swarm is. */
export interface Source {
  /** Absolute URL of an HLS playlist or a media file. */
  readonly src: string;
  /** Absolute URL of ppsp.json; undefined to take what the playlist names. */
  readonly presentation: string | undefined;
  /** Instead of the trackers of ppsp.json, if there are any. */
  readonly trackers: readonly string[];
  /** What a `ppsp:` URL says of the swarm: a ppsp.json of another one is not used. */
  readonly promised?: SwarmUrl | undefined;
}

/**
 * Resolves a `ppsp:` URL in `src` into what it names; other sources stay as they are. What was said beside it, in the
 * attributes `presentation` and `tracker`, goes before what the URL says.
 * @throws ContentError for a malformed one, or one that does not say what to load
 */
export function resolveSource(source: Source): Source {
  if (!isSwarmUrl(source.src)) return source;
  const promised = parseSwarmUrl(source.src);
  return {
    src: promised.src ?? noMedia(),
    presentation: source.presentation ?? promised.presentation,
    trackers: source.trackers.length > 0 ? source.trackers : promised.trackers,
    promised,
  };
}

function noMedia(): never {
  throw new ContentError("bad-url", "ppsp: URL", "it has no src, the playlist or file that is to be played");
}
