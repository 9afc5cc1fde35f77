import type Hls from "hls.js";

/** The class that hls.js exports. */
export type HlsClass = typeof Hls;

/**
 * hls.js, which weighs three times as much as everything else here together: a file of its own, so that the page can ask for
 * the playlist and ppsp.json while it loads, and whoever plays without it does not load it.
 */
export const loadHls = async (): Promise<HlsClass> => (await import("hls.js")).default;

/** Whether the browser can play what hls.js would give it. */
export const hasMediaSource = (): boolean => "MediaSource" in globalThis || "ManagedMediaSource" in globalThis;
