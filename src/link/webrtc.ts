import SimplePeer from "simple-peer";
import { BaseLink } from "./base.ts";
import { SendQueue } from "./send-queue.ts";
import { isRelayed, relayedOnly } from "./relay-only.ts";
import { parseSignal, type Signal } from "./signal.ts";

/** Label of the one data channel (docs/PROTOCOL.md, "PPSPP over WebRTC"). */
const LABEL = "ppspp";
/** Larger datagrams than Chromium carries are never sent to anyone, bytes. */
const DATAGRAM_MAX = 256 * 1024;
/** What RFC 8841 §6 takes when a description names no maximum, bytes. */
const DATAGRAM_DEFAULT = 64 * 1024;
/** ICE candidates taken from one neighbour; each may make the browser probe an address. */
const CANDIDATES_MAX = 32;

/** An ICE server, as ppsp.json has it. */
export interface IceServer {
  readonly urls: string | readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

/** How a link gets through NAT. */
export interface IceOptions {
  /** Empty: host candidates only, no third party is asked. */
  readonly iceServers: readonly IceServer[];
  /** Use relayed candidates only, so that the neighbour learns the relay's address instead of ours. @defaultValue false */
  readonly relayOnly?: boolean;
  /** Called, before the link ends, when it is to be relayed and no relay could be had. */
  readonly unrelayed?: () => void;
}

/** How to make one link. */
export interface WebRtcOptions extends IceOptions {
  /** The neighbour's Peer-ID. */
  readonly id: string;
  /** Whether this side makes the offer. */
  readonly initiator: boolean;
  /** Called with what the neighbour must be told. */
  readonly signal: (signal: Signal) => void;
  /** Called once when datagrams can travel. */
  readonly open: (link: WebRtcLink) => void;
  /** Called once when the link has ended or never came about; the last call. */
  readonly ended: () => void;
}

/** What the browser's objects tell and simple-peer does not. */
interface Watched {
  connection?: RTCPeerConnection;
  channel?: RTCDataChannel;
  /** Called when all candidates of ours are known. */
  readonly gathered: () => void;
  /** Called with each binary message. */
  readonly message: (data: ArrayBuffer) => void;
}

/** Messages go round simple-peer's stream, which would cost each of them several turns of the event loop. */
function watch(watched: Watched, channel: RTCDataChannel): RTCDataChannel {
  channel.addEventListener("message", (event: MessageEvent<unknown>) => {
    event.stopImmediatePropagation();
    if (event.data instanceof ArrayBuffer) watched.message(event.data);
  });
  return (watched.channel = channel);
}

/**
 * Browser classes for simple-peer's `wrtc` option. Its public API shows neither the channel's low-water mark nor the SCTP
 * transport's message size, and it would start timers for every further channel that a neighbour opens; a connection
 * class of our own gives us both without reaching into its private fields.
 */
const watchedRtc = (watched: Watched): SimplePeerRtc => ({
  RTCSessionDescription,
  RTCIceCandidate,
  RTCPeerConnection: class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      watched.connection = this;
      this.addEventListener("icegatheringstatechange", () => {
        if (this.iceGatheringState === "complete") watched.gathered();
      });
      // Registered before simple-peer's own handler, hence called before it.
      this.addEventListener("datachannel", (event) => {
        if (!watched.channel && event.channel.label === LABEL) {
          watch(watched, event.channel);
        } else {
          event.stopImmediatePropagation();
          event.channel.close();
        }
      });
    }

    override createDataChannel(label: string, init?: RTCDataChannelInit): RTCDataChannel {
      return watch(watched, super.createDataChannel(label, init));
    }
  },
});
type SimplePeerRtc = ConstructorParameters<typeof SimplePeer>[0]["wrtc"];

/** Whether this runtime has WebRTC. */
export const hasWebRtc = (): boolean => typeof RTCPeerConnection === "function";

/** One neighbour over one unordered RTCDataChannel; one message is one datagram. */
export class WebRtcLink extends BaseLink {
  readonly #options: WebRtcOptions;
  readonly #watched: Watched = {
    gathered: () => this.#gathered(),
    message: (data) => this.deliver(new Uint8Array(data)),
  };
  readonly #peer: SimplePeer;
  #queue: SendQueue | undefined;
  readonly reliable = true;
  #maxDatagram = DATAGRAM_MAX;
  #described = false;
  #candidates = 0;
  /** A candidate of ours is at a relay. */
  #relayed = false;

  constructor(options: WebRtcOptions) {
    super(options.id);
    this.#options = options;
    this.#peer = new SimplePeer({
      initiator: options.initiator,
      trickle: true,
      channelName: LABEL,
      channelConfig: { ordered: false },
      // Explicit even when empty: without it simple-peer asks public STUN servers.
      config: {
        iceServers: options.iceServers.map(({ urls, ...rest }) => ({
          ...rest,
          urls: typeof urls === "string" ? urls : [...urls],
        })),
        ...(options.relayOnly && { iceTransportPolicy: "relay" }),
      },
      wrtc: watchedRtc(this.#watched),
    });
    this.#peer
      .on("signal", (data) => this.#tell(data))
      .on("connect", () => this.#open())
      .on("error", () => this.#ended())
      .on("close", () => this.#ended());
  }

  get maxDatagram(): number {
    return this.#maxDatagram;
  }

  /** Takes what the neighbour says: one description, and a bounded number of candidates. */
  receive(signal: Signal): void {
    if (this.closed) return;
    if (signal.type === "candidate") {
      if (++this.#candidates > CANDIDATES_MAX) return;
    } else {
      if (this.#described || (signal.type === "answer") !== this.#options.initiator) return;
      this.#described = true;
    }
    try {
      this.#peer.signal(signal);
    } catch {
      this.close();
    }
  }

  send(head: Uint8Array, payload?: Uint8Array): void {
    const length = head.length + (payload?.length ?? 0);
    if (this.closed || length > this.#maxDatagram || !this.#queue?.accepts(length)) return;
    this.#attempt(() => this.#queue?.push(head, payload));
  }

  close(): void {
    this.#peer.destroy();
    this.#ended();
  }

  #tell(data: unknown): void {
    // simple-peer's signals have the payload's form but for its name; others than these three are not made here.
    const signal = parseSignal({ ...(data as object), attempt: "00000000" });
    if (!signal || signal.type === "refuse") return;
    const { attempt: _, ...all } = signal;
    this.#relayed ||= isRelayed(all.type === "candidate" ? all.candidate.candidate : all.sdp);
    const said = this.#options.relayOnly ? relayedOnly(all) : all;
    if (said !== undefined) this.#options.signal(said);
  }

  /** Without a relay nothing comes of a link that is to be relayed: the neighbour need not wait for it. */
  #gathered(): void {
    if (!this.#options.relayOnly || this.#relayed || this.closed) return;
    this.#options.unrelayed?.();
    this.close();
  }

  #open(): void {
    const { channel, connection } = this.#watched;
    if (!channel || this.closed) return;
    const size = connection?.sctp?.maxMessageSize;
    this.#maxDatagram = Math.min(DATAGRAM_MAX, size && size > 0 ? size : DATAGRAM_DEFAULT);
    const queue = new SendQueue(channel, () => performance.now());
    this.#queue = queue;
    channel.addEventListener("bufferedamountlow", () => this.#attempt(() => queue.flush()));
    this.#options.open(this);
  }

  /** The browser throws when the channel is closing or its buffer is full; either way the datagram is lost. */
  #attempt(send: () => void): void {
    if (this.#watched.channel?.readyState !== "open") return;
    try {
      send();
    } catch {
      this.close();
    }
  }

  #ended(): void {
    if (this.end()) this.#options.ended();
  }
}
