import { ChunkSet } from "../core/address/chunk-set.ts";
import type { ChunkRange } from "../core/address/range.ts";
import type { Layout } from "../core/content/layout.ts";
import type { Piece } from "./delivery.ts";
import type { EngineOptions } from "./options.ts";
import type { Playhead } from "./ports.ts";

/** Share of the memory limit that is freed at once: channels that said HAVE for a chunk must reopen when it goes, so this must be rare. */
const EVICTION_SHARE = 1 / 8;

/** What is in the store, where it came from, and what goes when it is too much. */
export class Holdings {
  readonly #options: Pick<EngineOptions, "presentation" | "store" | "memoryLimit" | "eviction">;
  readonly #layout: Layout;
  /** Chunks that are held and verified, as the swarm knows them. */
  readonly #have: ChunkSet;
  /** Chunks in the store that came from peers; the others came from the origin. */
  readonly #fromPeers = new ChunkSet();
  /** Chunks that were handed out. */
  readonly #handed = new ChunkSet();
  /** While this file plays, no plan before so many bytes are held: what must stay may be more than the limit. */
  #planned = { file: 0, size: 0 };

  constructor(
    options: Pick<EngineOptions, "presentation" | "store" | "memoryLimit" | "eviction">,
    layout: Layout,
    have: ChunkSet,
  ) {
    this.#options = options;
    this.#layout = layout;
    this.#have = have;
  }

  /** Parts of a range that are held. */
  within(range: ChunkRange): ChunkSet {
    return new ChunkSet(this.#have.present(range));
  }

  /** The bytes of a chunk, to be handed out; undefined if it is not held. */
  take(chunk: number): Omit<Piece, "early"> | undefined {
    const bytes = this.#options.store.get(chunk);
    if (bytes === undefined) return undefined;
    const source = this.#handed.has(chunk) ? "cache" : this.#fromPeers.has(chunk) ? "peer" : "http";
    this.#handed.add({ start: chunk, end: chunk });
    return { bytes, source };
  }

  /** A chunk of a peer is in the store. */
  cameFromPeer(chunk: number): void {
    const range = { start: chunk, end: chunk };
    this.#fromPeers.add(range);
    this.#handed.delete(range);
  }

  /** A chunk of the origin is in the store, and on its way to the player already. */
  cameFromOrigin(chunk: number): void {
    const range = { start: chunk, end: chunk };
    this.#fromPeers.delete(range);
    this.#handed.add(range);
  }

  /** Drops what is least useful if there is too much, but nothing that a delivery needs; returns what has gone. */
  evict(playhead: Playhead, deliveries: Iterable<{ readonly needed: ChunkRange }>): ChunkRange[] {
    const { store, memoryLimit, eviction, presentation } = this.#options;
    const share = memoryLimit * EVICTION_SHARE;
    if (store.size <= memoryLimit) return [];
    if (playhead.file === this.#planned.file && store.size < this.#planned.size) return [];
    const kept = new ChunkSet(Array.from(deliveries, ({ needed }) => needed));
    const held = presentation.files.map((_, file) => {
      const ranges = this.#have.present(this.#layout.fileChunks(file));
      return [file, ranges.flatMap((range) => kept.missing(range))] as const;
    });
    const chunks = eviction.plan(held, playhead, store.size - memoryLimit + share);
    for (const range of chunks) {
      store.delete(range);
      this.#handed.delete(range);
      this.#fromPeers.delete(range);
    }
    this.#planned = { file: playhead.file, size: store.size + share };
    return chunks;
  }
}
