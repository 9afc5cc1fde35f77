/**
 * The limit: one data channel between two pages, nothing but bytes, with the message size of ours and as much on its way.
 * The receiver confirms what has come: a sender that looks at `bufferedAmount` alone collapses in every other run.
 */

const MESSAGE = 16_384 + 32;
const WINDOW = 262_144;
/** The receiver confirms after so many bytes. */
const CONFIRM = 65_536;

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
    let [sent, confirmed] = [0, 0];
    channel.addEventListener("message", () => (confirmed += CONFIRM));
    while (sent < bytes) {
      if (sent - confirmed + MESSAGE > WINDOW) await event(channel, "message");
      else {
        const length = Math.min(MESSAGE, bytes - sent);
        channel.send(message.subarray(0, length));
        sent += length;
      }
    }
  },
  receive: (bytes) =>
    new Promise((resolve) => {
      let [got, confirmed, firstByteAt] = [0, 0, 0];
      channel.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer>) => {
        if (got === 0) firstByteAt = performance.now();
        got += data.byteLength;
        for (; got - confirmed >= CONFIRM; confirmed += CONFIRM) channel.send(new Uint8Array(1));
        if (got >= bytes) resolve({ firstByteAt, doneAt: performance.now() });
      });
    }),
};
