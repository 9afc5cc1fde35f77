/** Ours: the element as it is built for users, dist/ppsp-player.js. */
import type { PpspPlayer } from "../../src/video/index.ts";
import { present } from "./probe.ts";

const script = "/dist/ppsp-player.js";
await import(/* @vite-ignore */ script);
const player = document.createElement("ppsp-player") as PpspPlayer;
player.muted = true;
player.autoplay = true;
document.body.append(player);

present(player.video, ({ media, tracker, settings }) => {
  player.config = { iceServers: [], ...settings };
  player.tracker = tracker;
  player.src = `${media}master.m3u8`;
});
