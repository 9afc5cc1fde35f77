/** Ours: the element as it is built for users, dist/ppsp-player.js. */
import type Hls from "hls.js";
import type { PpspPlayer } from "../../src/video/index.ts";
import { masterOf, present } from "./probe.ts";
import type { PageOptions, Taken } from "./protocol.ts";

const script = "/dist/ppsp-player.js";
await import(/* @vite-ignore */ script);
const player = document.createElement("ppsp-player") as PpspPlayer;
player.muted = true;
player.autoplay = true;
document.body.append(player);

const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

async function begin(options: PageOptions): Promise<Hls> {
  player.config = { iceServers: [], ...options.settings };
  player.tracker = options.tracker;
  player.src = masterOf(options);
  player.load();
  while (player.hls === undefined) await moment();
  return player.hls;
}

/** Asks the engine for all files at once, with all the time in the world. */
async function take(options: PageOptions): Promise<Taken> {
  const began = performance.now();
  player.autoplay = false;
  player.preload = "none";
  await begin(options);
  while (player.engine === undefined) await moment();
  const { engine } = player;
  let first: number | undefined;
  let peerBytes = 0;
  const fetches = engine.presentation.files.map(async (_, file) => {
    for await (const { bytes, source } of engine.fetch(file, { deadline: () => performance.now() + 600_000 })) {
      if (source !== "peer") continue;
      first ??= performance.now();
      peerBytes += bytes.length;
    }
  });
  await Promise.all(fetches);
  return { firstByteMs: first! - began, transferMs: performance.now() - first!, peerBytes };
}

async function peerBytes(): Promise<void> {
  const before = player.stats.peerBytes;
  while (player.stats.peerBytes <= before) await moment();
}

present(player.video, { begin, take, peerBytes });
