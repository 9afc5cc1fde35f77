import { peerExchange } from "../../src/core/swarm/pex.ts";
import type { Output } from "../../src/core/connection/outputs.ts";
import {
  CHANNEL_SETTINGS,
  MAX_HAVE_RANGES,
  MAX_PENDING_HASHES,
  MAX_REQUEST_RANGES,
} from "../../src/core/connection/settings.ts";
import { Endpoint, type Input } from "../../src/core/swarm/endpoint.ts";
import { digest, seeded, type Content } from "../sim/content.ts";
import { join } from "../sim/simulator.ts";
import { Dice, messagesOf, mutateMessages, mutateOctets } from "./mutations.ts";
import { fetchedContent, libswiftContent, makeTarget, type Target } from "./target.ts";

/** Attackers at a time. */
const LINKS = 12;
/** After a refusal an attacker comes back as somebody new, mostly at once, so that banned links are addressed too. */
const RETURN = 0.6;
/** Datagrams between two looks at what the victim keeps. */
const LOOK_EVERY = 1_000;
/** Slots of the endpoint that an honest peer takes. */
const HONEST = "honest";
/** Most outputs that one datagram may cause: all that is queued for one peer, and a little. */
const MOST_OUTPUTS = 4_096;

/** Something that must not happen, and the datagram with which it did. */
export class FuzzFailure extends Error {
  override readonly name = "FuzzFailure";
  readonly hex: string;

  constructor(message: string, datagram: Uint8Array, cause?: unknown) {
    super(message, { cause });
    this.hex = Buffer.from(datagram).toString("hex");
  }
}

/** What the victim keeps because of others, in numbers. */
export interface Kept {
  readonly connections: number;
  readonly ranges: number;
  readonly hashes: number;
  readonly unproven: number;
  readonly uploads: number;
}

/**
 * A live endpoint with two swarms, one that it serves and one that it fetches, and a crowd of attackers on links of their
 * own. Everything follows from the seed.
 */
export class Fuzzer {
  /** Datagrams that went in. */
  count = 0;
  /** Refusals by their reasons. */
  readonly refused = new Map<string, number>();
  now = 0;
  readonly #dice: Dice;
  readonly #endpoint: Endpoint;
  readonly #targets: readonly Target[];
  /** Per link and swarm, the victim's channel IDs, newest last. */
  readonly #channels = new Map<string, number[]>();
  readonly #banned = new Set<string>();
  #wakeAt = Infinity;
  #latest: Uint8Array = new Uint8Array();
  readonly #inputs: Input[] = [];
  #stepping = false;
  /** What goes to honest peers. */
  readonly #mail: Uint8Array[] = [];
  #late: Input[] = [];

  constructor(seed: number) {
    const random = seeded(seed);
    this.#dice = new Dice(random);
    this.#endpoint = new Endpoint({ random32: () => Math.floor(random() * 2 ** 32), epochMicros: 0n });
    const addressing = (["bin32", "chunk64", "bin64"] as const)[seed % 3]!;
    this.#targets = [this.#target(libswiftContent(), true), this.#target(fetchedContent(addressing, random), false)];
    for (let i = 0; i < LINKS; i++) this.#enter(`attacker${i}`);
  }

  /** Sends so many datagrams. @throws FuzzFailure */
  run(datagrams: number): void {
    for (let i = 0; i < datagrams; i++) {
      this.#attack();
      if (this.count % LOOK_EVERY === 0) this.#look();
    }
  }

  /** What the victim keeps now. */
  get kept(): Kept {
    const connections = this.#targets.flatMap(({ swarm }) => [...swarm.connections]);
    const sum = (of: (connection: (typeof connections)[number]) => number): number =>
      connections.reduce((total, connection) => total + of(connection), 0);
    return {
      connections: connections.length,
      ranges: sum(({ peerHas }) => peerHas.rangeCount),
      hashes: sum(({ proofs }) => proofs.hashes.size),
      unproven: this.#targets.reduce((total, { swarm }) => total + swarm.unproven, 0),
      uploads: sum(({ upload }) => upload.entries),
    };
  }

  /** An honest peer fetches the one content from the victim, and serves it the other. @throws FuzzFailure */
  serveHonestPeer(): void {
    for (const target of this.#targets) this.#transfer(target);
  }

  #attack(): void {
    const dice = this.#dice;
    const number = dice.below(LINKS);
    const link = `attacker${number}`;
    if (this.#banned.has(link) && dice.chance(RETURN)) this.#enter(link);
    this.#latest = this.#datagram(link, number % 2 === 0);
    this.count++;
    this.now += dice.chance(0.001) ? dice.random() * 30_000 : dice.random() * 10;
    if (this.now >= this.#wakeAt) this.#timeout();
    this.#step({ type: "datagram", link, data: this.#latest });
    this.#events(link);
  }

  /** What the victim's own host does meanwhile. */
  #events(link: string): void {
    const dice = this.#dice;
    if (this.#late.length > 20 || dice.chance(0.02)) for (const input of this.#late.splice(0)) this.#step(input);
    if (!dice.chance(0.01)) return;
    const [serving, fetching] = this.#targets as [Target, Target];
    const swarm = fetching.swarm.key;
    const last = fetching.content.chunks.length - 1;
    const chunks = { start: dice.below(last), end: last };
    switch (dice.below(6)) {
      case 0:
        return this.#step({ type: "want", swarm, chunks, deadline: dice.chance(0.5) ? Infinity : this.now + 5_000 });
      case 1:
        return this.#step({ type: "unwant", swarm, chunks });
      case 2: {
        for (let chunk = chunks.start; chunk <= chunks.end; chunk++) fetching.store.delete(chunk);
        return this.#step({ type: "forget", swarm, chunks: [chunks] });
      }
      case 3:
        return this.#step({ type: "serve", swarm: serving.swarm.key, serving: dice.chance(0.8) });
      case 4:
        return this.#step({ type: "open", link, swarm: dice.pick(this.#targets).swarm.key });
      default:
        return this.#enter(link);
    }
  }

  /** A cunning attacker says nothing that the codec refuses, and does not close its channel: it is heard for longer. */
  #datagram(link: string, cunning: boolean): Uint8Array {
    const dice = this.#dice;
    const target = dice.pick(this.#targets);
    const { datagrams, format, content } = target;
    const form = dice.below(10);
    let bytes: Uint8Array;
    if (cunning) bytes = mutateMessages(target.talk, content.chunks.length, format, dice);
    else if (form === 0) bytes = dice.pick(datagrams).slice();
    else if (form < 5) bytes = mutateOctets(dice.pick(datagrams), datagrams, dice);
    else bytes = mutateMessages(target.messages, content.chunks.length, format, dice);
    const channels = this.#channels.get(link) ?? [];
    if (bytes.length >= 4) new DataView(bytes.buffer).setUint32(0, this.#channel(channels, target, bytes[4] === 0));
    return bytes;
  }

  /** Mostly the channel that belongs to the target; also others, closed ones, and such as never were. */
  #channel(channels: readonly number[], target: Target, opens: boolean): number {
    const dice = this.#dice;
    if (opens && dice.chance(0.7)) return 0;
    if (dice.chance(0.85)) return channels[channels.length - 2 + this.#targets.indexOf(target)] ?? 0;
    return dice.chance(0.3) || channels.length === 0 ? dice.below(2 ** 32) : dice.pick(channels);
  }

  /** An attacker on a new link, with an established channel in each swarm. */
  #enter(link: string): void {
    const dice = this.#dice;
    this.#banned.delete(link);
    this.#channels.set(link, []);
    this.#step({ type: "link", link, maxDatagram: dice.pick([1_400, 65_507]) });
    for (const { datagrams, format } of this.#targets) {
      const opening = datagrams[0]!.slice();
      const own = 1 + dice.below(2 ** 32 - 1);
      new DataView(opening.buffer).setUint32(5, own);
      this.#step({ type: "datagram", link, data: opening });
      const channel = this.#channels.get(link)!.at(-1);
      if (channel === undefined) continue;
      const third = new Uint8Array(4);
      new DataView(third.buffer).setUint32(0, channel);
      this.#step({ type: "datagram", link, data: third });
      if (!dice.chance(0.5)) continue;
      const have = datagrams.find((bytes) => messagesOf(bytes, format)[0]?.type === "HAVE")!.slice();
      new DataView(have.buffer).setUint32(0, channel);
      this.#step({ type: "datagram", link, data: have });
    }
  }

  #timeout(): void {
    this.#wakeAt = Infinity;
    this.#step({ type: "timeout" });
  }

  #step(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        const outputs = this.#endpoint.step(next, this.now);
        if (outputs.length > MOST_OUTPUTS) this.#fail(`${outputs.length} outputs of one ${next.type}`);
        for (const output of outputs) this.#carryOut(output);
      }
    } catch (error) {
      if (error instanceof FuzzFailure) throw error;
      this.#fail(`the endpoint threw: ${String(error)}`, error);
    } finally {
      this.#stepping = false;
    }
  }

  #carryOut(output: Output): void {
    switch (output.type) {
      case "transmit": {
        if (output.link === HONEST) this.#mail.push(join(output.head, output.payload));
        // A HANDSHAKE tells the victim's channel.
        else if (output.head[4] === 0 && output.head.length >= 9) {
          const channel = new DataView(output.head.buffer, output.head.byteOffset).getUint32(5);
          const channels = this.#channels.get(output.link);
          if (channel !== 0 && channels !== undefined && !channels.includes(channel)) channels.push(channel);
          if (channels !== undefined && channels.length > 8) channels.shift();
        }
        return;
      }
      case "wake":
        this.#wakeAt = output.at;
        return;
      case "digest": {
        const { swarm, token, data } = output;
        const { content } = this.#of(swarm);
        const input = { type: "digested", swarm, token, hash: digest(content.options.metadata.hash, data) } as const;
        // Some digests take their time.
        if (this.#dice.chance(0.3)) this.#late.push(input);
        else this.#step(input);
        return;
      }
      case "read": {
        const { swarm, token, chunk } = output;
        const data = this.#dice.chance(0.05) ? undefined : this.#of(swarm).store.get(chunk);
        this.#step({ type: "read", swarm, token, data });
        return;
      }
      case "verified": {
        const { content, store } = this.#of(output.swarm);
        if (Buffer.compare(content.chunks[output.chunk] ?? new Uint8Array(), output.data) !== 0)
          this.#fail(`chunk ${output.chunk} is not the publisher's and was taken as proven`);
        store.set(output.chunk, output.data);
        return;
      }
      case "rejected":
        this.refused.set(output.reason, (this.refused.get(output.reason) ?? 0) + 1);
        if (output.link === HONEST) this.#fail(`an honest peer was refused: ${output.detail}`);
        if (output.reason !== "incompatible") this.#banned.add(output.link);
        return;
      case "opened":
      case "closed":
      case "peer":
      case "peerhas":
      case "uploaded":
        return;
    }
  }

  /** Whether everything that others can fill is within its bounds. */
  #look(): void {
    const most = this.#targets.length * (LINKS + 1);
    for (const { swarm } of this.#targets) {
      let channels = 0;
      for (const { peerHas, proofs, upload, download } of swarm.connections) {
        channels++;
        this.#bound("announced ranges", peerHas.rangeCount, MAX_HAVE_RANGES);
        this.#bound("unproven hashes", proofs.hashes.size, MAX_PENDING_HASHES);
        this.#bound("requests", upload.entries, 6 * MAX_REQUEST_RANGES);
        this.#bound("own requests", download.outstanding, CHANNEL_SETTINGS.maxOutstanding);
      }
      this.#bound("channels", channels, 32 * LINKS);
      this.#bound("unproven chunks", swarm.unproven, most * CHANNEL_SETTINGS.maxOutstanding);
    }
  }

  #bound(what: string, value: number, most: number): void {
    if (value > most) this.#fail(`${value} ${what} are kept, more than ${most}`);
  }

  /** An honest peer and the victim, by themselves, until the content has moved. */
  #transfer({ content, swarm, store }: Target): void {
    const { chunks, options, tree } = content;
    const key = swarm.key;
    const all = { start: 0, end: chunks.length - 1 };
    const serving = swarm.complete;
    const peer = new Endpoint({ random32: () => Math.floor(this.#dice.random() * 2 ** 32), epochMicros: 0n });
    const own = peer.add(options);
    const got = new Map<number, Uint8Array>();
    let wakeAt = Infinity;
    const inbox: Input[] = [];
    const step = (input: Input): void => {
      for (const output of peer.step(input, this.now)) {
        if (output.type === "transmit")
          this.#step({ type: "datagram", link: HONEST, data: join(output.head, output.payload) });
        else if (output.type === "wake") wakeAt = output.at;
        else if (output.type === "digest")
          inbox.push({ ...output, type: "digested", hash: digest(options.metadata.hash, output.data) });
        else if (output.type === "read") inbox.push({ ...output, data: chunks[output.chunk] });
        else if (output.type === "verified") got.set(output.chunk, output.data);
      }
    };
    this.#step({ type: "serve", swarm: key, serving: true });
    this.#step({ type: "link", link: HONEST, maxDatagram: 65_507 });
    if (serving) {
      step({ type: "want", swarm: key, chunks: all, deadline: Infinity });
    } else {
      own.verifier.verifyPeaks(tree.peaks());
      own.verifier.verifyLeaves(
        0,
        chunks.map((_, chunk) => tree.get(2 * chunk)!),
      );
      step({ type: "have", swarm: key, chunks: all });
      this.#step({ type: "want", swarm: key, chunks: all, deadline: Infinity });
    }
    step({ type: "link", link: HONEST, maxDatagram: 65_507 });
    step({ type: "open", link: HONEST, swarm: key });
    const done = (): boolean =>
      serving
        ? chunks.every((chunk, i) => got.has(i) && Buffer.compare(chunk, got.get(i)!) === 0)
        : store.size === chunks.length;
    const until = this.now + 120_000;
    while (!done()) {
      const data = this.#mail.shift();
      const input = data === undefined ? inbox.shift() : ({ type: "datagram", link: HONEST, data } as const);
      if (input !== undefined) step(input);
      else if (this.#late.length > 0) for (const late of this.#late.splice(0)) this.#step(late);
      else {
        this.now = Math.max(this.now, Math.min(wakeAt, this.#wakeAt));
        if (this.now > until) {
          const [has, of] = [serving ? got.size : store.size, chunks.length];
          this.#fail(`an honest peer ${serving ? "is not served" : "cannot serve"}: ${has} of ${of} chunks`);
        }
        if (this.#wakeAt <= this.now) this.#timeout();
        if (wakeAt <= this.now) {
          wakeAt = Infinity;
          step({ type: "timeout" });
        }
      }
    }
    this.#mail.length = 0;
    this.#step({ type: "unlink", link: HONEST });
    if (serving) return;
    // So that there is something to fetch for the rest.
    store.clear();
    this.#step({ type: "forget", swarm: key, chunks: [all] });
  }

  #of(key: string): Target {
    return this.#targets.find(({ swarm }) => swarm.key === key)!;
  }

  #target(content: Content, serves: boolean): Target {
    const target = makeTarget(this.#endpoint.add({ pex: peerExchange, ...content.options }), content);
    const { swarm, store } = target;
    const { chunks, tree } = content;
    const all = { start: 0, end: chunks.length - 1 };
    if (serves) {
      swarm.verifier.verifyPeaks(tree.peaks());
      const leaves = chunks.map((_, chunk) => tree.get(2 * chunk)!);
      swarm.verifier.verifyLeaves(0, leaves);
      chunks.forEach((chunk, i) => store.set(i, chunk));
      this.#step({ type: "have", swarm: swarm.key, chunks: all });
    } else {
      this.#step({ type: "want", swarm: swarm.key, chunks: all, deadline: Infinity });
    }
    return target;
  }

  #fail(what: string, cause?: unknown): never {
    throw new FuzzFailure(`after ${this.count} datagrams: ${what}`, this.#latest, cause);
  }
}
