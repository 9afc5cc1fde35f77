/** Plain hls.js, the version that ours has inside. */
import Hls from "hls.js";
import { addVideo, present } from "./probe.ts";

const video = addVideo();
present(video, ({ media }) => {
  const hls = new Hls();
  hls.loadSource(`${media}master.m3u8`);
  hls.attachMedia(video);
});
