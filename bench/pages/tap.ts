/** Reads along on a page's data channels: how long a chunk that does not come waits until somebody else is asked for it. */
import { ChunkAddressing, type Format } from "../../src/core/codec/messages.ts";
import { decodeDatagram } from "../../src/core/codec/datagram.ts";

/** What the film was published with. */
const FORMAT: Format = { addressing: ChunkAddressing.chunk32, hashSize: 32, signatureSize: 0 };

interface Asked {
  readonly of: RTCDataChannel;
  readonly at: number;
}

/** Chunks that were asked of somebody and are not here yet. */
const asked = new Map<number, Asked>();
const followed = new WeakSet<RTCDataChannel>();
const waits: number[] = [];

function read(channel: RTCDataChannel, bytes: Uint8Array, sent: boolean): void {
  for (const message of decodeDatagram(bytes, FORMAT).messages) {
    if (message.type !== "REQUEST" && message.type !== "DATA") continue;
    if ((message.type === "REQUEST") !== sent) continue;
    for (let chunk = message.chunks.start; chunk <= message.chunks.end; chunk++) {
      const before = asked.get(chunk);
      if (!sent) asked.delete(chunk);
      else if (before === undefined) asked.set(chunk, { of: channel, at: performance.now() });
      else if (before.of !== channel) {
        waits.push(performance.now() - before.at);
        asked.set(chunk, { of: channel, at: performance.now() });
      }
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
  return () => waits;
}
