/** The few lines that are used of packages which only bench/package.json installs. */
declare module "p2p-media-loader-hlsjs" {
  import type Hls from "hls.js";
  export const HlsJsP2PEngine: {
    injectMixin(hls: typeof Hls): new (config: { p2p: { core: Readonly<Record<string, unknown>> } }) => Hls;
  };
}
