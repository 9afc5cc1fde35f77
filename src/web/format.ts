/** Bytes for people: decimal units, three digits at most. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

/** A share of 1 as whole percent; what is not quite all, or not quite nothing, never looks so. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.01) return "<\u202f1\u202f%";
  return `${share < 1 ? Math.min(99, Math.round(share * 100)) : 100}\u202f%`;
}

/** `1 viewer`, `2 viewers`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Milliseconds for people. */
export function formatDuration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
