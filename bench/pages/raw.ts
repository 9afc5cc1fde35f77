/** The limit: one data channel between two pages, nothing but bytes, with the message size and the queue that ours has. */

const MESSAGE = 16_384 + 32;
const QUEUE = 262_144;

/** What the driver calls. */
export interface RawPeer {
  offer(): Promise<string>;
  answer(offer: string): Promise<string>;
  accept(answer: string): Promise<void>;
  /** Sends so many bytes as soon as the channel is open. */
  send(bytes: number): Promise<void>;
  /** Resolves when so many bytes are here; times of the page's clock, ms. */
  receive(bytes: number): Promise<{ firstByteAt: number; doneAt: number }>;
}

declare global {
  var raw: RawPeer;
}

const connection = new RTCPeerConnection();
const channel = connection.createDataChannel("raw", { ordered: false, negotiated: true, id: 1 });
channel.binaryType = "arraybuffer";
channel.bufferedAmountLowThreshold = QUEUE / 2;

const event = (target: EventTarget, name: string): Promise<unknown> =>
  new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));

/** The description with all candidates in it. */
async function described(): Promise<string> {
  while (connection.iceGatheringState !== "complete") await event(connection, "icegatheringstatechange");
  return JSON.stringify(connection.localDescription);
}

globalThis.raw = {
  async offer() {
    await connection.setLocalDescription();
    return described();
  },
  async answer(offer) {
    await connection.setRemoteDescription(JSON.parse(offer) as RTCSessionDescriptionInit);
    await connection.setLocalDescription();
    return described();
  },
  accept: (answer) => connection.setRemoteDescription(JSON.parse(answer) as RTCSessionDescriptionInit),
  async send(bytes) {
    if (channel.readyState !== "open") await event(channel, "open");
    const message = new Uint8Array(MESSAGE);
    for (let left = bytes; left > 0; left -= MESSAGE) {
      if (channel.bufferedAmount + MESSAGE > QUEUE) await event(channel, "bufferedamountlow");
      channel.send(left >= MESSAGE ? message : message.subarray(0, left));
    }
  },
  receive: (bytes) =>
    new Promise((resolve) => {
      let [got, firstByteAt] = [0, 0];
      channel.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer>) => {
        if (got === 0) firstByteAt = performance.now();
        got += data.byteLength;
        if (got >= bytes) resolve({ firstByteAt, doneAt: performance.now() });
      });
    }),
};
