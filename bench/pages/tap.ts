/** Reads along on a page's data channels: how long a chunk is late before somebody else is asked for it. */
import { ChunkAddressing, type Format } from "../../src/core/codec/messages.ts";
import { decodeDatagram } from "../../src/core/codec/datagram.ts";
import { Lateness } from "./lateness.ts";

/** What the film was published with. */
const FORMAT: Format = { addressing: ChunkAddressing.chunk32, hashSize: 32, signatureSize: 0 };

const lateness = new Lateness<RTCDataChannel>();
const followed = new WeakSet<RTCDataChannel>();

/** Messages in their order: a CANCEL may be followed by the next REQUEST. */
function read(channel: RTCDataChannel, bytes: Uint8Array, sent: boolean): void {
  const now = performance.now();
  for (const message of decodeDatagram(bytes, FORMAT).messages) {
    if (message.type === "DATA" && !sent) lateness.came(channel, message.chunks.start, now);
    if (!sent || (message.type !== "REQUEST" && message.type !== "CANCEL")) continue;
    for (let chunk = message.chunks.start; chunk <= message.chunks.end; chunk++) {
      if (message.type === "REQUEST") lateness.requested(channel, chunk, now);
      else lateness.cancelled(channel, chunk, now);
    }
  }
}

const bytesOf = (data: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);

/** Begins to read along; returns the waits so far, ms. */
export function tap(): () => readonly number[] {
  // oxlint-disable-next-line typescript/unbound-method -- the proxy passes `this` on
  RTCDataChannel.prototype.send = new Proxy(RTCDataChannel.prototype.send, {
    apply(send, channel: RTCDataChannel, [data]: [ArrayBuffer | ArrayBufferView]) {
      if (!followed.has(channel)) {
        followed.add(channel);
        channel.addEventListener("message", (event: MessageEvent<ArrayBuffer>) => {
          read(channel, bytesOf(event.data), false);
        });
      }
      read(channel, bytesOf(data), true);
      Reflect.apply(send, channel, [data]);
    },
  });
  return () => lateness.waits;
}
