import { randomBytes } from "node:crypto";
import type { WebSocket } from "ws";
import { type DeskStorage, SwarmDesk } from "../../tracker/manage/desk.ts";
import { RETRY_WINDOW } from "../../tracker/limits.ts";
import type { Topology } from "../../tracker/place.ts";
import { randomNumber } from "../../tracker/random.ts";
import { CLOSE, PING, PONG } from "../../tracker/signal.ts";

/** Bytes that may wait in a socket: a member that reads nothing does not fill the tracker's memory. */
const MAX_WAITING = 1024 * 1024;

/** What a swarm in this process needs. */
export interface LocalSwarmOptions {
  readonly swarmId: string;
  readonly storage: DeskStorage;
  /** Milliseconds. */
  readonly trackTimer: number;
  readonly topology: Topology;
  /** Called when nobody is left in it. */
  readonly emptied: () => void;
}

/** One open signalling socket of a member. */
interface Connection {
  readonly peerId: string;
  readonly socket: WebSocket;
  /** Milliseconds since 1970. */
  heard: number;
}

/** One swarm under Node: memory, one timer and sockets for a {@link SwarmDesk}. */
export class LocalSwarm {
  readonly desk: SwarmDesk;
  readonly #emptied: () => void;
  readonly #connections = new Map<string, Connection>();
  /** It had members: a repeated request about their end is to be answered as the first was. */
  #used = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ swarmId, storage, trackTimer, topology, emptied }: LocalSwarmOptions) {
    this.#emptied = emptied;
    this.desk = new SwarmDesk({
      swarmId,
      storage,
      trackTimer,
      topology,
      now: () => Date.now(),
      iso: (at) => new Date(at).toISOString(),
      random: randomNumber,
      newToken: () => randomBytes(16).toString("hex"),
      heard: (peerId) => this.#connections.get(peerId)?.heard ?? 0,
      sockets: (peerId) => {
        if (peerId === undefined) return [...this.#connections.values()].map(({ socket }) => socket);
        const connection = this.#connections.get(peerId);
        return connection?.socket.readyState === 1 ? [connection.socket] : [];
      },
    });
    this.settle();
  }

  /** Lets silent members go, and sets the timer to when the next may have to. */
  settle(): void {
    const due = this.desk.expire();
    const { idle } = this.desk;
    this.#used ||= this.desk.size > 0;
    if (idle && !this.#used) {
      this.#emptied();
    } else if (this.#timer === undefined && (idle || due !== undefined)) {
      const delay = idle ? RETRY_WINDOW : Math.max((due ?? 0) - Date.now(), 10);
      this.#timer = setTimeout(
        () => {
          this.#timer = undefined;
          if (idle) this.#used = false;
          this.settle();
        },
        Math.min(delay, 2 ** 31 - 1),
      );
      this.#timer.unref();
    }
  }

  /** Takes a member's signalling socket, instead of an older one. */
  accept(peerId: string, socket: WebSocket): void {
    this.#connections.get(peerId)?.socket.close(CLOSE.replaced, "replaced by a newer socket");
    const connection: Connection = { peerId, socket, heard: Date.now() };
    this.#connections.set(peerId, connection);
    socket.on("message", (data: Buffer, binary: boolean) => {
      if (socket.readyState !== 1) return;
      connection.heard = Date.now();
      const text = binary ? undefined : data.toString("utf8");
      if (text === PING) socket.send(PONG);
      else this.desk.receive(socket, peerId, text);
      if (socket.bufferedAmount > MAX_WAITING) socket.terminate();
    });
    // What ws finds wrong (too big, bad UTF-8) it answers with the right close code itself.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#connections.get(peerId) !== connection) return;
      this.#connections.delete(peerId);
      this.desk.closed(peerId);
    });
    socket.send(this.desk.opened(peerId));
  }

  /** Ends timer and sockets; members stay. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const { socket } of this.#connections.values()) socket.terminate();
  }
}
