import SimplePeer from "simple-peer";
import type { Call, Dial, DialEvents, DialOptions } from "./dial.ts";
import { isRelayed, relayedOnly } from "./relay-only.ts";
import { parseSignal, type Signal } from "./signal.ts";

/** The one data channel (docs/PROTOCOL.md, "PPSPP over WebRTC"): both sides make it, so that both may hand it to a worker. */
const CHANNEL = { ordered: false, negotiated: true, id: 0 } as const;
const LABEL = "ppspp";

/** Whether this runtime has WebRTC. */
export const hasWebRtc = (): boolean => typeof RTCPeerConnection === "function";

/** Connects by the browser's own RTCPeerConnection, which only pages have. */
export const dialPeer: Dial = (options, events) => new PeerCall(options, events);

class PeerCall implements Call {
  readonly #events: DialEvents;
  readonly #relayOnly: boolean;
  readonly #peer: SimplePeer;
  /** A candidate of ours is at a relay. */
  #relayed = false;
  #ended = false;

  constructor({ initiator, iceServers, relayOnly = false }: DialOptions, events: DialEvents) {
    this.#events = events;
    this.#relayOnly = relayOnly;
    this.#peer = new SimplePeer({
      initiator,
      trickle: true,
      channelName: LABEL,
      channelConfig: CHANNEL,
      // Explicit even when empty: without it simple-peer asks public STUN servers.
      config: {
        iceServers: iceServers.map(({ urls, ...rest }) => ({
          ...rest,
          urls: typeof urls === "string" ? urls : [...urls],
        })),
        ...(relayOnly && { iceTransportPolicy: "relay" }),
      },
      wrtc: this.#rtc(),
    });
    this.#peer
      .on("signal", (data) => this.#tell(data))
      .on("error", () => this.#end())
      .on("close", () => this.#end());
  }

  signal(signal: Signal): void {
    try {
      if (!this.#ended) this.#peer.signal(signal);
    } catch {
      this.close();
    }
  }

  close(): void {
    this.#peer.destroy();
    this.#end();
  }

  /**
   * Browser classes for simple-peer's `wrtc` option. Whoever carries datagrams gets the channel itself, in the very task that
   * makes it, since later no browser lets it go to a worker; simple-peer gets what looks like one and never opens.
   */
  #rtc(): ConstructorParameters<typeof SimplePeer>[0]["wrtc"] {
    const events = this.#events;
    const gathered = (): void => this.#gathered();
    return {
      RTCSessionDescription,
      RTCIceCandidate,
      RTCPeerConnection: class extends RTCPeerConnection {
        constructor(configuration?: RTCConfiguration) {
          super(configuration);
          this.addEventListener("icegatheringstatechange", () => {
            if (this.iceGatheringState === "complete") gathered();
          });
          this.addEventListener("connectionstatechange", () => {
            if (this.connectionState === "connected") events.connected(this.sctp?.maxMessageSize ?? 0);
          });
          // Any other channel is the neighbour's mistake.
          this.addEventListener("datachannel", ({ channel }) => channel.close());
        }

        override createDataChannel(label: string, init?: RTCDataChannelInit): RTCDataChannel {
          events.channel(super.createDataChannel(label, init));
          return { label, close: () => undefined } as RTCDataChannel;
        }
      },
    };
  }

  #tell(data: unknown): void {
    // simple-peer's signals have the payload's form but for its name; others than these three are not made here.
    const signal = parseSignal({ ...(data as object), attempt: "00000000" });
    if (!signal || signal.type === "refuse") return;
    const { attempt: _, ...all } = signal;
    this.#relayed ||= isRelayed(all.type === "candidate" ? all.candidate.candidate : all.sdp);
    const said = this.#relayOnly ? relayedOnly(all) : all;
    if (said !== undefined && !this.#ended) this.#events.signal(said);
  }

  /** Without a relay nothing comes of a link that is to be relayed: the neighbour need not wait for it. */
  #gathered(): void {
    if (!this.#relayOnly || this.#relayed || this.#ended) return;
    this.#events.unrelayed();
    this.close();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.ended();
  }
}
