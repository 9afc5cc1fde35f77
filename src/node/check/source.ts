import { open, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isUrl } from "../publish/arguments.ts";
import { CommandError, systemReason } from "../publish/command-error.ts";
import { shown } from "../publish/asset.ts";
import { PRESENTATION_NAME } from "../publish/publish.ts";
import { request, ResponseError } from "./http.ts";

/** Where a published presentation is read from. */
export interface Source {
  /** Folder that its URIs are relative to, for people. */
  readonly place: string;
  /** Base URL over HTTP; absent for a folder. */
  readonly base?: string;
  /**
   * Bytes of a resource relative to the base, all of them or `range`; in parts of any size, the caller stops where it has
   * enough. @throws CommandError or ResponseError that says what is wrong, in words
   */
  read(uri: string, range?: { readonly offset: number; readonly length: number }): AsyncIterable<Uint8Array>;
}

/** Bytes read from a file at a time. */
const BLOCK_BYTES = 2 ** 18;

/** A source over a folder on disk. */
export function folderSource(folder: string): Source {
  return {
    place: shown(folder),
    async *read(uri, range) {
      const path = join(folder, decodeURIComponent(uri));
      const handle = await open(path).catch((error: unknown) => {
        throw new CommandError(systemReason(error));
      });
      try {
        let position = range?.offset ?? 0;
        const end = range === undefined ? Infinity : position + range.length;
        while (position < end) {
          const block = Buffer.alloc(Math.min(BLOCK_BYTES, end - position));
          const { bytesRead } = await handle.read(block, 0, block.length, position).catch((error: unknown) => {
            throw new CommandError(systemReason(error));
          });
          if (bytesRead === 0) return;
          position += bytesRead;
          yield block.subarray(0, bytesRead);
        }
      } finally {
        await handle.close();
      }
    },
  };
}

/** A source over HTTP. */
export function httpSource(base: string, signal: AbortSignal): Source {
  return {
    place: base,
    base,
    async *read(uri, range) {
      const headers = range === undefined ? {} : { range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
      const response = await request(new URL(uri, base).href, signal, { headers });
      const expected = range === undefined ? 200 : 206;
      if (response.status !== expected) {
        await response.cancel();
        throw new ResponseError(`answers ${response.status} instead of ${expected}`);
      }
      yield* response.body;
    },
  };
}

/** What `ppsp check` was given: the place of a presentation, and the names to look at in it. */
export interface Target {
  readonly source: Source;
  /** Name of ppsp.json; to be found in `playlist` if absent. */
  readonly presentation?: string;
  /** Name of the master playlist. */
  readonly playlist?: string;
  /** URI of a single file that the presentation is to have. */
  readonly file?: string;
}

/** Takes a URL or path of a folder, a ppsp.json, a master playlist or a single file apart. @throws CommandError */
export async function readTarget(target: string, signal: AbortSignal): Promise<Target> {
  if (/^https?:\/\//i.test(target)) {
    if (!URL.canParse(target)) throw new CommandError(`${target}: not a URL`);
    const url = new URL(target);
    const name = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
    const known = /\.(json|m3u8|mp4|webm)$/i.test(name);
    if (!known && name !== "") url.pathname += "/";
    return targetOf(httpSource(new URL(known ? "." : "", url).href, signal), known ? name : "");
  }
  if (isUrl(target)) throw new CommandError("wants an http(s) URL or a folder", target);
  const path = resolve(target);
  const info = await stat(path).catch((error: unknown) => {
    throw new CommandError(systemReason(error), target);
  });
  if (info.isDirectory()) return targetOf(folderSource(path), "");
  return targetOf(folderSource(dirname(path)), encodeURIComponent(basename(path)));
}

function targetOf(source: Source, name: string): Target {
  if (/\.m3u8$/i.test(name)) return { source, playlist: name };
  if (/\.json$/i.test(name)) return { source, presentation: name };
  return { source, presentation: PRESENTATION_NAME, ...(name !== "" && { file: name }) };
}
