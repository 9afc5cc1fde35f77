/** Bars with whiskers as SVG, readable on light and dark pages. */
import { three } from "../report.ts";
import type { Column, Results } from "./results.ts";

const WIDTH = 760;
const LEFT = 130;
const RIGHT = 150;
const BAR = 16;
const GAP = 8;
const HEAD = 44;

const escape = (text: string): string => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** One block of bars for each column, one bar for each system: the median, with a line from the least to the most. */
export function chart(results: Results, columns: readonly Column[]): string {
  const parts: string[] = [];
  let top = 8;
  for (const { key, title, unit, times = 1 } of columns) {
    const rows = results.systems.flatMap((system) => {
      const found = results.spread(system, key);
      return found === undefined ? [] : [{ system, ...found }];
    });
    const most = Math.max(...rows.map((row) => row.most), 0) || 1;
    const x = (value: number): number => Math.round(LEFT + (Math.max(0, value) / most) * (WIDTH - LEFT - RIGHT));
    parts.push(`<text x="8" y="${top + 20}" class="title">${escape(title)}</text>`);
    let y = top + HEAD - 8;
    for (const { system, value, least, most: highest } of rows) {
      const middle = y + BAR / 2;
      parts.push(
        `<text x="${LEFT - 8}" y="${middle + 4}" text-anchor="end">${system}</text>`,
        `<rect x="${LEFT}" y="${y}" width="${Math.max(1, x(value) - LEFT)}" height="${BAR}"${system === "ppsp" ? ' class="ours"' : ""}/>`,
        `<path d="M${x(least)} ${middle}H${x(highest)}"/>`,
        `<text x="${x(highest) + 8}" y="${middle + 4}">${three(value * times)} ${escape(unit)}</text>`,
      );
      y += BAR + GAP;
    }
    top = y + GAP;
  }
  const style =
    "text{font:13px sans-serif;fill:#777}.title{font-weight:bold}rect{fill:#999}.ours{fill:#2a7de1}path{stroke:#555;stroke-width:2}";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}"><style>${style}</style>\n${parts.join("\n")}\n</svg>\n`;
}
