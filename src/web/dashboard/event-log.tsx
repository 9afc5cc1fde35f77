import type { LoggedEvent } from "../../tracker/manage/events.ts";

/** The tracker's events, newest first; those that come while the page is open are read aloud. */
export function EventLog({ events }: { readonly events: readonly LoggedEvent[] }) {
  if (events.length === 0) return <p className="soft">Nothing has happened yet.</p>;
  return (
    // A region that scrolls is reached with the keyboard.
    <ol className="events" role="log" aria-labelledby="events-title" tabIndex={0}>
      {events.map(({ number, time, level, event, swarmId, peerId, detail }) => (
        <li key={number} className={level}>
          <time dateTime={time}>{new Date(time).toLocaleTimeString()}</time>
          <strong>{event.replaceAll("-", " ")}</strong>
          {swarmId !== undefined && <code>{swarmId.slice(0, 12)}</code>}
          {peerId !== undefined && <code>{peerId.slice(0, 12)}</code>}
          {detail !== undefined && <span>{detail}</span>}
        </li>
      ))}
    </ol>
  );
}
