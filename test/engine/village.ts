import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Engine } from "../../src/engine/engine.ts";
import type { EngineOptions } from "../../src/engine/options.ts";
import type { Link, Rendezvous, RendezvousEvents } from "../../src/engine/ports.ts";
import { parsePresentation, serialisePresentation, type Presentation } from "../../src/core/content/presentation.ts";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { Layout } from "../../src/core/content/layout.ts";
import { memoryPair } from "../../src/link/memory.ts";
import { startOrigin, type Origin } from "../../src/node/origin.ts";
import { publish } from "../../src/node/publish/publish.ts";
import { systemClock, systemRandom32, webDigest } from "../../src/engine/system.ts";
import { Eviction } from "../../src/store/eviction.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { bytes, folder, media } from "../node/hls.ts";
import { afterEach } from "vitest";

const SEGMENTS = 6;
const SEGMENT_BYTES = 100_000;

/** Engines that meet in memory, around one real HTTP origin with one rendition of six segments. */
export class Village {
  readonly folder: string;
  readonly presentation: Presentation;
  readonly origin: Origin;
  readonly links: Link[] = [];
  readonly #members: { id: string; events: RendezvousEvents; banned: Set<string> }[] = [];
  readonly #engines: Engine[] = [];

  private constructor(root: string, presentation: Presentation, origin: Origin) {
    this.folder = root;
    this.presentation = presentation;
    this.origin = origin;
  }

  static async open(addressing: ChunkAddressing = ChunkAddressing.chunk32): Promise<Village> {
    const names = Array.from({ length: SEGMENTS }, (_, i) => `${i}.m4s`);
    const root = folder({
      "index.m3u8": media('#EXT-X-MAP:URI="init.mp4"', ...names.flatMap((name) => ["#EXTINF:4,", name])),
      "init.mp4": bytes(700, 99),
      ...Object.fromEntries(names.map((name, i) => [name, bytes(SEGMENT_BYTES + i, i)])),
    });
    const signal = new AbortController().signal;
    const options = { chunkSize: 16_384, hash: HashCode.sha256, addressing, trackers: [], signal };
    const { presentation } = await publish({ input: root, ...options });
    const village = new Village(root, presentation, await startOrigin({ root, port: 0 }));
    open.push(village);
    return village;
  }

  /** One film as one file, which nothing but its bytes says anything of. */
  static async film(length: number): Promise<Village> {
    const film = Buffer.concat([Buffer.from("\0\0\0\x18ftypisom"), bytes(length - 12, 1)]);
    const root = folder({ "film.mp4": film });
    const signal = new AbortController().signal;
    const options = { chunkSize: 16_384, hash: HashCode.sha256, trackers: [], signal };
    const { presentation } = await publish({ input: join(root, "film.mp4"), ...options });
    const village = new Village(root, presentation, await startOrigin({ root, port: 0 }));
    open.push(village);
    return village;
  }

  /** What file `index` of the presentation must be. */
  published(index: number): Buffer {
    return index === 0 ? bytes(700, 99) : bytes(SEGMENT_BYTES + index - 1, index - 1);
  }

  /** A viewer; `meets: false` leaves it without a way to meet others. */
  viewer(id: string, overrides: Partial<EngineOptions> & { meets?: boolean } = {}): Engine {
    const { meets = true, ...options } = overrides;
    const engine = new Engine({
      presentation: parsePresentation(JSON.parse(serialisePresentation(this.presentation))),
      baseUrl: `${this.origin.url}ppsp.json`,
      store: new MemoryStore(),
      eviction: new Eviction(this.presentation, new Layout(this.presentation)),
      memoryLimit: 2 ** 28,
      strict: false,
      upload: true,
      clock: systemClock,
      digest: webDigest,
      random32: systemRandom32,
      fetch: (input, init) => fetch(input, init),
      rendezvous: meets ? this.rendezvous(id) : undefined,
      ...options,
    });
    this.#engines.push(engine);
    return engine;
  }

  /** Everybody who joins is linked to everybody who is there. */
  rendezvous(id: string): Rendezvous {
    return {
      join: (_swarm, events) => {
        const member = { id, events, banned: new Set<string>() };
        const others = [...this.#members];
        this.#members.push(member);
        queueMicrotask(() => {
          events.state(others.length === 0 ? "alone" : "joined");
          for (const other of others) {
            const [mine, theirs] = memoryPair({ ids: [id, other.id] });
            this.links.push(mine, theirs);
            events.link(mine, true);
            other.events.link(theirs, false);
          }
        });
        return {
          peerId: id,
          leave: () => void this.#members.splice(this.#members.indexOf(member), 1),
          ban: (other) => void member.banned.add(other),
        };
      },
    };
  }

  async close(): Promise<void> {
    for (const engine of this.#engines) engine.close();
    await this.origin.close();
  }
}

const open: Village[] = [];
afterEach(async () => {
  for (const village of open.splice(0)) await village.close();
});

/** All bytes of a file, as the player would get them with `slackMs` of time. */
export async function play(engine: Engine, file: number, slackMs: number, url?: string): Promise<Buffer> {
  const deadline = performance.now() + slackMs;
  const parts: Uint8Array[] = [];
  for await (const piece of engine.fetch(file, { deadline: () => deadline, ...(url !== undefined && { url }) }))
    parts.push(piece.bytes.slice());
  return Buffer.concat(parts);
}
