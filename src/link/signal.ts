/** A session description or an ICE candidate, on its way between two neighbours-to-be. */
export type Signal =
  | { readonly type: "offer" | "answer"; readonly sdp: string }
  | {
      readonly type: "candidate";
      readonly candidate: {
        readonly candidate: string;
        readonly sdpMid: string | null;
        readonly sdpMLineIndex: number | null;
      };
    };

/**
 * What travels through the tracker's relay (docs/PROTOCOL.md): a signal or a refusal, with the offerer's random name for
 * the attempt (8 hex digits), so that what belongs to an earlier attempt is recognised.
 */
export type SignalPayload = (Signal | { readonly type: "refuse" }) & { readonly attempt: string };

/** A description of one data channel has 400 to 1,500 characters. */
const SDP_MAX = 8192;
const CANDIDATE_MAX = 512;
const MID_MAX = 32;
/** ICE candidates taken from one neighbour, those in its description included; each may make the browser probe an address. */
export const CANDIDATES_MAX = 32;

const isText = (value: unknown, max: number): value is string => typeof value === "string" && value.length <= max;

/** Media would start a decoder, and more sections more transports: only one data section is taken. */
const describesOneDataChannel = (sdp: string): boolean => {
  const media = sdp.match(/^m=.*$/gm);
  return media?.length === 1 && media[0].startsWith("m=application ");
};

/** How many ICE candidates a signal brings. A browser may forgive a line that is not quite as it should be, so these count too. */
export const candidatesIn = (signal: Signal): number =>
  signal.type === "candidate" ? 1 : (signal.sdp.match(/^a=\W*candidate/gim)?.length ?? 0);

const parseCandidate = (value: unknown): (Signal & { type: "candidate" })["candidate"] | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const { candidate, sdpMid = null, sdpMLineIndex = null } = value as Record<string, unknown>;
  if (!isText(candidate, CANDIDATE_MAX) || !(sdpMid === null || isText(sdpMid, MID_MAX))) return undefined;
  if (sdpMLineIndex !== null && sdpMLineIndex !== 0) return undefined;
  // RTCIceCandidate throws when neither is there.
  return { candidate, sdpMid, sdpMLineIndex: sdpMid === null ? 0 : sdpMLineIndex };
};

/** A neighbour's payload, checked; undefined if it is not one. */
export const parseSignal = (value: unknown): SignalPayload | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const { type, attempt, sdp, candidate } = value as Record<string, unknown>;
  if (typeof attempt !== "string" || !/^[0-9a-f]{8}$/.test(attempt)) return undefined;
  if (type === "refuse") return { type, attempt };
  if (type === "offer" || type === "answer") {
    if (!isText(sdp, SDP_MAX) || !describesOneDataChannel(sdp)) return undefined;
    return candidatesIn({ type, sdp }) > CANDIDATES_MAX ? undefined : { type, attempt, sdp };
  }
  if (type !== "candidate") return undefined;
  const parsed = parseCandidate(candidate);
  return parsed && { type, attempt, candidate: parsed };
};
