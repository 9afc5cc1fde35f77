import { Directory } from "../../core/content/directory.ts";
import type { Presentation } from "../../core/content/presentation.ts";
import { isRelativeUri } from "../../core/content/uri.ts";
import { relativeUri } from "../publish/asset.ts";
import { isMasterPlaylist, parseMasterPlaylist, parseMediaPlaylist } from "../publish/playlist.ts";
import { presentationUri } from "../publish/session-data.ts";
import { problemOf } from "./content.ts";
import type { Findings } from "./findings.ts";
import { readAll } from "./http.ts";
import type { Source } from "./source.ts";

/** Longest ppsp.json or playlist, bytes: MAX_FILES files of 256 bytes. */
const MAX_TEXT_BYTES = 2 ** 26;
/** Where the master playlist is looked for if none was named: what most packagers call it, and `ppsp publish`. */
const MASTER_NAME = "master.m3u8";

/** A master playlist. */
export interface Master {
  readonly name: string;
  readonly text: string;
}

/** A text resource; undefined, and what `report` makes of the problem, where it cannot be read. */
export async function readText(
  source: Source,
  name: string,
  report: (problem: string) => void,
): Promise<string | undefined> {
  try {
    return Buffer.from(await readAll(source.read(name), MAX_TEXT_BYTES)).toString("utf8");
  } catch (error) {
    report(problemOf(error));
    return undefined;
  }
}

/** The master playlist that was named, or else the one that is usually there; a finding where there is none. */
export async function readMaster(
  source: Source,
  name: string | undefined,
  findings: Findings,
): Promise<Master | undefined> {
  const notFound = (problem: string): void => {
    if (name !== undefined) findings.fail(name, problem);
    else findings.warn(MASTER_NAME, `${problem}: the master playlist is not checked, name it instead of its folder`);
  };
  const text = await readText(source, name ?? MASTER_NAME, notFound);
  if (text === undefined) return undefined;
  if (!/^\s*</.test(text)) return { name: name ?? MASTER_NAME, text };
  // What some servers say instead of 404.
  notFound("is a page instead of a playlist");
  return undefined;
}

/** The name of ppsp.json in a master playlist, which must be beside it, and `wanted`; else a failed finding. */
export function findPresentation({ name, text }: Master, findings: Findings, wanted?: string): string | undefined {
  const uri = presentationUri(text);
  if (uri !== undefined && wanted !== undefined && uri !== wanted) {
    findings.fail(name, `names ${uri} instead of ${wanted}`);
    return undefined;
  }
  if (uri !== undefined && isRelativeUri(uri)) {
    findings.ok(name, `names ${uri}`);
    return uri;
  }
  if (uri !== undefined) findings.fail(name, `names ${uri}, which is not beside it`);
  else if (/^#EXTINF:/m.test(text) && !isMasterPlaylist(text))
    findings.fail(name, "is a media playlist: name the master playlist");
  else findings.fail(name, "names no ppsp.json: run ppsp publish, or name the master playlist that does");
  return undefined;
}

/** Checks that a master playlist names the renditions of the presentation, no more and no fewer. */
export function checkMaster({ name, text }: Master, { renditions }: Presentation, findings: Findings): void {
  try {
    const named = parseMasterPlaylist(text, name).map(({ uri, line }) => ({
      line,
      uri: relativeUri(uri, "", name, line),
    }));
    const added = named.filter(({ uri }) => !renditions.some((rendition) => rendition.uri === uri));
    const lost = renditions.filter(({ uri }) => !named.some((rendition) => rendition.uri === uri));
    for (const { uri, line } of added)
      findings.fail(`${name}:${line}`, `"${uri}" is not in the presentation: publish again`);
    for (const { uri } of lost) findings.fail(name, `does not name "${uri}" of the presentation: publish again`);
    if (added.length === 0 && lost.length === 0)
      findings.ok(name, `names the ${renditions.length} renditions of the presentation`);
  } catch (error) {
    findings.fail("playlist", problemOf(error));
  }
}

/** Checks that every segment of every rendition is in the presentation: it is not if HLS was made anew after publishing. */
export async function checkPlaylists(source: Source, presentation: Presentation, findings: Findings): Promise<void> {
  const directory = new Directory(presentation.files);
  for (const { uri: playlist } of presentation.renditions) {
    const text = await readText(source, playlist, (problem) => findings.fail(playlist, problem));
    if (text === undefined) continue;
    try {
      const entries = parseMediaPlaylist(text, playlist);
      const lost = entries.find(
        ({ uri, line, range }) =>
          directory.find(relativeUri(uri, playlist, playlist, line), range?.offset) === undefined,
      );
      if (lost === undefined) findings.ok(playlist, `${entries.length} entries, all in the presentation`);
      else findings.fail(`${playlist}:${lost.line}`, `"${lost.uri}" is not in the presentation: publish again`);
    } catch (error) {
      findings.fail("playlist", problemOf(error));
    }
  }
}
