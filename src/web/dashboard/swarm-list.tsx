import { useState } from "react";
import type { MemberSummary, SwarmSummary } from "../../tracker/manage/summary.ts";
import { count, formatBytes, formatShare } from "../format.ts";
import type { TrackerDesk } from "./desk.ts";
import { offloadOf } from "./history.ts";
import { sentenceOf } from "./use-desk.ts";

function Peers({ peers }: { readonly peers: readonly MemberSummary[] }) {
  if (peers.length === 0) return <p className="soft">Nobody is here.</p>;
  return (
    <ul className="peers">
      {peers.map((peer) => (
        <li key={peer.peerId}>
          <code>{peer.peerId.slice(0, 16)}</code>
          <span>
            {peer.peerMode === "SEED" ? "seeder" : "viewer"}, gave {formatBytes(peer.uploadedBytes)}, got{" "}
            {formatBytes(peer.downloadedBytes)}, heard {peer.silent} s ago{peer.reachable ? "" : ", no socket"}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Swarm({
  desk,
  swarm,
  onChange,
}: {
  readonly desk: TrackerDesk;
  readonly swarm: SwarmSummary;
  readonly onChange: () => void;
}) {
  const [peers, setPeers] = useState<readonly MemberSummary[]>();
  const [trouble, setTrouble] = useState<string>();
  const { swarmId, members, seeds, totals, p2p, content } = swarm;
  const offload = offloadOf({ peerBytes: totals.downloadedBytes, httpBytes: totals.httpBytes });
  const attempt = (work: Promise<unknown>): void => {
    setTrouble(undefined);
    work.catch((error: unknown) => setTrouble(sentenceOf(error)));
  };
  const toggle = (): void => {
    if (peers === undefined) attempt(desk.peers(swarmId).then(setPeers));
    else setPeers(undefined);
  };
  return (
    <li>
      <h3>
        {content?.title ?? "Swarm"} <code title={swarmId}>{swarmId.slice(0, 16)}</code>
      </h3>
      <p>
        {count(members, "peer")}, {count(seeds, "seeder")}; {formatBytes(totals.downloadedBytes)} from viewers
        {offload === undefined ? "" : ` (${formatShare(offload)})`}; {count(totals.stalls, "interruption")}
        {p2p ? "" : "; P2P is off"}
      </p>
      <div className="actions">
        <button type="button" aria-expanded={peers !== undefined} onClick={toggle}>
          Peers<span className="hidden"> of {swarmId.slice(0, 16)}</span>
        </button>
        <button type="button" onClick={() => attempt(desk.switchP2p(swarmId, !p2p).then(onChange))}>
          Switch P2P {p2p ? "off" : "on"}
          <span className="hidden"> for {swarmId.slice(0, 16)}</span>
        </button>
      </div>
      {trouble !== undefined && (
        <p className="error" role="alert">
          {trouble}
        </p>
      )}
      {peers !== undefined && <Peers peers={peers} />}
    </li>
  );
}

/** All swarms, those with the most peers first. */
export function SwarmList({
  desk,
  swarms,
  onChange,
}: {
  readonly desk: TrackerDesk;
  readonly swarms: readonly SwarmSummary[];
  readonly onChange: () => void;
}) {
  if (swarms.length === 0) return <p className="soft">No swarm has members now.</p>;
  return (
    <ul className="swarms">
      {swarms
        .toSorted((a, b) => b.members - a.members)
        .map((swarm) => (
          <Swarm key={swarm.swarmId} desk={desk} swarm={swarm} onChange={onChange} />
        ))}
    </ul>
  );
}
