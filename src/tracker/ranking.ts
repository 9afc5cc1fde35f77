import { NAT_ABILITIES, type PeerMode, type PeerNum, type PeerProperties, type StreamStatistics } from "./messages.ts";
import type { Place } from "./place.ts";

/** What the ranking looks at in a member. */
export interface Candidate {
  readonly peerId: string;
  readonly peerMode: PeerMode;
  /** Join time, milliseconds since 1970: the tracker's own, nobody's claim. */
  readonly since: number;
  readonly stat?: StreamStatistics;
  readonly properties?: PeerProperties;
  readonly place?: Place;
  /** Whether it registered as one that is met at a relay only. */
  readonly relayOnly?: boolean;
  /** Whether it has authenticated as a super-node. */
  readonly superNode?: boolean;
}

/** Who asks, and for what. */
export interface Requester {
  readonly peerId: string;
  /** Attributes of PeerNum (Table 2). */
  readonly wishes?: Omit<PeerNum, "count"> | undefined;
  /** Chunk at its playhead. */
  readonly position?: number | undefined;
  readonly place?: Place | undefined;
}

/** What the ranking needs beside candidates and asker, so that it stays a pure function. */
export interface RankingWorld {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Numbers in [0, 1). */
  random(): number;
  /** Cost between two places, 0 to 1, by an ALTO cost map (RFC 7285). */
  cost?(from: Place, to: Place): number | undefined;
}

/**
 * What each trait of a peer counts. Every trait is a number from 0 to 1, so a lie about one gains at most its weight. A
 * trait about which nothing is known counts a quarter to a half: those who say nothing are neither first nor shut out.
 */
export const WEIGHTS = {
  /** Has the chunks after the asker's playhead: whoever lacks them gives nothing for now. */
  content: 4,
  /** Reported upload bandwidth: what the swarm is short of. */
  bandwidth: 3,
  /** Same network or country, or low cost: faster, and cheaper for operators. */
  proximity: 2,
  /** Can be reached directly: a link that does not come about costs 15 s. */
  nat: 2,
  /** Has been here for long: it will probably stay (peer lifetimes are heavy-tailed). */
  onlineTime: 1,
  /** Cable before radio that others pay by the byte. */
  access: 1,
  /** Mains before battery. */
  power: 0.5,
  /** Chance: equals take turns, and no liar is first in every list. */
  chance: 1.5,
} as const;

/** How much more a trait counts that PeerNum asks for. */
const WISHED = 2;
/** Chunks after the playhead that count: 4 MiB at 16 KiB, about 10 s of a good video. */
const WINDOW = 256;
/** Upload bandwidth from which more is no better, bit/s: it feeds several viewers. */
const BANDWIDTH_FULL = 16_000_000;
/** Bandwidth is seen on a logarithmic scale that begins to rise here, bit/s. */
const BANDWIDTH_UNIT = 250_000;
const FULL_SCALE = Math.log2(1 + BANDWIDTH_FULL / BANDWIDTH_UNIT);
/** Online time from which more is no better, ms: half an episode. */
const ONLINE_FULL_MS = 1_800_000;

/** Members drawn at random for each place in the list, of which the best are listed. */
const SAMPLE_FACTOR = 4;
/** Part of a list that is left to chance, so that networks and cliques do not become islands. */
const CHANCE_PART = 1 / 4;
/** Most super-nodes in a list, and drawn for each of them. */
const MAX_SUPER_NODES = 4;

/**
 * How many members to draw at random for a list of `count`: four for each place. The list then comes from the best
 * quarter of the swarm, whatever its size, for the same work; more would send everybody to the same few, and fewer would
 * be chance alone.
 */
export const sampleSize = (count: number): number => count * SAMPLE_FACTOR;

/** How many super-nodes to offer in a list of `count`: at most half of it, so that peers still find each other. */
export const superNodeShare = (count: number): number => Math.min(MAX_SUPER_NODES, Math.ceil(count / 2));

/** How many super-nodes to draw at random; of these the local ones are offered. */
export const superNodeSample = (count: number): number => superNodeShare(count) * SAMPLE_FACTOR;

/**
 * The peer list: at most `count` of `candidates`, best first; never the asker, nobody twice. `candidates` are in random
 * order. Super-nodes come first, nearest of them foremost; a quarter of the rest are taken as they come.
 */
export function rank<T extends Candidate>(
  candidates: readonly T[],
  asker: Requester,
  count: number,
  world: RankingWorld,
): T[] {
  // Names are compared of those that are taken only: in a large swarm each of them is far away in memory.
  const distinct = candidates.some(({ superNode }) => superNode === true)
    ? [...new Map(candidates.map((candidate) => [candidate.peerId, candidate])).values()]
    : candidates;
  const list: T[] = [];
  const taken = new Set([asker.peerId]);
  const take = (candidate: T): void => {
    if (taken.has(candidate.peerId)) return;
    taken.add(candidate.peerId);
    list.push(candidate);
  };
  /** Takes those with the highest scores; with few places, looking for each costs less than sorting. */
  const takeBest = (from: readonly T[], scores: number[], most: number): void => {
    while (list.length < most) {
      let best = -1;
      let highest = -Infinity;
      for (let at = 0; at < scores.length; at += 1) {
        if (scores[at]! > highest) highest = scores[(best = at)]!;
      }
      if (best < 0) return;
      scores[best] = -Infinity;
      take(from[best]!);
    }
  };
  const superNodes = distinct.filter(({ superNode }) => superNode === true);
  const nearness = superNodes.map((candidate) => proximity(candidate, asker, world) + world.random() / 100);
  takeBest(superNodes, nearness, superNodeShare(count));
  const others = superNodes.length === 0 ? distinct : distinct.filter(({ superNode }) => superNode !== true);
  const scores = others.map((candidate) => scoreOf(candidate, asker, world));
  takeBest(others, scores, count - Math.floor((count - list.length) * CHANCE_PART));
  for (const candidate of others) if (list.length < count) take(candidate);
  return list;
}

/** What a candidate is worth to the asker, by {@link WEIGHTS}; chance included. */
export function scoreOf(candidate: Candidate, asker: Requester, world: RankingWorld): number {
  const { wishes = {} } = asker;
  const wished = (wish: string | undefined): number => (wish === "HIGH" ? WISHED : 1);
  // Nobody reports how many links it can hold: who has cable and mains holds many.
  const links = wishes.concurrentLinks === "LOW" ? 0 : wished(wishes.concurrentLinks);
  return (
    WEIGHTS.content * content(candidate, asker) +
    WEIGHTS.bandwidth * wished(wishes.uploadBWlevel) * bandwidth(candidate) +
    WEIGHTS.proximity * proximity(candidate, asker, world) +
    WEIGHTS.nat * nat(candidate, wishes.abilityNAT) +
    WEIGHTS.onlineTime * wished(wishes.onlineTime) * online(candidate, world.now) +
    WEIGHTS.access * links * access(candidate) +
    WEIGHTS.power * links * power(candidate) +
    WEIGHTS.chance * world.random()
  );
}

/** Whether a peer can be reached through a relay only, so that its own address is of no use and nobody's business. */
export const isRelayOnly = ({ relayOnly, properties }: Pick<Candidate, "relayOnly" | "properties">): boolean =>
  relayOnly === true || properties?.nat === "TURN" || properties?.nat === "PROXY";

/** Part of the chunks after the asker's playhead that the candidate says it has. */
function content({ peerMode, properties }: Candidate, { position }: Requester): number {
  if (peerMode === "SEED") return 1;
  const [map] = properties?.contentMap ?? [];
  if (map === undefined || position === undefined) return 0.5;
  const last = position + WINDOW - 1;
  let chunks = 0;
  for (const [start, end] of map.ranges) chunks += Math.max(0, Math.min(end, last) - Math.max(start, position) + 1);
  return Math.min(1, chunks / WINDOW);
}

function bandwidth({ stat }: Candidate): number {
  const bits = stat?.availBandwidth;
  // 0 means that the peer has not measured it yet.
  if (bits === undefined || !(bits > 0)) return 0.25;
  return Math.min(1, Math.log2(1 + bits / BANDWIDTH_UNIT) / FULL_SCALE);
}

function proximity({ place }: Candidate, asker: Requester, world: RankingWorld): number {
  if (place === undefined || asker.place === undefined) return 0.25;
  const cost = world.cost?.(asker.place, place);
  if (cost !== undefined) return 1 - cost;
  if (place.asn !== undefined && place.asn === asker.place.asn) return 1;
  if (place.country === undefined || asker.place.country === undefined) return 0.25;
  return place.country === asker.place.country ? 0.5 : 0;
}

function nat({ relayOnly, properties }: Candidate, wish: PeerNum["abilityNAT"]): number {
  const reported = properties?.nat ?? (relayOnly === true ? "TURN" : undefined);
  if (reported === undefined) return 0.4;
  // Best first.
  const ability = NAT_ABILITIES.indexOf(reported);
  if (wish !== undefined) return ability <= NAT_ABILITIES.indexOf(wish) ? 1 : 0;
  return 1 - ability / (NAT_ABILITIES.length - 1);
}

const online = ({ since }: Candidate, now: number): number => Math.min(1, Math.max(0, now - since) / ONLINE_FULL_MS);

function access({ properties }: Candidate): number {
  if (properties?.access === undefined) return 0.5;
  if (properties.access === "ethernet") return 1;
  return properties.access === "wifi" ? 0.8 : 0;
}

function power({ properties }: Candidate): number {
  if (properties?.power === undefined) return 0.5;
  return properties.power === "mains" ? 1 : 0;
}
