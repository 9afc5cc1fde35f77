import type Hls from "hls.js";
import { firstSegment } from "../core/content/presentation.ts";
import type { RemoteEngine } from "../worker/remote-engine.ts";
import type { LoaderHost } from "./hls-loader.ts";
import type { HlsClass } from "./load-hls.ts";

/**
 * Asks the origin for what hls.js will want first of a playlist while the playlist is still coming: ppsp.json, which is there by then,
 * knows its init section and its first segment. The picture comes one round trip earlier.
 */
export function askFirstMedia(
  HlsJs: HlsClass,
  hls: Hls,
  { engine, early }: Pick<LoaderHost, "engine" | "early">,
): void {
  // Who starts elsewhere has no use for the first segment.
  if (hls.config.startPosition > 0) return;
  const { Events } = HlsJs;
  /** The first segment of each playlist, by its type, until hls.js has asked for one. */
  const segments = new Map<string, string | undefined>();
  const playlist = async (type: string, url: string): Promise<void> => {
    segments.set(type, undefined);
    const open = await engine();
    if (open === undefined || !segments.has(type)) return;
    const files = firstOf(open, url);
    for (const file of files) early.ask(file);
    segments.set(type, files.at(-1));
  };
  hls.once(Events.LEVEL_LOADING, (_event, { url }) => void playlist("main", url));
  hls.once(Events.AUDIO_TRACK_LOADING, (_event, { url }) => void playlist("audio", url));
  hls.on(Events.FRAG_LOADING, (_event, { frag }) => {
    if (frag.sn === "initSegment") return;
    const segment = segments.get(frag.type);
    segments.delete(frag.type);
    if (segment !== undefined && segment !== frag.url) early.drop(segment);
  });
}

/** URLs of the init section, if there is one, and the first segment of a media playlist, where they are whole resources. */
function firstOf({ presentation, baseUrl }: RemoteEngine, playlist: string): string[] {
  const { files, renditions } = presentation;
  const rendition = renditions.findIndex(({ uri }) => new URL(uri, baseUrl).href === playlist);
  if (rendition < 0) return [];
  const segment = files[firstSegment(files, rendition)];
  if (segment === undefined || segment.offset !== undefined) return [];
  const init = files.find((file) => file.rendition === rendition && file.duration === undefined);
  const whole = init === undefined || init.offset !== undefined ? [segment] : [init, segment];
  return whole.map(({ uri }) => new URL(uri, baseUrl).href);
}
