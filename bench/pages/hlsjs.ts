/** Plain hls.js, the version that ours has inside. */
import Hls, { type HlsConfig } from "hls.js";
import { addVideo, masterOf, present } from "./probe.ts";

const video = addVideo();
let hls: Hls | undefined;
present(video, {
  begin(options) {
    hls ??= new Hls(options.settings["hls"] as Partial<HlsConfig> | undefined);
    hls.loadSource(masterOf(options));
    hls.attachMedia(video);
    return hls;
  },
});
