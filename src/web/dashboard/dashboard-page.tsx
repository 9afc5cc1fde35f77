import { type FormEvent, useState } from "react";
import type { TrackerStats } from "../../tracker/manage/registry.ts";
import { formatBytes, formatShare } from "../format.ts";
import { TrackerDesk } from "./desk.ts";
import { EventLog } from "./event-log.tsx";
import { OffloadChart } from "./offload-chart.tsx";
import { SwarmList } from "./swarm-list.tsx";
import { useDesk } from "./use-desk.ts";

/** Which tracker to look at, and what opens its management API. */
function Access({
  tracker,
  onOpen,
}: {
  readonly tracker: string;
  readonly onOpen: (url: string, token: string) => void;
}) {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const text = (name: string): string => {
      const value = fields.get(name);
      return typeof value === "string" ? value.trim() : "";
    };
    onOpen(text("tracker"), text("token"));
  };
  return (
    <form className="access" onSubmit={submit}>
      <label>
        Tracker
        <input name="tracker" type="url" required defaultValue={tracker} inputMode="url" />
      </label>
      <label>
        Management token
        <input name="token" type="password" autoComplete="off" aria-describedby="token-hint" />
      </label>
      <button className="primary" type="submit">
        Look
      </button>
      <p id="token-hint">Swarms and events are shown to who has the token; it stays in this page.</p>
    </form>
  );
}

function Sums({ stats }: { readonly stats: TrackerStats }) {
  const { totals } = stats;
  const facts: readonly (readonly [label: string, value: string | number, tone?: "bad" | undefined])[] = [
    ["Swarms", stats.swarms],
    ["Peers", stats.peers],
    ["Seeders", stats.seeds],
    ["From other viewers", formatBytes(totals.downloadedBytes)],
    ["From the origin", formatBytes(totals.httpBytes)],
    ["Offload", stats.offload === undefined ? "–" : formatShare(stats.offload)],
    ["Signals relayed", stats.signals],
    ["Interruptions", totals.stalls, totals.stalls > 0 ? "bad" : undefined],
    ["Chunks refused", totals.rejected, totals.rejected > 0 ? "bad" : undefined],
  ];
  return (
    <dl className="facts">
      {facts.map(([label, value, tone]) => (
        <div key={label} className={tone}>
          <dt>{label}</dt>
          <dd>{typeof value === "number" ? value.toLocaleString("en") : value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Desk({ desk }: { readonly desk: TrackerDesk }) {
  const [{ look, history, events, trouble }, refresh] = useDesk(desk);
  return (
    <>
      {trouble !== undefined && (
        <p className="error" role="alert">
          {trouble}
        </p>
      )}
      <main className="dashboard">
        {look !== undefined && <Sums stats={look.stats} />}
        {look !== undefined && (
          <section className="panel" aria-labelledby="offload-title">
            <h2 id="offload-title">Offload over time</h2>
            <OffloadChart history={history} overall={look.stats.offload} />
          </section>
        )}
        {look?.swarms !== undefined && (
          <>
            <section className="panel" aria-labelledby="swarms-title">
              <h2 id="swarms-title">Swarms</h2>
              <SwarmList desk={desk} swarms={look.swarms} onChange={refresh} />
            </section>
            <section className="panel" aria-labelledby="events-title">
              <h2 id="events-title">Events</h2>
              <EventLog events={events} />
            </section>
          </>
        )}
      </main>
    </>
  );
}

/** What a tracker sees: swarms, peers, offload over time, events. */
export function DashboardPage({ tracker }: { readonly tracker: string }) {
  const [opened, setOpened] = useState({ desk: new TrackerDesk(tracker, ""), number: 0 });
  const open = (url: string, token: string): void =>
    setOpened(({ number }) => ({ desk: new TrackerDesk(url, token), number: number + 1 }));
  return (
    <>
      <header>
        <h1>What the tracker sees</h1>
        <Access tracker={tracker} onOpen={open} />
      </header>
      <Desk key={opened.number} desk={opened.desk} />
    </>
  );
}
