import { dialPeer } from "../../../src/link/peer-connection.ts";
import { NatProbe } from "../../../src/link/nat.ts";
import { type IceOptions, WebRtcLink } from "../../../src/link/webrtc.ts";

/** What ICE found in this page, and what is told of it. */
export interface Found {
  readonly ability: string | undefined;
  /** Texts of all candidates that would be signalled. */
  readonly candidates: readonly string[];
}

/** Makes an offer with these servers, and says what has been learnt of the NAT when the browser knows all its candidates. */
export function probe(ice: IceOptions): Promise<Found> {
  const nat = new NatProbe();
  const candidates: string[] = [];
  const Plain = RTCPeerConnection;
  return new Promise((resolve) => {
    globalThis.RTCPeerConnection = class extends Plain {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        this.addEventListener("icegatheringstatechange", () => {
          if (this.iceGatheringState !== "complete") return;
          globalThis.RTCPeerConnection = Plain;
          resolve({ ability: nat.ability, candidates });
          link.close();
        });
      }
    };
    const link = new WebRtcLink({
      ...ice,
      id: "other",
      dial: dialPeer,
      initiator: true,
      signal: (signal) => {
        nat.note(signal);
        if (signal.type === "candidate") candidates.push(signal.candidate.candidate);
      },
      open: () => undefined,
      ended: () => undefined,
    });
  });
}
