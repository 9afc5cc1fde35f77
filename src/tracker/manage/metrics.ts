import type { TrackerStats } from "./registry.ts";
import { offloadOf, type SwarmSummary, type SwarmTotals } from "./summary.ts";

/** Media type of the text format of Prometheus. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
}

const TOTALS: readonly (readonly [keyof SwarmTotals, string, string])[] = [
  ["joined", "registrations_total", "Registrations of peers in swarms."],
  ["uploadedBytes", "uploaded_bytes_total", "Bytes that peers report to have sent to peers."],
  ["downloadedBytes", "downloaded_bytes_total", "Bytes that peers report to have received from peers."],
  ["httpBytes", "http_bytes_total", "Bytes that peers report to have fetched from the origin."],
  ["chunksInTime", "chunks_in_time_total", "Chunks that arrived before they had to play."],
  ["chunksLate", "chunks_late_total", "Chunks that arrived too late."],
  ["stalls", "stalls_total", "Times that playback stood still."],
  ["rejected", "rejected_chunks_total", "Chunks that failed verification."],
];

/** The statistics as Prometheus reads them, with a line for each of `swarms`. */
export function metricsText(stats: TrackerStats, swarms: readonly SwarmSummary[]): string {
  const lines: string[] = [];
  const family = (
    { name, type, help }: Family,
    samples: readonly (readonly [labels: string, value: number])[],
  ): void => {
    lines.push(`# HELP ppsp_${name} ${help}`, `# TYPE ppsp_${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`ppsp_${name}${labels} ${value}`);
  };
  const gauge = (name: string, help: string, value: number): void =>
    family({ name, type: "gauge", help }, [["", value]]);
  gauge("swarms", "Swarms that have members or settings.", stats.swarms);
  gauge("peers", "Peers that are registered in swarms.", stats.peers);
  gauge("seeds", "Registered peers that hold the complete content.", stats.seeds);
  gauge("signalling_sockets", "Open signalling sockets.", stats.sockets);
  if (stats.offload !== undefined) {
    gauge("offload_ratio", "Share of media bytes that came from peers, since the start.", stats.offload);
  }
  const requests = Object.entries(stats.requests).sort(([left], [right]) => (left < right ? -1 : 1));
  const counted = new Map<string, (readonly [string, number])[]>();
  for (const [series, value] of requests) {
    const brace = series.indexOf("{");
    const [name, labels] = brace < 0 ? [series, ""] : [series.slice(0, brace), series.slice(brace)];
    counted.set(name, [...(counted.get(name) ?? []), [labels, value]]);
  }
  for (const [name, samples] of counted) family({ name, type: "counter", help: HELP[name] ?? "A count." }, samples);
  family({ name: "signals_total", type: "counter", help: "Signals relayed between peers." }, [["", stats.signals]]);
  for (const [key, name, help] of TOTALS) family({ name, type: "counter", help }, [["", stats.totals[key]]]);
  if (swarms.length > 0) perSwarm(swarms, family);
  return `${lines.join("\n")}\n`;
}

const HELP: Readonly<Record<string, string>> = {
  requests_total: "HTTP requests by PPSP-TP method and status.",
  request_seconds_total: "Time spent on requests, by method.",
  rejections_total: "Requests refused before they were read, by cause.",
};

function perSwarm(
  swarms: readonly SwarmSummary[],
  family: (family: Family, samples: readonly (readonly [string, number])[]) => void,
): void {
  const label = ({ swarmId }: SwarmSummary): string =>
    `{swarm="${swarmId.replace(/[\\"]/gu, String.raw`\$&`).replaceAll("\n", String.raw`\n`)}"}`;
  const peers = { name: "swarm_peers", type: "gauge", help: "Peers of a swarm." } as const;
  family(
    peers,
    swarms.map((swarm) => [label(swarm), swarm.members]),
  );
  for (const [key, name, help] of TOTALS) {
    family(
      { name: `swarm_${name}`, type: "counter", help: `${help} By swarm, while it lasts.` },
      swarms.map((swarm) => [label(swarm), swarm.totals[key]]),
    );
  }
  family(
    { name: "swarm_offload_ratio", type: "gauge", help: "Share of a swarm's media bytes that came from peers." },
    swarms.flatMap((swarm) => {
      const offload = offloadOf(swarm.totals);
      return offload === undefined ? [] : [[label(swarm), offload] as const];
    }),
  );
}
