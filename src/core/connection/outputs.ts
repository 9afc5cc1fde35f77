/** Why a channel ended; `replaced`: another one with the same peer has taken its place, or is about to. */
export type CloseReason = "local" | "peer" | "replaced" | "no-answer" | "dead" | "refused" | "misbehaving";

/** What was wrong with what a peer sent. */
export type RejectReason = "malformed" | "incompatible" | "integrity" | "flood";

/**
 * What the host must do. Every output is plain data; a host that carries them out in order needs to know nothing else of
 * the protocol. `swarm` is the swarm ID in lower-case hexadecimal.
 */
export type Output =
  /** Send one datagram: `head`, then `payload` if there is one. */
  | { readonly type: "transmit"; readonly link: string; readonly head: Uint8Array; readonly payload?: Uint8Array }
  /** Call `step` with `timeout` at this time; replaces every earlier `wake`. The first of its step's outputs. */
  | { readonly type: "wake"; readonly at: number }
  /** Hash a chunk's bytes and answer with `digested`. */
  | { readonly type: "digest"; readonly swarm: string; readonly token: number; readonly data: Uint8Array }
  /** Fetch a chunk that we hold and answer with `read`. */
  | { readonly type: "read"; readonly swarm: string; readonly token: number; readonly chunk: number }
  /** A chunk from this peer is proven; the host keeps it. The swarm announces it by itself. */
  | {
      readonly type: "verified";
      readonly swarm: string;
      readonly link: string;
      readonly chunk: number;
      readonly data: Uint8Array;
    }
  /** A channel is open in both directions. */
  | { readonly type: "opened"; readonly swarm: string; readonly link: string }
  /** A channel has ended. */
  | { readonly type: "closed"; readonly swarm: string; readonly link: string; readonly reason: CloseReason }
  /** A peer announced chunks that we do not hold. */
  | { readonly type: "peerhas"; readonly swarm: string; readonly link: string }
  /** A peer told us, when asked, where another one is (RFC 7574 §3.10): a rumour, which the host follows or not. */
  | {
      readonly type: "peer";
      readonly swarm: string;
      readonly link: string;
      /** 4 octets (IPv4) or 16 (IPv6). */
      readonly address: Uint8Array;
      readonly port: number;
    }
  /** The peer did something that no honest peer does; its channel is closed already. `chunk` where one was refused. */
  | {
      readonly type: "rejected";
      readonly swarm: string;
      readonly link: string;
      readonly reason: RejectReason;
      readonly detail: string;
      readonly chunk?: number;
    }
  /** Content bytes went out in DATA. */
  | { readonly type: "uploaded"; readonly swarm: string; readonly link: string; readonly bytes: number };
