import type { ChunkRange } from "../core/address/range.ts";
import type { Layout } from "../core/content/layout.ts";
import { firstSegment, type Presentation } from "../core/content/presentation.ts";
import type { Connection } from "../core/connection/connection.ts";

/** What is known of a neighbour. */
export type Neighbour = Pick<Connection, "state" | "peerHas" | "link">;

/** Tells which neighbours may want what we want: who watches another rendition will not fetch this one for us. */
export class Rivals {
  readonly #presentation: Presentation;
  readonly #layout: Layout;
  /** First segment of each rendition. */
  readonly #first: readonly number[];

  constructor(presentation: Presentation, layout: Layout) {
    const { files, renditions } = presentation;
    this.#presentation = presentation;
    this.#layout = layout;
    this.#first = renditions.map((_, rendition) => firstSegment(files, rendition));
  }

  /** The neighbours that have nothing of the segments that play together with this chunk in other renditions; of how many. */
  among(connections: Iterable<Neighbour>, chunk: number): { readonly rivals: string[]; readonly neighbours: number } {
    const others = this.#beside(this.#layout.locate(chunk).file);
    let neighbours = 0;
    const rivals: string[] = [];
    for (const { state, peerHas, link } of connections) {
      if (state !== "established") continue;
      neighbours++;
      if (!others.some((range) => peerHas.intersects(range))) rivals.push(link);
    }
    return { rivals, neighbours };
  }

  /** The chunks of the same place in the other renditions of the same type. */
  #beside(file: number): ChunkRange[] {
    const { files, renditions } = this.#presentation;
    const owner = files[file]?.rendition;
    if (owner === undefined || this.#first[owner]! > file) return [];
    const place = file - this.#first[owner]!;
    return renditions.flatMap(({ type }, other) => {
      const sibling = this.#first[other]! + place;
      const same = other !== owner && type === renditions[owner]!.type && files[sibling]?.rendition === other;
      return same && this.#first[other]! >= 0 ? [this.#layout.fileChunks(sibling)] : [];
    });
  }
}
