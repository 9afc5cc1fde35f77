/** p2p-media-loader around the same hls.js. It would ask public STUN servers, which a machine of its own cannot reach: it has none, as all others. */
import Hls, { type HlsConfig } from "hls.js";
import { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";
import { addVideo, masterOf, present } from "./probe.ts";
import type { PageOptions, Taken } from "./protocol.ts";

const video = addVideo();
const HlsWithPeers = HlsJsP2PEngine.injectMixin(Hls);
let hls: InstanceType<typeof HlsWithPeers> | undefined;

function begin(options: PageOptions): InstanceType<typeof HlsWithPeers> {
  const { hls: config, ...own } = options.settings;
  const swarmId = options.presentation;
  const core = { announceTrackers: [options.tracker], swarmId, rtcConfig: { iceServers: [] }, ...own };
  hls?.destroy();
  hls = new HlsWithPeers({ ...(config as Partial<HlsConfig>), p2p: { core } });
  hls.loadSource(masterOf(options));
  hls.attachMedia(video);
  return hls;
}

/** It fetches ahead of the player by itself, as far as peers have it; it is told to wait for them, and not to play. */
function take(options: PageOptions): Promise<Taken> {
  const began = performance.now();
  video.autoplay = false;
  const settings = { ...options.settings, httpDownloadInitialTimeoutMs: 600_000 };
  const { p2pEngine } = begin({ ...options, settings });
  let first: number | undefined;
  let peerBytes = 0;
  return new Promise((resolve) => {
    p2pEngine.addEventListener("onChunkDownloaded", (bytes, source) => {
      if (source !== "p2p") return;
      first ??= performance.now();
      peerBytes += bytes;
      if (peerBytes < options.filmBytes) return;
      resolve({ firstByteMs: first - began, transferMs: performance.now() - first, peerBytes });
    });
  });
}

const peerBytes = (): Promise<void> =>
  new Promise((resolve) =>
    hls!.p2pEngine.addEventListener("onChunkDownloaded", (_, source) => {
      if (source === "p2p") resolve();
    }),
  );

present(video, { begin, take, peerBytes });
