/** Milliseconds on the host's monotonic clock. */
export type Millis = number;

/** Limits and time-outs of a channel. */
export interface ChannelSettings {
  /** First wait for an answer to HANDSHAKE, ms; doubles each time. @defaultValue 1000, several round trips of any path */
  readonly handshakeMs: number;
  /** HANDSHAKEs before the peer counts as absent. @defaultValue 4, so 15 s in all */
  readonly handshakeTries: number;
  /** Silence after which a keep-alive is sent, ms (RFC 7574 §3.12). @defaultValue 20000 */
  readonly keepAliveMs: number;
  /** Silence after which a peer counts as dead, ms (RFC 7574 §8.15). @defaultValue 180000, the RFC's three minutes */
  readonly deadMs: number;
  /** Datagrams that must have been sent into that silence. @defaultValue 3, the RFC's */
  readonly deadDatagrams: number;
  /** Most bytes of DATA in flight to one peer. @defaultValue 262144: above it Chromium's data channels may collapse */
  readonly maxWindow: number;
  /** Shortest wait before a REQUEST counts as lost, ms. @defaultValue 400 */
  readonly minRequestMs: number;
  /** Longest such wait, ms. @defaultValue 8000 */
  readonly maxRequestMs: number;
  /** Most bytes asked of one peer at a time, as full chunks; one chunk at least. @defaultValue 1048576 */
  readonly maxOutstanding: number;
}

/** The defaults of ChannelSettings. */
export const CHANNEL_SETTINGS: ChannelSettings = {
  handshakeMs: 1_000,
  handshakeTries: 4,
  keepAliveMs: 20_000,
  deadMs: 180_000,
  deadDatagrams: 3,
  maxWindow: 262_144,
  minRequestMs: 400,
  maxRequestMs: 8_000,
  maxOutstanding: 1_048_576,
};

/** What one Ethernet packet holds of a UDP datagram over IPv6, octets (RFC 7574 §8.1). */
export const IP_PACKET = 1_452;
/** Most ranges that a peer's REQUESTs may leave in our queue; further ones are ignored, as if lost. */
export const MAX_REQUEST_RANGES = 512;
/** Most ranges in a peer's announced chunks; a peer that fragments further is not an honest one. Filling it costs 50 ms. */
export const MAX_HAVE_RANGES = 8_192;
/** Most messages in one datagram; one that fits into an IP packet (RFC 7574 §8.1) holds a quarter of that. */
export const MAX_MESSAGES = 1_024;
/** Most unproven hashes kept for one peer; the oldest go first. Enough for 512 chunks side by side, or 128 far apart. */
export const MAX_PENDING_HASHES = 4_096;
/** HAVE messages that ride behind the HANDSHAKE of datagram 2: a stranger gets no long answer (RFC 7574 §13.1.1). */
export const MAX_EARLY_HAVES = 4;
/** HAVE messages that go out instead of a keep-alive, at most. */
export const MAX_REPEATED_HAVES = 60;
