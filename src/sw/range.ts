import type { PresentationFile } from "../core/content/presentation.ts";
import { resourceUrl, type ByteRange } from "./protocol.ts";

/** Reads a `Range` header (RFC 9110 §14.1.2) with one range that says where it begins; undefined for any other. */
export function parseRange(header: string): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(header.trim()) ?? [];
  if (first === undefined) return undefined;
  if (last === undefined) return { first: Number(first) };
  return Number(last) >= Number(first) ? { first: Number(first), last: Number(last) } : undefined;
}

/**
 * The part of a published file that a request for its resource wants, relative to the file; undefined where the file
 * does not hold all of it.
 */
export function locate(
  file: Pick<PresentationFile, "offset" | "length">,
  range: ByteRange | undefined,
): { readonly offset: number; readonly length: number } | undefined {
  const { offset: begin, length } = file;
  if (begin === undefined) {
    const first = range?.first ?? 0;
    const end = Math.min(length, (range?.last ?? Infinity) + 1);
    return first < end ? { offset: first, length: end - first } : undefined;
  }
  // Only this range of the resource is published.
  if (range?.last === undefined) return undefined;
  const inside = range.first >= begin && range.last < begin + length;
  return inside ? { offset: range.first - begin, length: range.last + 1 - range.first } : undefined;
}

const TYPES: Readonly<Record<string, string>> = {
  aac: "audio/aac",
  m4a: "audio/mp4",
  m4s: "video/mp4",
  m4v: "video/mp4",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  ts: "video/mp2t",
  vtt: "text/vtt",
  webm: "video/webm",
};

/** Content-Type of a resource, by its name: the swarm carries bytes only. */
export function contentType(url: string): string {
  return TYPES[/\.(\w+)$/.exec(resourceUrl(url))?.[1]?.toLowerCase() ?? ""] ?? "application/octet-stream";
}
