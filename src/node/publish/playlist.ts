import { SESSION_DATA_ID } from "../../core/content/presentation.ts";
import { CommandError } from "./command-error.ts";

/** Bytes that a media playlist names: an init section or a segment (RFC 8216 §3). */
export interface PlaylistEntry {
  readonly uri: string;
  /** Line that names it, from 1. */
  readonly line: number;
  /** Absent: the whole resource. */
  readonly range?: { readonly offset: number; readonly length: number };
  /** Seconds; absent for init sections. */
  readonly duration?: number;
}

/** A media playlist that a master playlist names. */
export interface PlaylistRendition {
  readonly type: "video" | "audio" | "subtitles";
  readonly uri: string;
  readonly line: number;
  readonly bandwidth?: number;
  readonly name?: string;
}

interface Tag {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

const AUDIO_CODEC = /^(mp4a|ac-[34]|ec-3|opus|flac|alac|mp3)/i;

/**
 * Tags and URI lines of a playlist. The project has its own reader because those of the npm registry either guess where
 * a playlist is broken or say no line number.
 */
function* readLines(text: string, file: string): Generator<Tag | { readonly uri: string; readonly line: number }> {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  if (lines[0]?.trimEnd() !== "#EXTM3U") throw new CommandError("not an HLS playlist: no #EXTM3U", file, 1);
  for (const [i, raw] of lines.entries()) {
    const content = raw.trim();
    if (content === "" || (content.startsWith("#") && !content.startsWith("#EXT"))) continue;
    const line = i + 1;
    if (!content.startsWith("#")) yield { uri: content, line };
    else {
      const [, name = "", value = ""] = /^#([^:]*):?(.*)$/.exec(content) ?? [];
      if (name === "EXT-X-DEFINE")
        throw new CommandError("EXT-X-DEFINE is not supported: write the variables out", file, line);
      yield { name, value, line };
    }
  }
}

/** The attributes of a tag (RFC 8216 §4.2), without quotation marks. */
function attributes({ name, value, line }: Tag, file: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const pattern = /\s*([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))\s*(?:,|$)/y;
  while (pattern.lastIndex < value.length) {
    const match = pattern.exec(value);
    if (match === null) throw new CommandError(`broken attribute list of ${name}`, file, line);
    found.set(match[1]!, match[2] ?? match[3]!.trim());
  }
  return found;
}

function required(from: ReadonlyMap<string, string>, attribute: string, tag: Tag, file: string): string {
  const value = from.get(attribute);
  if (value === undefined || value === "") throw new CommandError(`${tag.name} without ${attribute}`, file, tag.line);
  return value;
}

function refuseEncryption(tag: Tag, file: string): void {
  const method = required(attributes(tag, file), "METHOD", tag, file);
  if (method !== "NONE") {
    throw new CommandError(
      `encrypted content (${method}) cannot be published: package it without encryption`,
      file,
      tag.line,
    );
  }
}

/** Length and offset of `n[@o]` (RFC 8216 §4.3.2.2). */
function byteRange(value: string, tag: Tag, file: string): { length: number; offset?: number } {
  const [, length, offset] = /^(\d+)(?:@(\d+))?$/.exec(value.trim()) ?? [];
  if (length === undefined || !(Number(length) > 0))
    throw new CommandError(`broken byte range "${value}"`, file, tag.line);
  return offset === undefined ? { length: Number(length) } : { length: Number(length), offset: Number(offset) };
}

/** Whether a playlist is a master playlist; one that names neither renditions nor segments is a media playlist. */
export const isMasterPlaylist = (text: string): boolean => /^#EXT-X-(STREAM-INF|MEDIA|I-FRAME-STREAM-INF):/m.test(text);

/**
 * The media playlists that a master playlist names: variants, other audio and video, subtitles, each in their order and
 * once. Playlists of I-frames are left out, since their bytes are in the segments.
 * @throws CommandError with file and line
 */
export function parseMasterPlaylist(text: string, file: string): PlaylistRendition[] {
  const variants: PlaylistRendition[] = [];
  const alternatives: PlaylistRendition[] = [];
  const subtitles: PlaylistRendition[] = [];
  let variant: (Omit<PlaylistRendition, "uri"> & { readonly bandwidth: number }) | undefined;
  for (const item of readLines(text, file)) {
    if ("uri" in item) {
      if (variant === undefined) throw new CommandError("a URI without EXT-X-STREAM-INF", file, item.line);
      variants.push({ ...variant, uri: item.uri, line: item.line });
      variant = undefined;
    } else if (item.name === "EXT-X-STREAM-INF") {
      if (variant !== undefined) break;
      const found = attributes(item, file);
      const bandwidth = Number(required(found, "BANDWIDTH", item, file));
      if (!Number.isSafeInteger(bandwidth) || bandwidth < 0)
        throw new CommandError("broken BANDWIDTH", file, item.line);
      const codecs = found.get("CODECS")?.split(",") ?? [];
      const audio = codecs.length > 0 && codecs.every((codec) => AUDIO_CODEC.test(codec.trim()));
      const height = /^\d+x(\d+)$/.exec(found.get("RESOLUTION") ?? "")?.[1];
      const name = height === undefined ? {} : { name: `${height}p` };
      variant = { type: audio ? "audio" : "video", line: item.line, bandwidth, ...name };
    } else if (item.name === "EXT-X-MEDIA") {
      const found = attributes(item, file);
      const kind = required(found, "TYPE", item, file);
      const uri = found.get("URI");
      if (uri === undefined || uri === "") continue;
      const name = found.get("NAME");
      const rendition = { uri, line: item.line, ...(name ? { name } : {}) };
      if (kind === "SUBTITLES") subtitles.push({ type: "subtitles", ...rendition });
      else alternatives.push({ type: kind === "AUDIO" ? "audio" : "video", ...rendition });
    } else if (item.name === "EXT-X-SESSION-KEY") refuseEncryption(item, file);
    else if (item.name === "EXTINF") throw new CommandError("a segment in a master playlist", file, item.line);
  }
  if (variant !== undefined) throw new CommandError("EXT-X-STREAM-INF without a URI", file, variant.line);
  if (variants.length === 0) throw new CommandError("a master playlist without EXT-X-STREAM-INF", file, 1);
  return [...variants, ...alternatives, ...subtitles];
}

/** Other resources that a master playlist names, such as playlists of I-frames: no part of the swarm, but of a copy. */
export function otherResources(text: string, file: string): { readonly uri: string; readonly line: number }[] {
  return [...readLines(text, file)].flatMap((item) => {
    if ("uri" in item || !["EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA"].includes(item.name)) return [];
    const found = attributes(item, file);
    const uri = found.get("URI");
    return uri && found.get("DATA-ID") !== SESSION_DATA_ID ? [{ uri, line: item.line }] : [];
  });
}

/**
 * The init sections and segments of a complete media playlist, in their order. Segments marked as gaps are left out.
 * @throws CommandError with file and line, also for a live or an encrypted playlist
 */
export function parseMediaPlaylist(text: string, file: string): PlaylistEntry[] {
  const entries: PlaylistEntry[] = [];
  let segment: { line: number; duration: number } | undefined;
  let range: { tag: Tag; length: number; offset?: number } | undefined;
  let previous: { uri: string; end: number } | undefined;
  let [gap, ended, target, last] = [false, false, false, 1];
  for (const item of readLines(text, file)) {
    last = item.line;
    if ("uri" in item) {
      if (segment === undefined) throw new CommandError("a segment without EXTINF", file, item.line);
      const { uri, line } = item;
      const offset =
        range === undefined ? undefined : (range.offset ?? (previous?.uri === uri ? previous.end : undefined));
      if (range !== undefined && offset === undefined) {
        throw new CommandError("a byte range without offset that continues no other", file, range.tag.line);
      }
      const bytes = range === undefined || offset === undefined ? undefined : { offset, length: range.length };
      previous = bytes === undefined ? undefined : { uri, end: bytes.offset + bytes.length };
      if (!gap)
        entries.push({ uri, line, duration: segment.duration, ...(bytes === undefined ? {} : { range: bytes }) });
      [segment, range, gap] = [undefined, undefined, false];
      continue;
    }
    switch (item.name) {
      case "EXTINF": {
        const duration = /^(\d+(?:\.\d*)?|\.\d+)\s*(,|$)/.exec(item.value.trim())?.[1];
        if (duration === undefined) throw new CommandError(`broken EXTINF "${item.value}"`, file, item.line);
        if (segment !== undefined) throw new CommandError("EXTINF without a segment", file, segment.line);
        segment = { line: item.line, duration: Number(duration) };
        break;
      }
      case "EXT-X-BYTERANGE":
        range = { tag: item, ...byteRange(item.value, item, file) };
        break;
      case "EXT-X-MAP": {
        const found = attributes(item, file);
        const uri = required(found, "URI", item, file);
        const value = found.get("BYTERANGE");
        const bytes = value === undefined ? {} : { range: { offset: 0, ...byteRange(value, item, file) } };
        entries.push({ uri, line: item.line, ...bytes });
        break;
      }
      case "EXT-X-KEY":
        refuseEncryption(item, file);
        break;
      case "EXT-X-GAP":
        gap = true;
        break;
      case "EXT-X-TARGETDURATION":
        target = true;
        break;
      case "EXT-X-ENDLIST":
        ended = true;
        break;
      case "EXT-X-STREAM-INF":
        throw new CommandError("a master playlist where a media playlist should be", file, item.line);
    }
  }
  if (segment !== undefined) throw new CommandError("EXTINF without a segment", file, segment.line);
  if (!target) throw new CommandError("no EXT-X-TARGETDURATION", file, 1);
  if (!entries.some(({ duration }) => duration !== undefined)) throw new CommandError("no segments", file, last);
  if (!ended) {
    throw new CommandError(
      "no EXT-X-ENDLIST: a live playlist can be published only when the stream has ended",
      file,
      last,
    );
  }
  return entries;
}
