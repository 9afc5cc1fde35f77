import SimplePeer from "simple-peer";
import type { Call, Dial, DialEvents, DialOptions } from "./dial.ts";
import type { Signal } from "./signal.ts";

/** The one data channel (docs/PROTOCOL.md, "PPSPP over WebRTC"): both sides make it, so that both may hand it to a worker. */
const CHANNEL = { ordered: false, negotiated: true, id: 0 } as const;
const LABEL = "ppspp";

/** Whether this runtime has WebRTC. */
export const hasWebRtc = (): boolean => typeof RTCPeerConnection === "function";

/** Connects by the browser's own RTCPeerConnection, which only pages have. */
export const dialPeer: Dial = (options, events) => new PeerCall(options, events);

class PeerCall implements Call {
  readonly #events: DialEvents;
  readonly #peer: SimplePeer;
  #ended = false;

  constructor({ initiator, iceServers, relayOnly = false }: DialOptions, events: DialEvents) {
    this.#events = events;
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
      .on("signal", (said) => events.signal(said))
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
    return {
      RTCSessionDescription,
      RTCIceCandidate,
      RTCPeerConnection: class extends RTCPeerConnection {
        constructor(configuration?: RTCConfiguration) {
          super(configuration);
          this.addEventListener("icegatheringstatechange", () => {
            if (this.iceGatheringState === "complete") events.gathered();
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

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.ended();
  }
}
