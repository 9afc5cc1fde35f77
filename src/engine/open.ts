import { Layout } from "../core/content/layout.ts";
import { parsePresentation, type Presentation } from "../core/content/presentation.ts";
import { presentationMismatch, type SwarmUrl } from "../core/content/url.ts";
import type { Choker } from "../core/swarm/choker.ts";
import type { Picker } from "../core/swarm/picker.ts";
import { readDocument } from "./document.ts";
import { Engine } from "./engine.ts";
import { PlaybackError } from "./errors.ts";
import type { ChunkStore, EvictionPolicy, Rendezvous } from "./ports.ts";
import { systemClock, systemRandom32, webDigest } from "./system.ts";

/** How to open a presentation in a page. */
export interface OpenOptions {
  /** Absolute URL of ppsp.json. */
  readonly presentationUrl: string;
  /** What a `ppsp:` URL says of the swarm: a ppsp.json of another one is refused. */
  readonly promised?: SwarmUrl | undefined;
  readonly store: ChunkStore;
  /** What goes first when memory is short. */
  readonly eviction: (presentation: Presentation, layout: Layout) => EvictionPolicy;
  /** How to meet the other viewers; undefined where there is no way, which leaves HTTP. */
  readonly rendezvous?: (presentation: Presentation) => Rendezvous | undefined;
  /** Most bytes of media in memory. @defaultValue 268435456 (256 MiB): a film must not fill a tab */
  readonly memoryLimit?: number;
  /** Refuse bytes from the origin that do not match the presentation. @defaultValue false: the publisher's own server is not the enemy */
  readonly strict?: boolean;
  /** Give neighbours what they ask for. @defaultValue true; false chokes them, for viewers on lines that are paid by the byte */
  readonly upload?: boolean;
  /** Which chunks to ask of whom. @defaultValue deadlineThenRarest: what plays soon first */
  readonly picker?: Picker;
  /** Which neighbours to serve when many ask. @defaultValue openSlots(): everybody, until there are more than 64 */
  readonly choker?: Choker;
  /** How to ask the origin. @defaultValue the global `fetch` */
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
}

/** Default memory limit, bytes. */
export const MEMORY_LIMIT = 256 * 1024 * 1024;
/** Largest ppsp.json that is read, bytes: a film of ten hours in ten renditions has 12 MB. */
const MAX_PRESENTATION_BYTES = 32 * 1024 * 1024;

/** Reads ppsp.json and starts an engine on the host's own clock, WebCrypto and fetch. @throws PlaybackError, ContentError */
export async function openEngine(options: OpenOptions): Promise<Engine> {
  const { presentationUrl, promised, memoryLimit = MEMORY_LIMIT, strict = false, upload = true } = options;
  const presentation = parsePresentation(await readJson(presentationUrl, options.signal));
  const mismatch = promised && presentationMismatch(promised, presentation);
  if (mismatch !== undefined)
    throw new PlaybackError("presentation", `${presentationUrl} is not what the ppsp: URL names: ${mismatch}`);
  return new Engine({
    presentation,
    baseUrl: presentationUrl,
    store: options.store,
    eviction: options.eviction(presentation, new Layout(presentation)),
    memoryLimit,
    strict,
    upload,
    ...(options.picker && { picker: options.picker }),
    ...(options.choker && { choker: options.choker }),
    clock: systemClock,
    digest: webDigest,
    random32: systemRandom32,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    rendezvous: options.rendezvous?.(presentation),
  });
}

async function readJson(url: string, signal: AbortSignal | undefined): Promise<unknown> {
  const { text } = await readDocument(url, MAX_PRESENTATION_BYTES, signal);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PlaybackError("presentation", `${url} is not JSON`, { cause: error });
  }
}
