/** Load over plain sockets of this process: requests are bytes made in advance, answers are read no further than needed. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { gunzipSync } from "node:zlib";

/** Longest wait for an answer, ms. */
const ANSWER_MS = 20_000;

/** One POST or GET as it travels. */
export function httpRequest(line: string, headers: readonly string[], body = ""): Buffer {
  const length = body === "" ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return Buffer.from([line, "Host: 127.0.0.1", ...headers, ...length, "", body].join("\r\n"), "latin1");
}

/** A connection with one request on its way at a time. */
class Connection {
  readonly #socket: Socket;
  #parts: Buffer[] = [];
  #answer: (answer: Buffer) => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.#parts.push(bytes);
      const all = this.#parts.length === 1 ? bytes : Buffer.concat(this.#parts);
      if (!isWhole(all)) return;
      this.#parts = [];
      this.#answer(all);
    });
    socket.setTimeout(ANSWER_MS, () => this.#failed(new Error("no answer")));
    socket.on("error", (error) => this.#failed(error));
    socket.on("close", () => this.#failed(new Error("the server closed the connection")));
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new Connection(socket);
  }

  ask(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#failed = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    // Without the wait for late packets, which would use up the ports of this machine.
    this.#socket.resetAndDestroy();
  }
}

/** Whether an answer has come completely: by its Content-Length, or by its last chunk. */
function isWhole(answer: Buffer): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const head = answer.toString("latin1", 0, end).toLowerCase();
  const at = head.indexOf("content-length: ");
  if (at >= 0) return answer.length >= end + 4 + parseInt(head.slice(at + 16), 10);
  return !head.includes("transfer-encoding: chunked") || answer.subarray(-5).equals(Buffer.from("0\r\n\r\n"));
}

/** Body of an answer as text. @throws Error when the status is not 200 */
export function bodyOf(answer: Buffer): string {
  const end = answer.indexOf("\r\n\r\n");
  const head = answer.toString("latin1", 0, end).toLowerCase();
  if (!head.startsWith("http/1.1 200 ")) throw new Error(`answer: ${head.slice(0, 200)}`);
  const sent = answer.subarray(end + 4);
  const body = head.includes("\r\ntransfer-encoding: chunked") ? unchunked(sent) : sent;
  // Miniflare asks the Worker for gzip also in the name of requests that do not.
  return (head.includes("\r\ncontent-encoding: gzip") ? gunzipSync(body) : body).toString("utf8");
}

function unchunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const line = body.indexOf("\r\n", at);
    const size = parseInt(body.toString("latin1", at, line), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(line + 2, line + 2 + size));
    at = line + size + 4;
  }
}

/** How requests reach a server of this machine. */
export interface Road {
  readonly port: number;
  /** Requests on their way at a time, each on one connection. */
  readonly connections: number;
  /** Each request on a connection of its own, instead of one after the other on the same. */
  readonly fresh?: boolean;
}

/** Works on so many connections, which are opened before any of them works. */
async function onEach<T>({ port, connections }: Road, work: (connection: Connection) => Promise<T>): Promise<T[]> {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  try {
    return await Promise.all(open.map(work));
  } finally {
    for (const connection of open) connection.close();
  }
}

/** Sends each request once and hands the body of its answer over. */
export async function askEach(
  road: Road,
  requests: readonly Buffer[],
  answered: (index: number, body: string) => void,
): Promise<void> {
  let next = 0;
  await onEach(road, async (connection) => {
    for (let index = next++; index < requests.length; index = next++)
      answered(index, bodyOf(await connection.ask(requests[index]!)));
  });
}

/** Keeps all connections busy for `ms`: answers a second. @throws Error where a status is not 200 */
export async function rate(road: Road, ms: number, request: () => Buffer): Promise<number> {
  let began = 0;
  let answers = 0;
  const ask = async (connection: Connection): Promise<void> => {
    const answer = await connection.ask(request());
    if (answer.toString("latin1", 9, 12) !== "200") bodyOf(answer);
    answers += 1;
  };
  await onEach(road, async (connection) => {
    began ||= performance.now();
    while (performance.now() - began < ms) {
      if (road.fresh !== true) {
        await ask(connection);
        continue;
      }
      const own = await Connection.open(road.port);
      await ask(own);
      own.close();
    }
  });
  return (answers * 1000) / (performance.now() - began);
}
