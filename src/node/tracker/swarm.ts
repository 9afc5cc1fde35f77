import { randomBytes } from "node:crypto";
import type { WebSocket } from "ws";
import type { CheckAddress } from "../../tracker/further.ts";
import { type DeskStorage, SwarmDesk } from "../../tracker/manage/desk.ts";
import type { SwarmPort } from "../../tracker/objects.ts";
import type { Parameters } from "../../tracker/parameters.ts";
import { randomNumber } from "../../tracker/random.ts";
import { CLOSE, PING, PONG, type SignalCodec } from "../../tracker/signal.ts";
import type { SignalSocket } from "../../tracker/switchboard.ts";

/** What a swarm in this process needs. */
export interface LocalSwarmOptions {
  readonly swarmId: string;
  readonly storage: DeskStorage;
  readonly parameters: Parameters;
  readonly checkAddress: CheckAddress;
  /** Called when nobody is left in it. */
  readonly emptied: () => void;
}

/** One open signalling socket of a member, which is cut off when too much waits in it. */
class Connection implements SignalSocket {
  readonly socket: WebSocket;
  readonly codec: SignalCodec;
  /** Milliseconds since 1970. */
  heard = Date.now();
  /** Bytes that may wait in the socket: a member that reads nothing does not fill the tracker's memory. */
  readonly #queue: number;

  constructor(socket: WebSocket, codec: SignalCodec, queue: number) {
    this.socket = socket;
    this.codec = codec;
    this.#queue = queue;
  }

  get open(): boolean {
    return this.socket.readyState === 1;
  }

  /** Whoever has something sent: the member itself may never say anything again. */
  send(text: string): void {
    this.socket.send(text);
    if (this.socket.bufferedAmount > this.#queue) this.socket.terminate();
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }
}

/** One swarm under Node: memory, one timer and sockets for a {@link SwarmDesk}. */
export class LocalSwarm {
  readonly desk: SwarmDesk;
  /** What peers ask of it. */
  readonly port: SwarmPort;
  readonly #emptied: () => void;
  /** Milliseconds. */
  readonly #retryWindow: number;
  /** Milliseconds. */
  readonly #trackTimer: number;
  /** Bytes that may wait in a socket. */
  readonly #queue: number;
  readonly #connections = new Map<string, Connection>();
  /** It had members: a repeated request about their end is to be answered as the first was. */
  #used = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ swarmId, storage, parameters, checkAddress, emptied }: LocalSwarmOptions) {
    this.#emptied = emptied;
    this.#retryWindow = parameters.limits.retryWindowMs;
    this.#trackTimer = parameters.number("TRACK_TIMER") * 1000;
    this.#queue = parameters.number("SOCKET_QUEUE");
    this.desk = new SwarmDesk({
      swarmId,
      storage,
      trackTimer: this.#trackTimer,
      limits: parameters.limits,
      topology: parameters.topology,
      named: parameters.names(swarmId),
      publishers: parameters.publishers,
      checkAddress,
      now: () => Date.now(),
      iso: (at) => new Date(at).toISOString(),
      random: randomNumber,
      newToken: () => randomBytes(16).toString("hex"),
      heard: (peerId) => this.#connections.get(peerId)?.heard ?? 0,
      sockets: (peerId) => {
        if (peerId === undefined) return [...this.#connections.values()];
        const connection = this.#connections.get(peerId);
        return connection?.open ? [connection] : [];
      },
      encoding: (socket) => (socket as Connection).codec,
    });
    this.port = this.#port();
    this.settle();
  }

  /** Lets silent members go, and sets the timer to when the next may have to. */
  settle(): void {
    // Whoever asks makes the desk look for silent members anyway.
    if (this.#timer !== undefined && this.#used) return;
    const due = this.desk.expire();
    const { idle } = this.desk;
    this.#used ||= this.desk.size > 0;
    if (idle && !this.#used) {
      this.#emptied();
    } else if (this.#timer === undefined && (idle || due !== undefined)) {
      // A ban may last for years: those who join meanwhile are looked for no later than if it were not.
      const delay = idle ? this.#retryWindow : Math.min(Math.max((due ?? 0) - Date.now(), 10), this.#trackTimer);
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        if (idle) this.#used = false;
        this.settle();
      }, delay);
      this.#timer.unref();
    }
  }

  #port(): SwarmPort {
    const { desk } = this;
    const settled = <T>(result: T): T => {
      this.settle();
      return result;
    };
    return {
      onConnect: (request, asker) => settled(desk.onConnect(request, asker)),
      onFind: (request, asker) => settled(desk.onFind(request, asker)),
      onReport: (request, asker) => settled(desk.onReport(request, asker)),
      enter: async (entry, wish) => settled(desk.enter(entry, wish)),
      find: async (peerId, asker, wish) => desk.find(peerId, asker, wish),
      remove: async (peerId) => settled(desk.remove(peerId)),
      note: async (peerId, stat, properties) => desk.note(peerId, stat, properties),
    };
  }

  /** Takes a member's signalling socket, instead of an older one. */
  accept(peerId: string, socket: WebSocket, codec: SignalCodec): void {
    this.#connections.get(peerId)?.close(CLOSE.replaced, "replaced by a newer socket");
    const connection = new Connection(socket, codec, this.#queue);
    this.#connections.set(peerId, connection);
    socket.on("message", (data: Buffer, binary: boolean) => {
      if (!connection.open) return;
      connection.heard = Date.now();
      const text = binary ? undefined : data.toString("utf8");
      try {
        if (text === PING) connection.send(PONG);
        else this.desk.signals.receive(connection, peerId, text);
      } catch (error) {
        // Nobody else catches it: one message would end all swarms.
        console.error("tracker: unexpected condition", error);
        socket.terminate();
      }
    });
    // What ws finds wrong (too big, bad UTF-8) it answers with the right close code itself.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#connections.get(peerId) !== connection) return;
      this.#connections.delete(peerId);
      this.desk.signals.closed(peerId);
    });
    connection.send(this.desk.signals.opened(peerId, codec));
  }

  /** Ends timer and sockets; members stay. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const { socket } of this.#connections.values()) socket.terminate();
  }
}
