import { formatShare } from "../format.ts";
import { type Moment, offloadOf } from "./history.ts";

const WIDTH = 600;
const HEIGHT = 160;

/** Room for half of the line's width at the top and the bottom. */
const MARGIN = 3;
/** Looks that one point of the line sums up: peers report about once in forty seconds. */
const WINDOW = 12;

/** Share of bytes from peers around each look. */
const sharesOf = (history: readonly Moment[]): (number | undefined)[] =>
  history.map((_, index) => {
    const sum = { peerBytes: 0, httpBytes: 0 };
    for (const { peerBytes, httpBytes } of history.slice(Math.max(0, index + 1 - WINDOW), index + 1)) {
      sum.peerBytes += peerBytes;
      sum.httpBytes += httpBytes;
    }
    return offloadOf(sum);
  });

/** The line: where nothing was fetched it has a gap. */
function lineOf(shares: readonly (number | undefined)[]): string {
  const step = WIDTH / shares.length;
  let line = "";
  for (const [index, share] of shares.entries()) {
    if (share === undefined) continue;
    const y = (MARGIN + (1 - share) * (HEIGHT - 2 * MARGIN)).toFixed(1);
    if (shares[index - 1] === undefined) line += `M${(index * step).toFixed(1)} ${y}`;
    line += `L${((index + 1) * step).toFixed(1)} ${y}`;
  }
  return line;
}

const clock = (at: number): string => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** Share of bytes from peers, look by look, since the page was opened. */
export function OffloadChart({
  history,
  overall,
}: {
  readonly history: readonly Moment[];
  readonly overall: number | undefined;
}) {
  const [first] = history;
  const shares = sharesOf(history);
  const now = shares.at(-1);
  const sentence =
    now === undefined
      ? "No viewer has reported new bytes in the last minute."
      : `Viewers get ${formatShare(now)} of their bytes from each other${overall === undefined ? "" : `, ${formatShare(overall)} since the tracker began`}.`;
  return (
    <figure className="offload">
      <p role="status">{sentence}</p>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={sentence}>
        {[0.25, 0.5, 0.75].map((share) => (
          <line key={share} className="grid" x1={0} x2={WIDTH} y1={share * HEIGHT} y2={share * HEIGHT} />
        ))}
        <path d={lineOf(shares)} />
      </svg>
      <figcaption>
        <span>{first === undefined ? "" : clock(first.at)}</span>
        <span>top: all from other viewers</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
