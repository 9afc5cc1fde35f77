import type { ListedMember } from "../member.ts";
import { sampleSize, superNodeSample } from "../ranking.ts";
import { SampleSet } from "../roster.ts";

/** Members that one object shows the others of each kind. */
const WINDOW = 64;
/** Members of all others together that a shard is shown of each kind. */
const MIX = 256;
/** Super-nodes that one object shows the others, and that it is shown. */
const WINDOW_SUPER_NODES = 16;
const MIX_SUPER_NODES = 64;

/** About how many of them one list takes. */
const LIST_PART = 16;

/** Some members of one object or of several, for the lists of others; plain data, so that it can travel. */
export interface Pool {
  /** How many there are. */
  readonly size: number;
  /** Some of them, drawn at random. */
  readonly members: readonly ListedMember[];
  /** Super-nodes among them, which are offered to everybody. */
  readonly superNodes: readonly ListedMember[];
}

/** What objects show one another: all members, and those that can be signalled. */
export interface Window {
  readonly all: Pool;
  readonly reachable: Pool;
}

/** Members of one object that can be drawn from. */
interface Roster extends Pick<SampleSet<ListedMember>, "size" | "sample" | "has"> {}

/** A window of these members, each as `current` has it. */
export function windowOf(
  all: Roster,
  reachable: Roster,
  superNodes: Roster,
  current: (member: ListedMember) => ListedMember,
): Window {
  const drawn = superNodes.sample(WINDOW_SUPER_NODES, "");
  const pool = (roster: Roster): Pool => ({
    size: roster.size,
    members: roster.sample(WINDOW, "").map((member) => shown(current(member))),
    superNodes: drawn.filter(({ peerId }) => roster.has(peerId)).map((member) => shown(current(member))),
  });
  return { all: pool(all), reachable: pool(reachable) };
}

/** What others need to list a member; its token, its source and its sums stay where they are. */
function shown(member: ListedMember): ListedMember {
  const { peerId, peerMode, address, checked, since, seen, place, relayOnly, superNode, stat, properties } = member;
  const { playback: _, ...ranked } = properties ?? {};
  return {
    peerId,
    peerMode,
    address,
    ...(checked !== undefined && { checked }),
    since,
    seen,
    ...(place !== undefined && { place }),
    ...(relayOnly !== undefined && { relayOnly }),
    ...(superNode !== undefined && { superNode }),
    ...(stat?.availBandwidth !== undefined && { stat: { availBandwidth: stat.availBandwidth } }),
    ...(properties !== undefined && { properties: ranked }),
  };
}

/** Several windows as one, in which every member of any of them is equally likely to be seen. */
export const mixed = (windows: readonly Window[], random: () => number): Window => ({
  all: mixedPool(
    windows.map(({ all }) => all),
    random,
  ),
  reachable: mixedPool(
    windows.map(({ reachable }) => reachable),
    random,
  ),
});

function mixedPool(pools: readonly Pool[], random: () => number): Pool {
  const filled = pools.filter(({ members }) => members.length > 0);
  const size = pools.reduce((sum, pool) => sum + pool.size, 0);
  // The same part of each: as large as the one of which least is shown allows.
  const part = Math.min(MIX / Math.max(1, size), ...filled.map(({ members, size: of }) => members.length / of));
  const members = filled.flatMap((pool) => {
    const count = Math.floor(pool.size * part + random());
    const from = Math.floor(random() * pool.members.length);
    return [...pool.members.slice(from), ...pool.members.slice(0, from)].slice(0, count);
  });
  return { size, members, superNodes: pools.flatMap(({ superNodes }) => superNodes).slice(0, MIX_SUPER_NODES) };
}

/** A window of nobody. */
export const NOBODY: Window = {
  all: { size: 0, members: [], superNodes: [] },
  reachable: { size: 0, members: [], superNodes: [] },
};

/** Members of the same swarm that other objects hold. */
export interface OtherMembers {
  /** How many there are. */
  readonly size: number;
  /** Some of them, each as likely as the next. */
  readonly members: SampleSet<ListedMember>;
  readonly superNodes: SampleSet<ListedMember>;
}

/** What candidates are drawn from. */
interface Draw {
  /** The asker. */
  readonly except: string;
  /** Length of the list. */
  readonly count: number;
  /** Members here. */
  readonly pool: Pick<SampleSet<ListedMember>, "size" | "sample">;
  /** Super-nodes here that were drawn already. */
  readonly superNodes: readonly ListedMember[];
  readonly others: OtherMembers;
  random(this: void): number;
}

/** Candidates for a list from here and from other objects, in the proportion of their sizes and in random order. */
export function mixedCandidates({ except, count, pool, superNodes, others, random }: Draw): ListedMember[] {
  const wanted = sampleSize(count);
  const share = Math.floor((wanted * pool.size) / Math.max(1, pool.size + others.size) + random());
  const elsewhere = Math.min(others.members.size, wanted - Math.min(share, pool.size));
  const drawn = [
    ...superNodes,
    ...others.superNodes.sample(superNodeSample(count), except),
    ...pool.sample(wanted - elsewhere, except),
    ...others.members.sample(elsewhere, except),
  ];
  for (let place = drawn.length - 1; place > 0; place -= 1) {
    const other = Math.floor(random() * (place + 1));
    [drawn[place], drawn[other]] = [drawn[other] as ListedMember, drawn[place] as ListedMember];
  }
  return drawn;
}

/** Whether a member may be offered. */
type Admits = (member: ListedMember) => boolean;

/** The members of other objects, as they were last shown. */
export class Others {
  readonly #random: () => number;
  #window: Window = NOBODY;
  #pools: Record<keyof Window, OtherMembers>;
  #drawn = 0;

  /** @param random - numbers in [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
    this.#pools = this.#open(() => true);
  }

  /** How many there are. */
  get size(): number {
    return this.#window.all.size;
  }

  /** Whether lists were drawn so often that the same members would be offered again and again. */
  get worn(): boolean {
    return this.#drawn > 0 && this.#drawn * LIST_PART >= this.#window.all.members.length;
  }

  /** Those that one list is drawn from. */
  pool(kind: keyof Window): OtherMembers {
    this.#drawn += 1;
    return this.#pools[kind];
  }

  /** Replaces what was shown before. */
  show(window: Window, admits: Admits): void {
    this.#window = window;
    this.#drawn = 0;
    this.admit(admits);
  }

  /** Offers only those whom `admits` lets through. */
  admit(admits: Admits): void {
    this.#pools = this.#open(admits);
  }

  #open(admits: Admits): Record<keyof Window, OtherMembers> {
    const set = (members: readonly ListedMember[]): SampleSet<ListedMember> => {
      const made = new SampleSet<ListedMember>(this.#random);
      for (const member of members) if (admits(member)) made.set(member.peerId, member);
      return made;
    };
    const open = ({ size, members, superNodes }: Pool): OtherMembers => ({
      size,
      members: set(members),
      superNodes: set(superNodes),
    });
    return { all: open(this.#window.all), reachable: open(this.#window.reachable) };
  }
}
