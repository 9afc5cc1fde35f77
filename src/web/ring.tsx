import { formatBytes, formatShare } from "./format.ts";
import { sources, totalOf, type Shares, type SourceId } from "./sources.ts";

/** The one picture that says it: which share of the film came from where; for who only gives, how much that was. */
export function Ring({ shares, uploaded }: { readonly shares: Shares; readonly uploaded: number }) {
  const total = totalOf(shares);
  const shareOf = (id: SourceId) => (total === 0 ? 0 : shares[id] / total);
  return (
    <div className="ring">
      <svg viewBox="0 0 120 120" aria-hidden="true">
        <circle className="track" cx="60" cy="60" r="50" />
        {sources.map(({ id }, i) => {
          const share = shareOf(id);
          const start = sources.slice(0, i).reduce((sum, before) => sum + shareOf(before.id), 0);
          return (
            <circle
              key={id}
              className={`arc ${id}`}
              cx="60"
              cy="60"
              r="50"
              pathLength="1"
              strokeDasharray={`${share} 1`}
              strokeDashoffset={-start}
              visibility={share === 0 ? "hidden" : undefined}
            />
          );
        })}
      </svg>
      <p className="ring-text">
        {shares.peer === 0 && uploaded > 0 ? (
          <>
            <strong className="given">{formatBytes(uploaded)}</strong>
            <span>passed on to others</span>
          </>
        ) : (
          <>
            <strong>{total === 0 ? "–" : formatShare(shareOf("peer"))}</strong>
            <span>from other viewers</span>
          </>
        )}
      </p>
    </div>
  );
}

/** The same in words and numbers. */
export function Legend({ shares }: { readonly shares: Shares }) {
  const total = totalOf(shares);
  return (
    <dl className="legend">
      {sources.map(({ id, label }) => (
        <div key={id}>
          <dt>
            <i className={id} aria-hidden="true" />
            {label}
          </dt>
          <dd>
            <span>{formatBytes(shares[id])}</span>
            <span className="share">{total === 0 ? "" : formatShare(shares[id] / total)}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}
