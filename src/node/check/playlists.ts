import { Directory } from "../../core/content/directory.ts";
import type { Presentation } from "../../core/content/presentation.ts";
import { relativeUri } from "../publish/asset.ts";
import { parseMediaPlaylist } from "../publish/playlist.ts";
import { problemOf } from "./content.ts";
import type { Findings } from "./findings.ts";
import { readAll } from "./http.ts";
import type { Source } from "./source.ts";

/** Longest ppsp.json or playlist, bytes: MAX_FILES files of 256 bytes. */
const MAX_TEXT_BYTES = 2 ** 26;

/** A text resource; undefined, and a failed finding, where it cannot be read. */
export async function readText(source: Source, name: string, findings: Findings): Promise<string | undefined> {
  try {
    return Buffer.from(await readAll(source.read(name), MAX_TEXT_BYTES)).toString("utf8");
  } catch (error) {
    findings.fail(name, problemOf(error));
    return undefined;
  }
}

/** Checks that every segment of every rendition is in the presentation: it is not if HLS was made anew after publishing. */
export async function checkPlaylists(source: Source, presentation: Presentation, findings: Findings): Promise<void> {
  const directory = new Directory(presentation.files);
  for (const { uri: playlist } of presentation.renditions) {
    const text = await readText(source, playlist, findings);
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
