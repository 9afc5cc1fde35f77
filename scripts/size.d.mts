/** Bytes with gzip: a script, what it may load later, and hls.js. */
export function weigh(folder: string, script: string): { entry: number; later: number; hls: number };
/** The table of sizes, and a line for each budget that is exceeded. */
export function check(
  folder: string,
  limits?: readonly { readonly script: string; readonly title: string; readonly most: number }[],
): { rows: readonly (readonly (string | number)[])[]; exceeded: readonly string[] };
