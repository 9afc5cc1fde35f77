/** What a page changes in its own browser before a player begins, the same for all players: it counts, and can break things. */

/** Datagrams without DATA are hardly longer, bytes. */
const LONGEST_REST = 4096;

/** Counts so far. */
export const counts = {
  /** Bytes that were given to SourceBuffers. */
  mediaBytes: 0,
  /** RTCPeerConnections that were made. */
  connections: 0,
};

if (new URLSearchParams(location.search).has("no-workers")) Reflect.deleteProperty(globalThis, "Worker");

const open = new Set<RTCPeerConnection>();

// oxlint-disable-next-line typescript/unbound-method -- the proxy passes `this` on
SourceBuffer.prototype.appendBuffer = new Proxy(SourceBuffer.prototype.appendBuffer, {
  apply(append, buffer: SourceBuffer, [data]: [BufferSource]) {
    counts.mediaBytes += data.byteLength;
    Reflect.apply(append, buffer, [data]);
  },
});

globalThis.RTCPeerConnection = new Proxy(globalThis.RTCPeerConnection, {
  construct(target, parameters, newTarget) {
    counts.connections += 1;
    const connection = Reflect.construct(target, parameters, newTarget) as RTCPeerConnection;
    open.add(connection);
    return connection;
  },
});

/** Ends all connections to peers, as when the network is gone. */
export function disconnect(): void {
  for (const connection of open) connection.close();
  open.clear();
}

/** From now on drops what could hold a chunk; all else is shorter. */
export function fallSilent(): void {
  // oxlint-disable-next-line typescript/unbound-method -- the proxy passes `this` on
  RTCDataChannel.prototype.send = new Proxy(RTCDataChannel.prototype.send, {
    apply(send, channel: RTCDataChannel, [data]: [ArrayBufferView]) {
      if (data.byteLength < LONGEST_REST) Reflect.apply(send, channel, [data]);
    },
  });
}
