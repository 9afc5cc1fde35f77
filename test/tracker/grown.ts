import { jsonSignals } from "../../src/tracker/json/signal.ts";
import type { SignalSocket } from "../../src/tracker/switchboard.ts";
import type { SwarmPolicy } from "../../src/tracker/manage/policy.ts";
import type { SwarmTotals } from "../../src/tracker/manage/summary.ts";
import type { Member } from "../../src/tracker/member.ts";
import type { SwarmPort } from "../../src/tracker/objects.ts";
import { SwarmPart } from "../../src/tracker/shards/part.ts";
import type { Asked, PartState, PartStorage } from "../../src/tracker/shards/port.ts";
import { movedResponse, ShardRouter } from "../../src/tracker/shards/router.ts";

/** What an object has stored. */
class Stored {
  readonly members = new Map<string, Member>();
  policy: SwarmPolicy | undefined;
  departed: SwarmTotals | undefined;
  part: PartState | undefined;

  get empty(): boolean {
    const { members, policy, departed, part } = this;
    return members.size === 0 && policy === undefined && departed === undefined && part === undefined;
  }
}

/** A signalling socket as the member sees it. */
export class FakeSocket implements SignalSocket {
  readonly messages: unknown[] = [];
  closed: number | undefined;

  send(text: string): void {
    this.messages.push(JSON.parse(text));
  }

  close(code: number): void {
    this.closed ??= code;
  }
}

/** One object in memory; what it does after it failed has no effect. */
interface Running {
  readonly part: SwarmPart;
  readonly sockets: Map<string, FakeSocket>;
  failed: boolean;
}

type Stub = Asked<SwarmPort> & { fetch(request: Request): Promise<Response> };

/** An object failed before or after a call had its effect. */
export class ObjectFailed extends Error {
  override readonly name = "ObjectFailed";
}

/** Turns after which something goes round in circles. */
const MAX_TURNS = 50_000;

/** What a test may set. */
export interface GrownOptions {
  readonly seed: number;
  readonly shardMembers: number;
  readonly shards: number;
  readonly trackTimer?: number;
  /** Publishers by whose word the swarms are served. @defaultValue the operator names them */
  readonly publishers?: ReadonlySet<string>;
}

/**
 * The objects of swarms as a platform has them: calls between them take turns that a seed draws, their arguments are copies, and
 * any of them may fail between two turns and come back with no more than it has stored.
 */
export class GrownWorld {
  now = 1_000_000;
  readonly stored = new Map<string, Stored>();
  readonly router = new ShardRouter<Stub>((name) => this.#stub(name));
  readonly #running = new Map<string, Running>();
  readonly #options: GrownOptions;
  /** Steps that wait for their turn. */
  readonly #turns: (() => void)[] = [];
  /** Calls and background work that are not over. */
  #pending = 0;
  #state: number;
  #tokens = 0;

  constructor(options: GrownOptions) {
    this.#options = options;
    this.#state = options.seed >>> 0;
  }

  /** A number in [0, 1) (mulberry32). */
  readonly random = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };

  /** Lets calls take turns, in an order that the seed draws, until `done`, and objects fail with this likelihood a turn. */
  async run(done: () => boolean, failures = 0): Promise<void> {
    let idle = 0;
    for (let turn = 0; !done(); turn += 1) {
      if (turn > MAX_TURNS) throw new Error("no end of turns");
      // All that follows from a turn without another turn has happened.
      await new Promise(setImmediate);
      this.now += Math.floor(this.random() * 20);
      if (this.random() < failures) this.fail(this.#drawn([...this.stored.keys()]));
      if (this.#turns.length === 0) {
        if ((idle += 1) > 1000) throw new Error("nothing moves any more");
        continue;
      }
      idle = 0;
      this.#turns.splice(Math.floor(this.random() * this.#turns.length), 1)[0]?.();
    }
  }

  /** The result of some work, with all turns that it takes. */
  async result<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const watched = work.finally(() => {
      over = true;
    });
    watched.catch(() => undefined);
    await this.run(() => over);
    return watched;
  }

  /** Lets everything come to rest: calls, alarms, exchanges. */
  async rest(): Promise<void> {
    for (let round = 0; round < 4; round += 1) {
      for (const name of this.stored.keys()) void this.alarm(name).catch(() => undefined);
      await this.run(() => this.#pending === 0);
      this.now += 1000;
    }
  }

  /** An object loses its memory, and its sockets. */
  fail(name: string | undefined): void {
    const running = name === undefined ? undefined : this.#running.get(name);
    if (name === undefined || running === undefined) return;
    running.failed = true;
    this.#running.delete(name);
    for (const socket of running.sockets.values()) socket.close(1006);
  }

  /** What an object does when its timer runs out. */
  alarm(name: string): Promise<void> {
    return this.#call(name, async (part) => {
      await part.handOver();
      part.expire();
      await this.#tidy(name, part);
    });
  }

  /** The management side of a swarm. */
  desk(swarmId: string): Pick<SwarmPart, "describe" | "list" | "change" | "ban" | "unban" | "close"> {
    const call = <T>(work: (part: SwarmPart) => Promise<T>): Promise<T> => this.#call(swarmId, work);
    return {
      describe: () => call((part) => part.describe()),
      list: (after, limit) => call((part) => part.list(after, limit)),
      change: (change) => call((part) => part.change(change)),
      ban: (peerId, withAddress, seconds) => call((part) => part.ban(peerId, withAddress, seconds)),
      unban: (peerId) => call((part) => part.unban(peerId)),
      close: () => call((part) => part.close()),
    };
  }

  /** Opens a member's signalling socket; undefined when it is refused. */
  async open(swarmId: string, peerId: string, token: string): Promise<FakeSocket | undefined> {
    const url = `https://tracker.example/signal?swarm=${swarmId}&peer=${peerId}`;
    const response = await this.router.signal(new Request(url, { headers: { token } }), swarmId);
    const name = response.headers.get("object");
    return name === null ? undefined : this.#running.get(name)?.sockets.get(peerId);
  }

  /** A member says something on its socket; false when that is closed. */
  say(peerId: string, socket: FakeSocket, message: unknown): boolean {
    for (const { part, sockets } of this.#running.values()) {
      if (sockets.get(peerId) !== socket || socket.closed !== undefined) continue;
      part.desk.signals.receive(socket, peerId, JSON.stringify(message));
      return true;
    }
    return false;
  }

  /** Names of the objects that have a row of this member. */
  holders(peerId: string): string[] {
    return [...this.stored].flatMap(([name, { members }]) => (members.has(peerId) ? name : []));
  }

  /** One of these, as the seed draws it. */
  drawn<T>(from: readonly T[]): T | undefined {
    return this.#drawn(from);
  }

  #drawn<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.random() * from.length)];
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#turns.push(resolve));
  }

  /** A call to an object: a turn on the way there, and one on the way back. */
  async #call<T>(name: string, work: (part: SwarmPart, running: Running) => Promise<T>): Promise<T> {
    this.#pending += 1;
    try {
      await this.#turn();
      const running = this.#object(name);
      const result = await work(running.part, running);
      await this.#turn();
      if (running.failed) throw new ObjectFailed(name);
      return structuredClone(result);
    } finally {
      this.#pending -= 1;
    }
  }

  /** As {@link #call}, where the object tidies up behind itself. */
  #tidied<T>(name: string, work: (part: SwarmPart) => Promise<T>): Promise<T> {
    return this.#call(name, async (part) => {
      const result = await work(part);
      await this.#tidy(name, part);
      return result;
    });
  }

  async #tidy(name: string, part: SwarmPart): Promise<void> {
    await part.end();
    if (part.isRoot && part.desk.idle && this.#running.get(name)?.part === part) {
      part.desk.describe();
      this.stored.set(name, new Stored());
      this.#running.delete(name);
    }
  }

  #stub(name: string): Stub {
    return {
      onConnect: (request, asker) => this.#call(name, (part) => part.onConnect(structuredClone(request), asker)),
      onFind: (request, asker) => this.#call(name, (part) => part.onFind(request, asker)),
      onReport: (request, asker) => this.#call(name, (part) => part.onReport(request, asker)),
      enter: (entry, wish) => this.#call(name, (part) => part.enter(entry, wish)),
      find: (peerId, asker, wish) => this.#call(name, (part) => part.find(peerId, asker, wish)),
      remove: (peerId) => this.#tidied(name, (part) => part.remove(peerId)),
      note: (peerId, stat, properties) => this.#call(name, (part) => part.note(peerId, stat, properties)),
      fetch: (request) => this.#fetch(name, request),
    };
  }

  async #fetch(name: string, request: Request): Promise<Response> {
    let moved: Parameters<typeof movedResponse>[0] | undefined;
    const accepted = await this.#call(name, async (part, { sockets }) => {
      moved = await part.admit();
      const peerId = new URL(request.url).searchParams.get("peer") ?? "";
      if (moved !== undefined || !part.desk.admits(peerId, request.headers.get("token") ?? "")) return false;
      const socket = new FakeSocket();
      sockets.get(peerId)?.close(4001);
      sockets.set(peerId, socket);
      socket.send(part.desk.signals.opened(peerId, jsonSignals));
      return true;
    });
    if (moved !== undefined) return movedResponse(moved);
    return new Response(null, accepted ? { headers: { object: name } } : { status: 403 });
  }

  #object(name: string): Running {
    const found = this.#running.get(name);
    if (found !== undefined) return found;
    const sockets = new Map<string, FakeSocket>();
    const state = { failed: false };
    const open = (): [string, FakeSocket][] => [...sockets].filter(([, { closed }]) => closed === undefined);
    const lives = (): void => {
      if (state.failed) throw new ObjectFailed(name);
    };
    const { shardMembers, shards, trackTimer = 1e9, publishers } = this.#options;
    const part = new SwarmPart({
      name,
      storage: this.#storage(name, lives),
      trackTimer,
      shardMembers,
      shards,
      now: () => this.now,
      iso: String,
      named: publishers === undefined,
      publishers: publishers ?? new Set(),
      random: this.random,
      newToken: () => `token${(this.#tokens += 1)}`,
      heard: () => 0,
      sockets: (peerId) => open().flatMap(([of, socket]) => (peerId === undefined || of === peerId ? socket : [])),
      encoding: () => jsonSignals,
      part: (other) => {
        lives();
        const call = <T>(work: (part: SwarmPart) => Promise<T>): Promise<T> => this.#call(other, work);
        const tidied = <T>(work: (part: SwarmPart) => Promise<T>): Promise<T> => this.#tidied(other, work);
        return {
          describe: () => call((to) => to.describe()),
          list: (after, limit) => call((to) => to.list(after, limit)),
          close: () => tidied((to) => to.close()),
          join: (shard, of, after) => call((to) => to.join(shard, of, after)),
          took: (shard) => call((to) => to.took(shard)),
          exchange: (shard, window, hash, granted) =>
            call((to) => to.exchange(shard, structuredClone(window), hash, granted)),
          leave: (shard, departed) => tidied((to) => to.leave(shard, departed)),
          wake: () => call((to) => to.wake()),
          relay: (signals) => call((to) => to.relay(signals)),
          obey: (policy) => tidied((to) => to.obey(policy)),
          sourceOf: (peerId) => call((to) => to.sourceOf(peerId)),
        };
      },
      background: (work) => {
        this.#pending += 1;
        const over = (): void => {
          this.#pending -= 1;
        };
        work.then(over, over);
      },
      clear: async () => {
        lives();
        this.stored.set(name, new Stored());
      },
    });
    const running = Object.assign(state, { part, sockets });
    this.#running.set(name, running);
    return running;
  }

  #storage(name: string, lives: () => void): PartStorage {
    const stored = (): Stored => {
      lives();
      const kept = this.stored.get(name) ?? new Stored();
      this.stored.set(name, kept);
      return kept;
    };
    return {
      load: () => [...stored().members.values()],
      put: (member) => void stored().members.set(member.peerId, member),
      delete: (peerId) => void stored().members.delete(peerId),
      loadDeparted: () => stored().departed,
      saveDeparted: (totals) => void (stored().departed = totals),
      loadPolicy: () => stored().policy,
      savePolicy: (policy) => void (stored().policy = policy),
      loadPart: () => stored().part,
      savePart: (part) => void (stored().part = part),
    };
  }
}
