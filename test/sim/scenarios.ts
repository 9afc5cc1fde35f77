import { HashCode } from "../../src/core/codec/messages.ts";
import type { SwarmOptions } from "../../src/core/swarm/swarm.ts";
import { mayAccept } from "../../src/link/neighbourhood.ts";
import { KnownChunks, makeContent, seeded } from "./content.ts";
import { Simulator, type Line, type Weather } from "./simulator.ts";
import { Viewer, type Cause, type Film, type Origin } from "./viewer.ts";

/** A made-up audience. */
export interface Scenario {
  readonly about: string;
  /** Viewers come evenly over this time, ms. */
  readonly arrivalMs: number;
  readonly weather: Pick<Weather, "jitter" | "loss" | "duplication">;
  /** Share of the viewers whose uplink is `SLOW_UPLINK`. */
  readonly slow: number;
  /** Uplink of every viewer, Mbit/s. @defaultValue 0.5 to 20, mean 5 */
  readonly uplink?: number;
  /** Share of the viewers that leave before the film ends, each at some moment; half of them without a word. */
  readonly leaving: number;
}

const CALM = { jitter: 5, loss: 0, duplication: 0 };
/** Pages of one machine, as in `npm run bench -- swarm`: what a page can send at most, Mbit/s, is far more than a line at home. */
const PAGES: Omit<Scenario, "about"> = {
  arrivalMs: 18_000,
  weather: { jitter: 1, loss: 0, duplication: 0 },
  slow: 0,
  leaving: 0,
  uplink: 160,
};

/** What `npm run sim` knows. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "vod-staggered": {
    about: "viewers come one after the other over a minute, each to the film's beginning",
    arrivalMs: 60_000,
    weather: CALM,
    slow: 0,
    leaving: 0,
  },
  "flash-crowd": {
    about: "everybody comes within five seconds",
    arrivalMs: 5_000,
    weather: CALM,
    slow: 0,
    leaving: 0,
  },
  "slow-peers": {
    about: "every third viewer has an uplink of 128 kbit/s, and serves nevertheless",
    arrivalMs: 60_000,
    weather: CALM,
    slow: 1 / 3,
    leaving: 0,
  },
  churn: {
    about: "half of the viewers leave before the end, half of these without a word",
    arrivalMs: 60_000,
    weather: CALM,
    slow: 0,
    leaving: 0.5,
  },
  audience: {
    about: "the target: over a minute, and a fifth of those who are there leave in each minute",
    arrivalMs: 60_000,
    weather: CALM,
    slow: 0,
    leaving: 0.2,
  },
  pages: { ...PAGES, about: "pages on one machine within 18 s: six are 3 s apart" },
  "pages-at-once": { ...PAGES, about: "the same, all at the same moment", arrivalMs: 200 },
  "pages-uplink": { ...PAGES, about: "within 18 s, each with an uplink of 3 Mbit/s", uplink: 3 },
  lossy: {
    about: "every line loses 3 % of the datagrams, delays others by up to 60 ms and repeats a few",
    arrivalMs: 60_000,
    weather: { jitter: 60, loss: 0.03, duplication: 0.01 },
    slow: 0,
    leaving: 0,
  },
};

/** What is watched: by default 60 s of 2.5 Mbit/s in chunks of 16 KiB, as in the targets. */
export interface FilmSize {
  readonly seconds: number;
  readonly mbits: number;
  readonly chunkSize: number;
}

/** The film of the targets. */
export const FILM: FilmSize = { seconds: 60, mbits: 2.5, chunkSize: 16_384 };

const SEGMENT_MS = 4_000;
/** 8 Mbit/s and 50 ms to each viewer, as at home. */
const ORIGIN: Origin = { rate: 8 * 125, latency: 50 };
/** From a viewer's start to the tracker's answer, and from there to an open link: signals, ICE and DTLS, ms. */
const CONNECT_MS = 150;
const LINK_MS = 150;
/** Uplinks, Mbit/s, by quantile, straight lines between: 0.5 to 20, mean 5. */
const UPLINKS: readonly (readonly [quantile: number, mbits: number])[] = [
  [0, 0.5],
  [0.25, 1.5],
  [0.5, 3.5],
  [0.75, 6.5],
  [0.95, 13.8],
  [1, 20],
];
const SLOW_UPLINK = 0.128;
/** Steps of this share of a circle visit it evenly, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;
/** Bytes per ms of 1 Mbit/s. */
const MBIT = 125;
/** A line receives at least this, Mbit/s, and four times what it sends. */
const LEAST_DOWNLINK = 16;
/** Neighbours that a newcomer asks for, and that anybody asks for at most: `maxNeighbours` of src/link/rendezvous.ts. */
const FIRST_NEIGHBOURS = 5;
const MAX_NEIGHBOURS = 8;
/** A viewer with fewer neighbours asks for others, this often, ms. */
const FEW_NEIGHBOURS = 4;
const TRACKER_MS = 5_000;
/** A neighbour that fell silent is noticed by its link after this, ms. */
const SILENCE_MS = 5_000;
/** Largest datagram, bytes: less than any browser's. */
const MAX_DATAGRAM = 65_536;
/** Who knows of others waits for links so long (src/engine/engine.ts). */
const SEARCH_MS = 2_500;

/** What came of a scenario. All of it but `wall` follows from scenario, peers and seed. */
export interface Report {
  readonly scenario: string;
  readonly peers: number;
  readonly seed: number;
  /** Viewers that have the whole film; those that left are counted in `left` alone. */
  readonly completed: number;
  readonly left: number;
  /** Percent of the content that came from peers. */
  readonly offload: number;
  /** What came from the origin, by its cause, in percent of the content. */
  readonly origin: Readonly<Record<Cause, number>>;
  /** Percent of the chunks that were there when their time had come. */
  readonly deadlinesMet: number;
  readonly stalls: number;
  /** Viewers that never stalled. */
  readonly smooth: number;
  /** From joining to the first picture, ms. */
  readonly startup: { readonly median: number; readonly p95: number };
  /** Bytes that are not content, in percent of the content that peers sent. */
  readonly controlBytes: number;
  /** Content that peers sent and nobody needed, in percent of what they sent: repeats, and what was lost. */
  readonly wasted: number;
  /** A viewer's own, on average and at most. */
  readonly work: {
    readonly inputs: number;
    readonly mostInputs: number;
    readonly datagrams: number;
    readonly mostDatagrams: number;
  };
  /** Peers whose dealings ended with a refusal: none of these is a liar. */
  readonly rejected: number;
  readonly virtualSeconds: number;
  readonly events: number;
  /** Of this machine: what the clock says, and the processor's time, which others on the machine disturb less. */
  readonly wall: {
    readonly seconds: number;
    readonly processorSeconds: number;
    readonly millisecondsPerViewer: number;
    readonly microsecondsPerInput: number;
    /** Most that the process has held at a time. */
    readonly megabytes: number;
  };
}

/** Somebody's neighbour, and whether it was the one who asked. */
interface Neighbour {
  readonly viewer: Viewer;
  readonly accepted: boolean;
}

/** The audience of one run. */
class Audience {
  readonly viewers: Viewer[] = [];
  readonly #net: Simulator;
  readonly #film: Film;
  /** Links that lose nothing are data channels. */
  readonly #reliable: boolean;
  readonly #known: KnownChunks;
  readonly #options: SwarmOptions;
  /** Who can be found through the tracker. */
  readonly #roster: Viewer[] = [];
  readonly #neighbours = new Map<string, Map<string, Neighbour>>();

  constructor(net: Simulator, film: Film, reliable: boolean) {
    this.#net = net;
    this.#reliable = reliable;
    this.#film = film;
    this.#known = new KnownChunks(film.content);
    this.#options = { ...film.content.options, hash: this.#known.hash, tree: () => this.#known.tree() };
  }

  /** A new viewer, with its first neighbours. */
  join(line: Line): Viewer {
    const peer = this.#net.join(`viewer${this.viewers.length}`, this.#options, line);
    peer.known = this.#known;
    const viewer = new Viewer(peer, this.#film, ORIGIN);
    this.#neighbours.set(peer.id, new Map());
    this.viewers.push(viewer);
    this.#net.at(this.#net.now + CONNECT_MS, () => {
      if (viewer.gone) return;
      viewer.expecting = this.#roster.length > 0;
      this.#roster.push(viewer);
      viewer.viewers = this.#roster.length;
      this.#introduce(viewer, FIRST_NEIGHBOURS);
      this.#net.at(this.#net.now + SEARCH_MS, () => (viewer.expecting = false));
    });
    this.#net.at(this.#net.now + TRACKER_MS, () => this.#tend(viewer));
    return viewer;
  }

  /** Ends a viewer, with a word to its neighbours or without. */
  leave(viewer: Viewer, silently: boolean): void {
    const { peer } = viewer;
    viewer.leave();
    if (!silently) peer.step({ type: "close" });
    // What it has sent is still on its way; nothing reaches it any more.
    this.#net.leave(peer);
    const place = this.#roster.indexOf(viewer);
    if (place >= 0) this.#roster.splice(place, 1);
    const neighbours = this.#neighbours.get(peer.id)!;
    this.#net.at(this.#net.now + (silently ? SILENCE_MS : 0), () => {
      for (const { viewer: other } of neighbours.values()) {
        this.#neighbours.get(other.peer.id)?.delete(peer.id);
        if (!other.gone) other.peer.step({ type: "unlink", link: peer.id });
      }
    });
  }

  #tend(viewer: Viewer): void {
    if (viewer.through) return;
    const { size } = this.#neighbours.get(viewer.peer.id)!;
    viewer.viewers = Math.max(1, this.#roster.length);
    if (size < FEW_NEIGHBOURS) this.#introduce(viewer, FIRST_NEIGHBOURS - size);
    this.#net.at(this.#net.now + TRACKER_MS, () => this.#tend(viewer));
  }

  /** Links a viewer to so many others, chosen by chance, as far as they have room. */
  #introduce(viewer: Viewer, count: number): void {
    const own = this.#neighbours.get(viewer.peer.id)!;
    for (let tries = 4 * count; tries > 0 && count > 0; tries--) {
      const other = this.#roster[Math.floor(this.#net.random() * this.#roster.length)];
      if (other === undefined || other === viewer || own.has(other.peer.id)) continue;
      const theirs = this.#neighbours.get(other.peer.id)!;
      if (own.size >= MAX_NEIGHBOURS || !this.#takes(other, theirs)) continue;
      own.set(other.peer.id, { viewer: other, accepted: false });
      theirs.set(viewer.peer.id, { viewer, accepted: true });
      this.#net.at(this.#net.now + LINK_MS, () => {
        if (!viewer.gone && !other.gone) this.#net.connect(viewer.peer, other.peer, MAX_DATAGRAM, this.#reliable);
      });
      count--;
    }
  }

  /** Whether a viewer takes one more neighbour. */
  #takes({ peer }: Viewer, neighbours: ReadonlyMap<string, Neighbour>): boolean {
    const accepted = [...neighbours.values()].filter((neighbour) => neighbour.accepted).length;
    return mayAccept(MAX_NEIGHBOURS, neighbours.size, accepted, peer.swarm.uplink.hasSpare(this.#net.now));
  }
}

function uplink(random: number): number {
  const upper = UPLINKS.findIndex(([quantile]) => quantile >= random);
  const [to, high] = UPLINKS[Math.max(1, upper)]!;
  const [from, low] = UPLINKS[Math.max(1, upper) - 1]!;
  return low + ((high - low) * (random - from)) / (to - from);
}

function makeFilm({ seconds, mbits, chunkSize }: FilmSize, seed: number): Film {
  const length = seconds * mbits * 125_000;
  const content = makeContent(length, chunkSize, seeded(seed), HashCode.sha256);
  const perSegment = (SEGMENT_MS * mbits * MBIT) / chunkSize;
  const last = content.chunks.length - 1;
  const segments = Array.from({ length: Math.ceil((seconds * 1000) / SEGMENT_MS) }, (_, i) => ({
    start: Math.ceil(i * perSegment),
    end: Math.min(Math.ceil((i + 1) * perSegment) - 1, last),
  }));
  return { content, segments, segmentMs: SEGMENT_MS };
}

/** Told at every event how far a run is: who has come so far, and the time on the virtual clock, ms. */
export type Watch = (viewers: readonly Viewer[], now: number) => void;

/** Plays a scenario with so many viewers, each of whom watches the whole film unless it leaves. */
export function play(name: string, peers: number, seed: number, size = FILM, watch?: Watch): Report {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) throw new RangeError(`no scenario ${name}`);
  const film = makeFilm(size, seed);
  const began = performance.now();
  const processor = process.cpuUsage();
  const net = new Simulator(seed, { delay: 0, uplink: Infinity, ...scenario.weather }, false);
  const audience = new Audience(net, film, scenario.weather.loss === 0);
  let pending = peers;
  // Evenly spread over the quantiles, so that a small audience has the uplinks of a large one.
  const first = net.random();
  for (let i = 0; i < peers; i++) {
    net.at((i * scenario.arrivalMs) / peers, () => {
      pending--;
      const up = net.random() < scenario.slow ? SLOW_UPLINK : (scenario.uplink ?? uplink((first + i * GOLDEN) % 1));
      const down = Math.max(LEAST_DOWNLINK, 4 * up);
      const viewer = audience.join({
        uplink: up * MBIT,
        downlink: down * MBIT,
        delay: scenario.uplink === undefined ? 5 + 20 * net.random() : 0.5,
      });
      if (net.random() >= scenario.leaving) return;
      const silently = net.random() < 0.5;
      net.at(net.now + net.random() * size.seconds * 1000, () => {
        if (!viewer.finished) audience.leave(viewer, silently);
      });
    });
  }
  let done = 0;
  const over = (): boolean => {
    watch?.(audience.viewers, net.now);
    while (done < audience.viewers.length) {
      if (!audience.viewers[done]!.through) return false;
      done++;
    }
    return pending === 0;
  };
  net.run(over, scenario.arrivalMs + 10 * size.seconds * 1000);
  const { user, system } = process.cpuUsage(processor);
  const ms = { clock: performance.now() - began, processor: (user + system) / 1000 };
  return report({ scenario: name, peers, seed }, audience, net, ms);
}

function report(
  run: Pick<Report, "scenario" | "peers" | "seed">,
  { viewers }: Audience,
  net: Simulator,
  ms: { readonly clock: number; readonly processor: number },
): Report {
  const sum = (of: (viewer: Viewer) => number): number => viewers.reduce((total, viewer) => total + of(viewer), 0);
  const most = (of: (viewer: Viewer) => number): number =>
    viewers.reduce((top, viewer) => Math.max(top, of(viewer)), 0);
  const percent = (part: number, whole: number): number => (whole === 0 ? 0 : round((100 * part) / whole));
  const fromPeers = sum(({ watched }) => watched.fromPeers);
  const all = fromPeers + sum(({ watched }) => watched.fromOrigin);
  const share = (cause: Cause): number =>
    percent(
      sum(({ watched }) => watched.why[cause]),
      all,
    );
  const content = sum(({ peer }) => peer.work.content);
  const inputs = sum(({ peer }) => peer.work.inputs);
  const startups = viewers.flatMap(({ watched }) => watched.startup ?? []).toSorted((a, b) => a - b);
  const at = (quantile: number): number => round(startups[Math.floor(quantile * (startups.length - 1))] ?? 0);
  return {
    ...run,
    completed: viewers.filter(({ gone, complete }) => !gone && complete).length,
    left: viewers.filter(({ gone }) => gone).length,
    offload: percent(fromPeers, all),
    origin: {
      first: share("first"),
      alone: share("alone"),
      lot: share("lot"),
      slow: share("slow"),
      choked: share("choked"),
      nobody: share("nobody"),
      cut: share("cut"),
    },
    deadlinesMet: percent(
      sum(({ watched }) => watched.met),
      sum(({ watched }) => watched.due),
    ),
    stalls: sum(({ watched }) => watched.stalls),
    smooth: viewers.filter(({ watched }) => watched.stalls === 0).length,
    startup: { median: at(0.5), p95: at(0.95) },
    controlBytes: percent(sum(({ peer }) => peer.work.bytes) - content, content),
    wasted: percent(content - fromPeers, content),
    work: {
      inputs: Math.round(inputs / viewers.length),
      mostInputs: most(({ peer }) => peer.work.inputs),
      datagrams: Math.round(sum(({ peer }) => peer.work.datagrams) / viewers.length),
      mostDatagrams: most(({ peer }) => peer.work.datagrams),
    },
    rejected: sum(({ rejected }) => rejected),
    virtualSeconds: round(net.now / 1000),
    events: net.events,
    wall: {
      seconds: round(ms.clock / 1000),
      processorSeconds: round(ms.processor / 1000),
      millisecondsPerViewer: round(ms.processor / viewers.length),
      microsecondsPerInput: round((ms.processor * 1000) / inputs),
      megabytes: round(process.resourceUsage().maxRSS / 1024),
    },
  };
}

const round = (value: number): number => Math.round(value * 100) / 100;
