/** `storm`: a tracker with a swarm is restarted, and all who were there come back at once. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import WebSocket from "ws";
import { TrackerClient } from "../src/link/tracker-client.ts";
import { startTracker } from "../src/node/tracker.ts";
import type { Figure } from "./report.ts";

const PEERS = 2000;
/** They come so many at a time: a crowd is what the restart is to be, not the arrival. */
const TOGETHER = 100;
const LONGEST_MS = 120_000;

/** A viewer of whom only the times are counted at which he was in touch. */
class Viewer {
  opened = 0;
  readonly client: TrackerClient;

  constructor(url: string, peerId: string) {
    this.client = new TrackerClient({
      url,
      peerId,
      swarmId: "abcdef",
      peerNum: 10,
      mode: "LEECH",
      openSocket: (address, protocols) => new WebSocket(address, protocols) as unknown as globalThis.WebSocket,
      events: {
        peers: () => undefined,
        signal: () => undefined,
        size: () => undefined,
        gone: () => undefined,
        state: (state) => void (this.opened += state === "open" ? 1 : 0),
        warning: () => undefined,
        report: () => ({ uploadedBytes: 0, downloadedBytes: 0, availBandwidth: 0 }),
      },
    });
    this.client.start();
  }
}

async function allOpen(viewers: readonly Viewer[], times: number): Promise<void> {
  for (const end = performance.now() + LONGEST_MS; ; await wait(20)) {
    const missing = viewers.filter(({ opened }) => opened < times).length;
    if (missing === 0) return;
    if (performance.now() > end) throw new Error(`${missing} of ${viewers.length} are not there`);
  }
}

/** How long it takes until all are back. */
export async function storm(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "ppsp-storm-"));
  const options = { open: true, state: join(folder, "state.json"), parameters: { REQUEST_RATE: "0" } };
  let tracker = await startTracker({ ...options, port: 0 });
  const viewers: Viewer[] = [];
  try {
    while (viewers.length < PEERS) {
      const group = Array.from({ length: TOGETHER }, (_, i) => new Viewer(tracker.url, `peer-${viewers.length + i}`));
      viewers.push(...group);
      await allOpen(group, 1);
    }
    const { port } = tracker;
    await tracker.close();
    tracker = await startTracker({ ...options, port });
    const began = performance.now();
    await allOpen(viewers, 2);
    const seconds = (performance.now() - began) / 1000;
    const what = `until all of ${PEERS.toLocaleString("en")} peers are back at a tracker that was restarted`;
    return [{ name: "storm", what, value: seconds, unit: "s", target: { atMost: 45 } }];
  } finally {
    for (const { client } of viewers) client.leave();
    await tracker.close();
    await rm(folder, { recursive: true });
  }
}
