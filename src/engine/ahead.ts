import type { Presentation } from "../core/content/presentation.ts";
import type { ChunkRange } from "../core/address/range.ts";
import type { Delivery, FetchRequest } from "./delivery.ts";

/** Segments that are fetched ahead of the one that the player asks for: enough for neighbours to share the work, and little is lost when it turns away. */
export const SEGMENTS_AHEAD = 3;

/** What fetching ahead needs from its engine. */
export interface AheadHost {
  begin(file: number, request: FetchRequest): Delivery;
  end(delivery: Delivery): void;
  /** Whether there is anybody to share with. */
  worthwhile(): boolean;
}

/** Fetches the segments that the player will ask for next, so that neighbours have time to divide among them what nobody has. */
export class Ahead {
  readonly #presentation: Presentation;
  readonly #host: AheadHost;
  readonly #running = new Map<number, Delivery>();

  constructor(presentation: Presentation, host: AheadHost) {
    this.#presentation = presentation;
    this.#host = host;
  }

  /** The player asks for these chunks of a file: what is fetched of it already is handed over, if it is for the same chunks. */
  take(file: number, chunks: ChunkRange): Delivery | undefined {
    const delivery = this.#running.get(file);
    if (delivery === undefined) return undefined;
    this.#running.delete(file);
    if (delivery.chunks.start === chunks.start && delivery.chunks.end === chunks.end) return delivery;
    this.#host.end(delivery);
    return undefined;
  }

  /** The player has asked for a segment: those behind it in the same rendition will be next, and those of others will not. */
  follow(file: number, request: FetchRequest): void {
    const { files, renditions } = this.#presentation;
    const { rendition, duration } = files[file]!;
    if (rendition === undefined || duration === undefined) return;
    const next: number[] = [];
    for (let other = file + 1; next.length < SEGMENTS_AHEAD && files[other]?.rendition === rendition; other++)
      next.push(other);
    for (const [other, delivery] of this.#running) {
      const owner = files[other]!.rendition;
      const same = owner !== undefined && renditions[owner]?.type === renditions[rendition]?.type;
      if (!same || next.includes(other)) continue;
      this.#running.delete(other);
      this.#host.end(delivery);
    }
    if (!this.#host.worthwhile()) return;
    let later = duration * 1000;
    for (const other of next) {
      const after = later;
      later += (files[other]!.duration ?? 0) * 1000;
      if (this.#running.has(other)) continue;
      const delivery = this.#host.begin(other, { deadline: () => request.deadline() + after });
      this.#running.set(other, delivery);
      delivery.begin();
    }
  }
}
