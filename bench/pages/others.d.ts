/** The few lines that are used of packages which only bench/package.json installs. */
declare module "p2p-media-loader-hlsjs" {
  import type Hls from "hls.js";
  import type { HlsConfig } from "hls.js";
  export const HlsJsP2PEngine: {
    injectMixin(hls: typeof Hls): new (
      config: Partial<HlsConfig> & { p2p: { core: Readonly<Record<string, unknown>> } },
    ) => Hls & {
      readonly p2pEngine: {
        addEventListener(name: "onChunkDownloaded", listener: (bytes: number, source: "http" | "p2p") => void): void;
      };
    };
  };
}

declare module "webtorrent" {
  export interface Torrent {
    readonly files: readonly { streamTo(video: HTMLVideoElement): void }[];
    /** Bytes that passed verification. */
    readonly downloaded: number;
    on(name: "download" | "done", listener: () => void): void;
  }
  export default class WebTorrent {
    constructor(options: Readonly<Record<string, unknown>>);
    createServer(options: { controller: ServiceWorkerRegistration }): void;
    add(
      metadata: Uint8Array,
      options: { announce: string[]; urlList: string[] },
      added: (torrent: Torrent) => void,
    ): void;
  }
}
