import { existsSync } from "node:fs";
import { build } from "vite";
import { vi } from "vitest";
import WebSocket from "ws";
import { type RunningTracker, startTracker, type TrackerOptions } from "../../src/node/tracker.ts";
import { type PeerReport, TrackerClient, type TrackerClientOptions } from "../../src/link/tracker-client.ts";

/** A tracker in workerd, from the bundle that `npm run build` makes. */
export async function runTracker(options: Partial<TrackerOptions> = {}): Promise<RunningTracker> {
  if (!existsSync("build/tracker-worker.js")) await build({ mode: "tracker", logLevel: "error" });
  return startTracker({ port: 0, open: true, ...options });
}

/** A client and all that it said. */
export class TestClient {
  readonly client: TrackerClient;
  readonly peers: (readonly string[])[] = [];
  readonly signals: [from: string, payload: unknown][] = [];
  readonly states: string[] = [];
  readonly warnings: string[] = [];
  readonly gone: string[] = [];
  readonly sizes: number[] = [];
  reports = 0;

  constructor(
    url: string,
    peerId: string,
    { report, ...rest }: Partial<TrackerClientOptions> & { report?: () => Partial<PeerReport> } = {},
  ) {
    this.client = new TrackerClient({
      url,
      peerId,
      swarmId: "abcdef",
      peerNum: 10,
      mode: "LEECH",
      openSocket: (address, protocols) => new WebSocket(address, protocols) as unknown as globalThis.WebSocket,
      events: {
        peers: (peerIds) => this.peers.push(peerIds),
        signal: (from, payload) => this.signals.push([from, payload]),
        size: (members) => this.sizes.push(members),
        gone: (peer) => this.gone.push(peer),
        state: (state) => this.states.push(state),
        warning: (message) => this.warnings.push(message),
        report: () => {
          this.reports += 1;
          return { uploadedBytes: 1, downloadedBytes: 2, availBandwidth: 0, ...report?.() };
        },
      },
      ...rest,
    });
    this.client.start();
  }

  /** Resolves when the client has been in this state at least `times` times. */
  async reaches(state: string, times = 1): Promise<void> {
    await eventually(
      () => this.states.filter((one) => one === state).length >= times,
      `${state}: ${this.states.join()}`,
    );
  }
}

/** Waits for a condition, which is looked at often; the only clock of these tests. */
export const eventually = (condition: () => boolean, what = "condition"): Promise<void> =>
  vi.waitFor(
    () => {
      if (!condition()) throw new Error(`not yet: ${what}`);
    },
    { timeout: 10_000, interval: 10 },
  );
