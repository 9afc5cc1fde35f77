import type { ChunkRange } from "../core/address/range.ts";
import type { Layout } from "../core/content/layout.ts";
import type { Presentation } from "../core/content/presentation.ts";
import type { EvictionPolicy, Playhead } from "../engine/ports.ts";

/** Kept behind the playhead for seeking back and for neighbours slightly behind, seconds. */
const BEHIND_SECONDS = 30;
/** What the player is about to need: never dropped, seconds. */
const AHEAD_SECONDS = 60;
/** A single file does not say how long it plays; it is taken to play at 4 Mbit/s. Bytes per second. */
const NOMINAL_RATE = 500_000;

/** What goes first has the lowest number. */
const Tier = { otherBehind: 0, farBehind: 1, otherAhead: 2, farAhead: 3, justPlayed: 4, otherInit: 5 } as const;
type Tier = (typeof Tier)[keyof typeof Tier];

interface Candidate {
  readonly chunks: ChunkRange;
  readonly bytes: number;
  readonly tier: Tier;
  /** Within a tier, the greatest distance from the playhead goes first, seconds. */
  readonly distance: number;
}

/** Least useful first out: says which chunks of one presentation to drop when memory is short. */
export class Eviction implements EvictionPolicy {
  readonly #presentation: Presentation;
  readonly #layout: Layout;
  /** When each file begins, in seconds on the timeline of its rendition. */
  readonly #starts: Float64Array;

  constructor(presentation: Presentation, layout: Layout) {
    this.#presentation = presentation;
    this.#layout = layout;
    this.#starts = new Float64Array(presentation.files.length);
    const ends = new Map<number | undefined, number>();
    presentation.files.forEach(({ rendition }, file) => {
      const start = ends.get(rendition) ?? 0;
      this.#starts[file] = start;
      ends.set(rendition, start + this.#seconds(file));
    });
  }

  /**
   * The chunk ranges to drop so that at least `bytes` become free, or all that may be dropped where that is less. Order:
   * other renditions behind the playhead, what was played more than 30 s ago, other renditions ahead, what is more than
   * 60 s ahead (the farthest first), what was just played, other renditions' init sections. `held` lists the held ranges
   * of each file.
   */
  plan(
    held: Iterable<readonly [file: number, chunks: readonly ChunkRange[]]>,
    playhead: Playhead,
    bytes: number,
  ): ChunkRange[] {
    const now = this.#starts[playhead.file]! + (playhead.progress ?? 0) * this.#seconds(playhead.file);
    const candidates: Candidate[] = [];
    for (const [file, ranges] of held) {
      for (const range of ranges) {
        for (const chunks of this.#cut(range, bytes)) {
          const place = this.#place(file, chunks, playhead.file, now);
          if (place) candidates.push({ chunks, bytes: this.#bytes(file, chunks), ...place });
        }
      }
    }
    candidates.sort((a, b) => a.tier - b.tier || b.distance - a.distance);
    let freed = 0;
    const enough = candidates.findIndex((candidate) => (freed += candidate.bytes) >= bytes);
    return (enough < 0 ? candidates : candidates.slice(0, enough + 1)).map(({ chunks }) => chunks);
  }

  /** Undefined: must stay. */
  #place(
    file: number,
    chunks: ChunkRange,
    playing: number,
    now: number,
  ): Pick<Candidate, "tier" | "distance"> | undefined {
    const other = this.#competes(file, playing);
    const seconds = this.#seconds(file);
    if (seconds === 0) return other ? { tier: Tier.otherInit, distance: 0 } : undefined;
    const whole = this.#layout.fileChunks(file);
    const perChunk = seconds / (whole.end - whole.start + 1);
    const from = this.#starts[file]! + (chunks.start - whole.start) * perChunk;
    const to = this.#starts[file]! + (chunks.end + 1 - whole.start) * perChunk;
    if (to <= now) {
      const far = now - to >= BEHIND_SECONDS;
      return { tier: other ? Tier.otherBehind : far ? Tier.farBehind : Tier.justPlayed, distance: now - to };
    }
    if (other) return { tier: Tier.otherAhead, distance: from - now };
    return from - now >= AHEAD_SECONDS ? { tier: Tier.farAhead, distance: from - now } : undefined;
  }

  /** Whether a file is of another rendition than the playing one, and of the same type: audio plays along with video. */
  #competes(file: number, playing: number): boolean {
    const { files, renditions } = this.#presentation;
    const [one, two] = [files[file]!.rendition, files[playing]!.rendition];
    if (one === two) return false;
    if (one === undefined || two === undefined) return true;
    return renditions[one]?.type === renditions[two]?.type;
  }

  /** How long a file plays; 0 for init sections. */
  #seconds(file: number): number {
    const { duration, length, rendition } = this.#presentation.files[file]!;
    return duration ?? (rendition === undefined ? length / NOMINAL_RATE : 0);
  }

  #bytes(file: number, { start, end }: ChunkRange): number {
    const last =
      this.#layout.fileChunks(file).end === end ? this.#layout.chunkSize(end) : this.#presentation.swarm.chunkSize;
    return (end - start) * this.#presentation.swarm.chunkSize + last;
  }

  /** Parts of a range that are small against `bytes`, so that of a single big file only the useless end goes. */
  *#cut({ start, end }: ChunkRange, bytes: number): Iterable<ChunkRange> {
    const step = Math.max(1, Math.floor(bytes / 4 / this.#presentation.swarm.chunkSize));
    for (let at = start; at <= end; at += step) yield { start: at, end: Math.min(end, at + step - 1) };
  }
}
