/** A tracker of this project in one Node process: the handler's own code, with members in maps. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import { handleTracker } from "../src/tracker/handler.ts";
import type { SwarmPort, TrackerObjects } from "../src/tracker/objects.ts";
import { readSignal, SIGNAL_PROTOCOL, SignalAllowance, TOKEN_PREFIX } from "../src/tracker/signal.ts";
import { SwarmTracker } from "../src/tracker/swarm.ts";

/** Swarms of this process; members survive nothing. */
export class LocalObjects implements TrackerObjects {
  readonly #swarms = new Map<string, { tracker: SwarmTracker; port: SwarmPort; sockets: Map<string, WebSocket> }>();

  swarm(swarmId: string): SwarmPort {
    return this.of(swarmId).port;
  }

  peer(): never {
    throw new RangeError("peers of this benchmark have a Registration");
  }

  of(swarmId: string): { tracker: SwarmTracker; port: SwarmPort; sockets: Map<string, WebSocket> } {
    let swarm = this.#swarms.get(swarmId);
    if (swarm === undefined) {
      const tracker = new SwarmTracker({
        storage: { load: () => [], put: () => undefined, delete: () => undefined },
        trackTimer: 3_600_000,
        now: () => Date.now(),
        random: () => randomBytes(4).readUInt32LE() / 2 ** 32,
        newToken: () => randomBytes(16).toString("hex"),
        heard: () => 0,
        ended: () => undefined,
      });
      const port: SwarmPort = {
        onConnect: async (request, source) => tracker.onConnect(request, source),
        onReport: async (request) => tracker.onReport(request),
        enter: async (entry, wanted) => tracker.enter(swarmId, entry, wanted),
        remove: async (peerId) => tracker.remove(peerId),
        note: async (peerId, stat) => tracker.note(peerId, stat),
      };
      swarm = { tracker, port, sockets: new Map() };
      this.#swarms.set(swarmId, swarm);
    }
    return swarm;
  }
}

/** Serves requests and signalling sockets at a free port of this machine. */
export async function serve(objects: LocalObjects): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    void readBody(request).then(async (body) => {
      const headers = request.headers as Record<string, string>;
      const init = { method: request.method ?? "", headers, ...(body.length > 0 && { body }) };
      const url = `http://tracker${request.url ?? ""}`;
      const answer = await handleTracker(new Request(url, init), "127.0.0.1", objects, () => true);
      const bytes = Buffer.from(await answer.arrayBuffer());
      response
        .writeHead(answer.status, { ...Object.fromEntries(answer.headers), "Content-Length": bytes.length })
        .end(bytes);
    });
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, handleProtocols: () => SIGNAL_PROTOCOL });
  sockets.on("connection", (socket, request) => {
    const url = new URL(request.url ?? "", "http://tracker");
    const { tracker, sockets: open } = objects.of(url.searchParams.get("swarm") ?? "");
    const peerId = url.searchParams.get("peer") ?? "";
    const token = request.headers["sec-websocket-protocol"]?.split(TOKEN_PREFIX)[1] ?? "";
    if (!tracker.admits(peerId, token)) return void socket.close(1008);
    open.set(peerId, socket);
    const allowance = new SignalAllowance(Date.now());
    socket.on("message", (message) => {
      if (!allowance.take(Date.now())) return void socket.close(1013);
      // oxlint-disable-next-line no-base-to-string -- text of ws is a Buffer
      const relay = readSignal(peerId, String(message));
      if (relay.kind === "close") return void socket.close(relay.code);
      const receiver = open.get(relay.to);
      if (receiver === undefined) socket.send(JSON.stringify({ gone: relay.to }));
      else receiver.send(relay.text);
    });
    socket.send(JSON.stringify({ peers: tracker.opened(peerId) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
