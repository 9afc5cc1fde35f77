import { formatBytes } from "./format.ts";
import { sources, totalOf, type Shares } from "./sources.ts";
import { SLOT_MS, SLOTS } from "./use-stats.ts";

const height = 72;
const pitch = 10;
const bar = 7;

/** Bytes as they arrive: one column per two seconds, stacked by source, the newest on the right. */
export function Arrivals({ arrivals }: { readonly arrivals: readonly Shares[] }) {
  // A square root keeps a quiet trickle visible beside the burst at the start; the colours keep their proportion in each column.
  const most = Math.max(100_000, ...arrivals.map(totalOf));
  const span = (SLOTS * SLOT_MS) / 1000;
  return (
    <figure className="arrivals">
      <svg
        viewBox={`0 0 ${SLOTS * pitch} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Bytes that arrived in each of the last ${SLOTS} periods of two seconds; the most in one were ${formatBytes(most)}.`}
      >
        {arrivals.map((shares, i) => {
          const total = totalOf(shares);
          const full = Math.sqrt(total / most) * height;
          let top = height;
          return sources.toReversed().map(({ id }) => {
            const part = total === 0 ? 0 : (shares[id] / total) * full;
            top -= part;
            return part === 0 ? null : (
              <rect key={`${id}${i}`} className={id} x={i * pitch} y={top} width={bar} height={part} rx="1" />
            );
          });
        })}
      </svg>
      <figcaption>
        <span>{span} s ago</span>
        <span>What arrived when</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
