/** How many times more viewers lots are drawn for than may go early, so that seldom two of them begin together. */
const SPREAD = 4;
/** Whoever knows somebody with a lower number leaves him this much of the time. */
const LEFT = 0.3;

/**
 * A viewer's lot for a block, at most 1: the same each time. At 0 or less it fetches at once, at 1 when time is short.
 *
 * Each has a number for each block, which neighbours know as well. Whoever has the lowest among its neighbours goes first, the others
 * leave it time. Where they are not all there are, several think that they are the lowest: most of those draw
 * late, the earlier the fewer, exponentially (RFC 4654 §2.5.1), since two who begin together both fetch until they hear of each other.
 *
 * `self` and `rivals`: names of this viewer and of its neighbours who may want the block; `viewers`: how many may, oneself included.
 */
export function drawLot(self: string, rivals: readonly string[], viewers: number, block: number): number {
  const own = number(self, block);
  const known = rivals.length + 1;
  const lowest = rivals.every((rival) => number(rival, block) > own);
  // Another number for the same block: the first one is known to be low.
  if (!lowest) return Math.max(LEFT, late(number(self, ~block), SPREAD * viewers));
  return late(number(self, ~block), 1 + SPREAD * (Math.max(1, viewers / known) - 1));
}

/** Most are late: one of `spread` is 0 or less. */
function late(u: number, spread: number): number {
  return spread > 1 ? 1 + Math.log(u) / Math.log(spread) : 0;
}

/** The number of a viewer for a block, above 0 and at most 1, independent of those of others and for other blocks. */
function number(name: string, block: number): number {
  let x = block;
  for (let i = 0; i < name.length; i++) x = Math.imul(x ^ name.charCodeAt(i), 0x01000193);
  // Multiply and xor twice spread it over all bits (murmur3's finaliser).
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (((x ^ (x >>> 16)) >>> 0) + 1) / 2 ** 32;
}
