/** One object of a swarm: its root, or one of its shards. */
export interface PartName {
  readonly swarmId: string;
  /** Number of the shard from 0; undefined: the root, which is the whole swarm until it has grown. */
  readonly shard?: number;
  /** Shards that the swarm has; 1 before it has grown. */
  readonly shards: number;
}

/** Not a character of any SwarmID, so that no name of a swarm is that of another swarm's shard. */
const SEPARATOR = " ";

/** Name of a shard's object, such as "abcdef 3/16". */
export const shardName = (swarmId: string, shard: number, shards: number): string =>
  `${swarmId}${SEPARATOR}${shard}/${shards}`;

/** What the name of an object says; a name that is no shard's is that of a root. */
export function partOf(name: string): PartName {
  const [, swarmId = "", shard, shards] = /^([^ ]+) (\d{1,2})\/(\d{1,2})$/u.exec(name) ?? [];
  if (shard === undefined || shards === undefined) return { swarmId: name, shards: 1 };
  return { swarmId, shard: Number(shard), shards: Number(shards) };
}

/** Whether this can be the name of a swarm, and not that of a shard. */
export const isSwarmName = (swarmId: string): boolean => !swarmId.includes(SEPARATOR);

/** The shard that a Peer-ID belongs to. */
export const shardOf = (peerId: string, shards: number): number => hashOf(peerId) % shards;

/** FNV-1a in 32 bits, of UTF-16 units: it spreads load, it proves nothing. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  // The low bits of FNV alone are those of the last characters: mixed once more (fmix32 of MurmurHash3).
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
