/** Plain hls.js, the version that ours has inside. */
import Hls, { type HlsConfig } from "hls.js";
import { addVideo, masterOf, present } from "./probe.ts";

const video = addVideo();
let hls: Hls | undefined;
present(video, {
  begin(options) {
    // A new one for each film, as in ours: what the old one believes of the network would decide about the first segment.
    hls?.destroy();
    hls = new Hls(options.settings["hls"] as Partial<HlsConfig> | undefined);
    hls.loadSource(masterOf(options));
    hls.attachMedia(video);
    return hls;
  },
});
