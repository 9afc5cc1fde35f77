import type { Presentation } from "../core/content/presentation.ts";

/** When each file begins in its rendition, seconds of media; undefined for init sections and single files. */
export function startTimes({ files }: Pick<Presentation, "files">): readonly (number | undefined)[] {
  const ends = new Map<number | undefined, number>();
  return files.map(({ duration, rendition }) => {
    if (duration === undefined) return undefined;
    const start = ends.get(rendition) ?? 0;
    ends.set(rendition, start + duration);
    return start;
  });
}
