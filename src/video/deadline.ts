/** The part of a media element that says when media will be needed. */
export type Playhead = Pick<HTMLMediaElement, "currentTime" | "paused" | "playbackRate" | "buffered">;

/** A segment must be in memory this long before its first frame is shown, ms: hls.js appends whole segments, and decoders read ahead. */
const APPEND_MS = 300;
/** A paused viewer with at least this much media ahead, seconds, … */
const FULL_BUFFER_S = 10;
/** … is not expected back within this time, ms. */
const PAUSE_MS = 15_000;

/** Seconds of media buffered without a gap from the playhead on. */
export function bufferAhead({ currentTime, buffered }: Playhead): number {
  for (let i = 0; i < buffered.length; i++) {
    // A tenth of a second is the largest hole that hls.js jumps without a word.
    if (buffered.start(i) <= currentTime + 0.1 && currentTime < buffered.end(i)) return buffered.end(i) - currentTime;
  }
  return 0;
}

/**
 * How long the media at `mediaTime` (seconds; by default the end of the buffer) may take to arrive, ms from now. 0 means
 * at once: while nothing is buffered yet, and for media at or behind the playhead, which is where a starved player and
 * one that has just jumped are. hls.js loads in order, so whatever lies before `mediaTime` is on its way to the decoder.
 */
export function slackMs(playhead: Playhead, mediaTime?: number): number {
  // Before the first append not even the position is known: hls.js seeks to where it starts.
  if (playhead.buffered.length === 0) return 0;
  const ahead = mediaTime === undefined ? bufferAhead(playhead) : mediaTime - playhead.currentTime;
  const slack = (ahead * 1000) / (Math.abs(playhead.playbackRate) || 1) - APPEND_MS;
  const away = playhead.paused && bufferAhead(playhead) >= FULL_BUFFER_S;
  return Math.max(0, away ? slack + PAUSE_MS : slack);
}
