/** WebTorrent with one MP4: from peers, and where it has no piece in time from the origin as a web seed. */
import WebTorrent, { type Torrent } from "webtorrent";
import { addVideo, present } from "./probe.ts";
import type { PageOptions, Taken } from "./protocol.ts";

const video = addVideo();
const registration = await navigator.serviceWorker.register("/webtorrent/sw.min.js", { scope: "/page/" });
// Its Service Worker hands the video over: it must have this page first.
if (navigator.serviceWorker.controller === null) {
  await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
}
const client = new WebTorrent({ dht: false, lsd: false, tracker: { rtcConfig: { iceServers: [] } } });
client.createServer({ controller: registration });
let torrent: Torrent | undefined;

/** `origin`: whether the web seed may be asked. */
async function add({ media, presentation, tracker }: PageOptions, origin: boolean): Promise<Torrent> {
  const metadata = new Uint8Array(await (await fetch(`${media}${presentation}/film.torrent`)).arrayBuffer());
  const seeds = origin ? [`${media}${presentation}/film.mp4`] : [];
  return new Promise((resolve) => client.add(metadata, { announce: [tracker], urlList: seeds }, resolve));
}

async function take(options: PageOptions): Promise<Taken> {
  const began = performance.now();
  const added = (torrent = await add(options, false));
  let first: number | undefined;
  added.on("download", () => (first ??= performance.now()));
  await new Promise<void>((resolve) => added.on("done", resolve));
  return { firstByteMs: first! - began, transferMs: performance.now() - first!, peerBytes: added.downloaded };
}

async function begin(options: PageOptions): Promise<void> {
  torrent = await add(options, true);
  torrent.files[0]!.streamTo(video);
}

present(video, { begin, take, bytes: () => torrent?.downloaded ?? 0 });
