let block = new Uint32Array(0);
let at = 0;

/** A number in [0, 1) that nobody can guess; a block of randomness at a time, for lists are drawn with many. */
export function randomNumber(): number {
  if (at === block.length) {
    block = crypto.getRandomValues(new Uint32Array(1024));
    at = 0;
  }
  const value = block[at] ?? 0;
  at += 1;
  return value / 2 ** 32;
}
