/** `pair`: a second page takes the whole film from the first, as fast as it can. */
import { setTimeout as wait } from "node:timers/promises";
import { type Figure, type Gap } from "../report.ts";
import { FILM_BYTES } from "./media.ts";
import { figure, type Results } from "./results.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { Stage } from "./stage.ts";
import type { System } from "./systems.ts";

/** The first page has the film from the origin and the second one from the first within this time, ms. */
const LONGEST_MS = 120_000;

/** What the second page did. */
interface Transfer {
  readonly firstByteMs: number;
  readonly transferMs: number;
  readonly peerBytes: number;
}

async function through(stage: Stage): Promise<Transfer> {
  const holder = await stage.openHolder(0);
  // A raw channel's sender shows no film either.
  await holder.page.evaluate(() => globalThis.viewer.video.pause());
  return (await stage.openPage(1)).take();
}

/** Two pages that the driver introduces to each other. */
async function raw(stage: Stage): Promise<Transfer> {
  const [{ page: sender }, { page: receiver }] = [await stage.openPage(0), await stage.openPage(1)];
  const began = await receiver.evaluate(() => performance.now());
  const offer = await receiver.evaluate(() => globalThis.raw.offer());
  const received = receiver.evaluate((bytes) => globalThis.raw.receive(bytes), FILM_BYTES);
  const answer = await sender.evaluate((text) => globalThis.raw.answer(text), offer);
  const sent = sender.evaluate((bytes) => globalThis.raw.send(bytes), FILM_BYTES);
  await receiver.evaluate((text) => globalThis.raw.accept(text), answer);
  const [{ firstByteAt, doneAt }] = await Promise.all([received, sent]);
  return { firstByteMs: firstByteAt - began, transferMs: doneAt - firstByteAt, peerBytes: FILM_BYTES };
}

const run = (system: System, { line, media }: Settings): Promise<object> =>
  Stage.with({ system, media, line }, async (stage) => {
    const { firstByteMs, transferMs, peerBytes } = await Promise.race([
      (system.page === "raw" ? raw : through)(stage),
      wait(LONGEST_MS, undefined, { ref: false }).then(() => Promise.reject(new Error("no end of the transfer"))),
    ]);
    return {
      goodputMBps: peerBytes / transferMs / 1000,
      firstByteMs: Math.round(firstByteMs),
      peerShare: peerBytes / FILM_BYTES,
      originBytes: stage.originBytesOf(1),
    };
  });

function targets(results: Results): (Figure | Gap)[] {
  const rate = (system: "p2pml" | "raw", atLeast: number): Figure | Gap =>
    figure(`pair-${system}`, `verified goodput against ${system}`, results.ratio("ppsp", system, "goodputMBps"), "×", {
      atLeast,
    });
  return [
    rate("p2pml", 1),
    rate("raw", 0.9),
    figure("pair-first", "first byte from a peer", results.spread("ppsp", "firstByteMs"), "ms", { atMost: 180 }),
  ];
}

export const pair: Scenario = {
  systems: ["ppsp", "p2pml", "webtorrent", "raw"],
  defaults: { pages: 2, staggerMs: 0, link: "free" },
  columns: [
    { key: "goodputMBps", title: "goodput", unit: "MB/s" },
    { key: "firstByteMs", title: "first byte from a peer", unit: "ms" },
    { key: "peerShare", title: "from the peer", unit: "%", times: 100 },
  ],
  chart: ["goodputMBps", "firstByteMs"],
  run,
  targets,
};
