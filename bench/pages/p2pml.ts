/** p2p-media-loader around the same hls.js. It would ask public STUN servers, which a machine of its own cannot reach: it has none, as all others. */
import Hls from "hls.js";
import { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";
import { addVideo, present } from "./probe.ts";

const video = addVideo();
const HlsWithPeers = HlsJsP2PEngine.injectMixin(Hls);
present(video, ({ media, tracker, settings }) => {
  const core = { announceTrackers: [tracker], swarmId: "bench", rtcConfig: { iceServers: [] }, ...settings };
  const hls = new HlsWithPeers({ p2p: { core } });
  hls.loadSource(`${media}master.m3u8`);
  hls.attachMedia(video);
});
