import type { Presentation } from "../core/content/presentation.ts";
import { startTimes } from "./timeline.ts";

/** Where one player stands in one kind of media (its video, its audio). All in seconds of media. */
interface Track {
  /** Estimated position of the viewer at time `at` (ms). */
  playhead: number;
  at: number;
  /** End of what was delivered without a gap. */
  end: number;
  /** Where the next segment in order begins. */
  next: number;
  /** Most that the player was ever ahead: no more than its own target. */
  peak: number;
  /** When the last request of this track was answered, ms; undefined while one is not. */
  idleSince: number | undefined;
}

/** A player that asks for nothing for this long has all it wants, ms. */
const IDLE_MS = 1000;
/** Share of the estimated buffer that may be spent waiting for peers: the estimate is an outsider's. */
const TRUST = 0.5;
/** Never wait longer than this, ms. */
const LONGEST_SLACK_MS = 15_000;

/**
 * Deadlines for a player that knows nothing of us, from the order and the times of its requests. It is taken to play at
 * normal rate from the moment it got its first segment; what it got since, less what it can have played, is its buffer.
 * A request out of order is a seek: its buffer is empty. A player that asks in order after a pause had its buffer full
 * all the while (it may have been paused by the viewer, whom an outsider cannot see).
 */
export class Pacer {
  readonly #presentation: Presentation;
  readonly #starts: readonly (number | undefined)[];
  readonly #tracks = new Map<string, Track>();

  constructor(presentation: Presentation) {
    this.#presentation = presentation;
    this.#starts = startTimes(presentation);
  }

  /** Notes that the player asks for a file. `now` in ms. */
  requested(file: number, now: number): void {
    const start = this.#starts[file];
    const duration = this.#presentation.files[file]?.duration;
    if (start === undefined || duration === undefined) return;
    const kind = this.#kind(file);
    const track = this.#advance(kind, now);
    if (track === undefined || start < track.playhead - duration || start > track.next + duration / 2) {
      const peak = track?.peak ?? 0;
      this.#tracks.set(kind, {
        playhead: start,
        at: now,
        end: start,
        next: start + duration,
        peak,
        idleSince: undefined,
      });
      return;
    }
    if (start < track.next - duration / 2) track.end = Math.min(track.end, start);
    else if (track.idleSince !== undefined && now - track.idleSince > IDLE_MS) {
      track.playhead = Math.min(track.playhead, track.end - (track.peak - duration));
    }
    track.next = start + duration;
    track.idleSince = undefined;
  }

  /** Notes that the player has got a file whole. `now` in ms. */
  delivered(file: number, now: number): void {
    const start = this.#starts[file];
    const duration = this.#presentation.files[file]?.duration;
    const track = this.#advance(this.#kind(file), now);
    if (track === undefined || start === undefined || duration === undefined) return;
    if (start <= track.end + duration / 2) track.end = Math.max(track.end, start + duration);
    track.peak = Math.max(track.peak, track.end - track.playhead);
    track.idleSince = now;
  }

  /** How long a file may take from `now` on, both ms. 0 means at once. */
  slackMs(file: number, now: number): number {
    const track = this.#advance(this.#kind(file), now);
    // An init section is needed with the next segment; of a single file nothing is known.
    const start = this.#starts[file] ?? track?.next;
    if (track === undefined || start === undefined) return 0;
    return Math.min(LONGEST_SLACK_MS, Math.max(0, (start - track.playhead) * 1000 * TRUST));
  }

  #kind(file: number): string {
    const rendition = this.#presentation.files[file]?.rendition;
    return rendition === undefined ? "" : (this.#presentation.renditions[rendition]?.type ?? "");
  }

  #advance(kind: string, now: number): Track | undefined {
    const track = this.#tracks.get(kind);
    if (track === undefined) return undefined;
    track.playhead = Math.max(track.playhead, Math.min(track.end, track.playhead + (now - track.at) / 1000));
    track.at = now;
    return track;
  }
}
