/** WebSocket load over plain sockets of this process: frames are made in advance and masked with zeros, which changes nothing. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A text frame of a client (RFC 6455 §5.2). */
export function textFrame(text: string): Buffer {
  const body = Buffer.from(text);
  const head = body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 0xff];
  if (body.length > 0xffff) throw new RangeError("frame too long");
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), body]);
}

/** A WebSocket that hands each frame over as bytes. */
export class RawSocket {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #receive: (frame: Buffer) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @throws Error when the server does not switch protocols */
  static async open(port: number, path: string, protocols = ""): Promise<RawSocket> {
    const socket = connect(port, "127.0.0.1").setNoDelay(true);
    await once(socket, "connect");
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      ...(protocols === "" ? [] : [`Sec-WebSocket-Protocol: ${protocols}`]),
    ];
    const raw = new RawSocket(socket);
    const opened = new Promise<void>((resolve, reject) => {
      socket.once("close", () => reject(new Error("the server closed the socket")));
      socket.once("error", reject);
      socket.on("data", (bytes: Buffer) => {
        raw.#rest = raw.#rest.length === 0 ? bytes : Buffer.concat([raw.#rest, bytes]);
        if (raw.#opened) {
          raw.#read();
          return;
        }
        const end = raw.#rest.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = raw.#rest.toString("latin1", 0, end);
        if (!head.startsWith("HTTP/1.1 101")) return reject(new Error(head.slice(0, 200)));
        raw.#opened = true;
        raw.#rest = raw.#rest.subarray(end + 4);
        resolve();
      });
    });
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    await opened;
    return raw;
  }

  #opened = false;

  /** Called with each frame's payload from now on; frames that came before are handed over at once. */
  listen(receive: (payload: Buffer) => void): void {
    this.#receive = receive;
    this.#read();
  }

  send(frame: Buffer): void {
    this.#socket.write(frame);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(): void {
    let at = 0;
    const bytes = this.#rest;
    for (;;) {
      if (bytes.length < at + 2) break;
      const short = bytes[at + 1]! & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < at + head) break;
      const length =
        short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
      if (bytes.length < at + head + length) break;
      const payload = bytes.subarray(at + head, at + head + length);
      at += head + length;
      if ((bytes[at - head - length]! & 0x0f) === 8) throw new Error(`socket closed: ${payload.toString("latin1", 2)}`);
      this.#receive(payload);
    }
    this.#rest = bytes.subarray(at);
  }
}

/** Resolves when `count()` has reached `goal`; @throws Error after `ms` without it. */
export async function reached(goal: number, count: () => number, ms = 20_000): Promise<void> {
  const until = Date.now() + ms;
  while (count() < goal) {
    if (Date.now() > until) throw new Error(`only ${count()} of ${goal} came`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
