/** What is compared, and what each needs. */

/** Names of the systems, as they are given to `--systems` and appear in results. */
export type SystemName = "ppsp" | "p2pml" | "p2pml-tuned" | "hlsjs" | "webtorrent" | "raw";

/** How a system is run. */
export interface System {
  /** Script of bench/pages. */
  readonly page: string;
  /** Whose tracker it asks, if any. */
  readonly tracker?: "ours" | "bittorrent";
  /** Options of its own. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export const SYSTEMS: Readonly<Record<SystemName, System>> = {
  ppsp: { page: "ppsp", tracker: "ours" },
  p2pml: { page: "p2pml", tracker: "bittorrent" },
  // What makes it best at offload, as far as we could find.
  "p2pml-tuned": {
    page: "p2pml",
    tracker: "bittorrent",
    settings: { highDemandTimeWindow: 8, httpDownloadTimeWindow: 16, httpDownloadInitialTimeoutMs: 500 },
  },
  hlsjs: { page: "hlsjs" },
  webtorrent: { page: "webtorrent", tracker: "bittorrent" },
  raw: { page: "raw" },
};
