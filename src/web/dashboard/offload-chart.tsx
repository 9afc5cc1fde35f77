import { formatShare } from "../format.ts";
import { type Moment, offloadOf } from "./history.ts";

const WIDTH = 600;
const HEIGHT = 160;

/** Parts of the line: where nothing was fetched it has a gap. */
function lineOf(history: readonly Moment[]): string {
  let line = "";
  let drawing = false;
  for (const [index, moment] of history.entries()) {
    const share = offloadOf(moment);
    if (share === undefined) {
      drawing = false;
      continue;
    }
    const x = ((index + 1) / history.length) * WIDTH;
    const y = (1 - share) * HEIGHT;
    // A single moment is a short dash.
    line += drawing
      ? `L${x.toFixed(1)} ${y.toFixed(1)}`
      : `M${(x - 4).toFixed(1)} ${y.toFixed(1)}L${x.toFixed(1)} ${y.toFixed(1)}`;
    drawing = true;
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
  const latest = history.findLast((moment) => offloadOf(moment) !== undefined);
  const now = latest === undefined ? undefined : offloadOf(latest);
  const sentence =
    now === undefined
      ? "No viewer has reported bytes since this page was opened."
      : `Viewers get ${formatShare(now)} of their bytes from each other${overall === undefined ? "" : `, ${formatShare(overall)} since the tracker began`}.`;
  return (
    <figure className="offload">
      <p role="status">{sentence}</p>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={sentence}>
        {[0.25, 0.5, 0.75].map((share) => (
          <line key={share} className="grid" x1={0} x2={WIDTH} y1={share * HEIGHT} y2={share * HEIGHT} />
        ))}
        <path d={lineOf(history)} />
      </svg>
      <figcaption>
        <span>{first === undefined ? "" : clock(first.at)}</span>
        <span>top: all from other viewers</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
