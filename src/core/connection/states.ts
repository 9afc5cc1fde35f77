/** What one PPSPP channel can be (RFC 7574 §3.1, §3.11, §8.4). */
export type ChannelState = "opening" | "answering" | "established" | "closed";

/** What can happen to it. `handshake` and `datagram` are the peer's, the others our own. */
export type ChannelEvent = "handshake" | "datagram" | "close" | "expire";

/**
 * The three-way handshake as a table. `opening`: our HANDSHAKE is out (datagram 1). `answering`: we sent datagram 2 and
 * wait for the third, which proves that the peer gets what we send (RFC 7574 §13.1). A missing entry means that the
 * event leaves the state as it is.
 */
export const TRANSITIONS = {
  opening: { handshake: "established", close: "closed", expire: "closed" },
  answering: { datagram: "established", close: "closed", expire: "closed" },
  established: { close: "closed", expire: "closed" },
  closed: {},
} as const satisfies Record<ChannelState, Partial<Record<ChannelEvent, ChannelState>>>;

/** The state after an event. */
export function nextState(state: ChannelState, event: ChannelEvent): ChannelState {
  const row: Partial<Record<ChannelEvent, ChannelState>> = TRANSITIONS[state];
  return row[event] ?? state;
}
