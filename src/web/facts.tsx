import type { ReactNode } from "react";
import type { PlayerStats } from "../video/index.ts";
import { formatBytes, formatDuration } from "./format.ts";

function Fact({
  label,
  tone,
  children,
}: {
  readonly label: string;
  readonly tone?: "good" | "bad";
  readonly children: ReactNode;
}) {
  return (
    <div className={tone}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The smaller numbers. */
export function Facts({ stats }: { readonly stats: PlayerStats }) {
  const { neighbours, uploadedBytes, verifiedChunks, rejectedChunks, stalls, stalledMs, timeToFirstFrameMs } = stats;
  return (
    <dl className="facts">
      <Fact label="Viewers connected">{neighbours}</Fact>
      <Fact label="You passed on" {...(uploadedBytes > 0 ? { tone: "good" } : {})}>
        {formatBytes(uploadedBytes)}
      </Fact>
      <Fact label="Chunks checked">{verifiedChunks}</Fact>
      <Fact label="Chunks refused" {...(rejectedChunks > 0 ? { tone: "bad" } : {})}>
        {rejectedChunks}
      </Fact>
      <Fact label="Interruptions" {...(stalls > 0 ? { tone: "bad" } : {})}>
        {stalls === 0 ? "none" : `${stalls} · ${formatDuration(stalledMs)}`}
      </Fact>
      <Fact label="First picture after">
        {timeToFirstFrameMs === undefined ? "–" : formatDuration(timeToFirstFrameMs)}
      </Fact>
    </dl>
  );
}
