import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { filled, moved, timescales } from "../../bench/browser/boxes.ts";

const sample = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../public/sample/360p/${name}`, import.meta.url)));

/** Types and sizes of the boxes of a file. */
function boxes(bytes: Buffer): [string, number][] {
  const found: [string, number][] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at))
    found.push([bytes.toString("latin1", at + 4, at + 8), bytes.readUInt32BE(at)]);
  return found;
}

/** Where the tracks of a segment begin, ticks. */
const starts = (bytes: Buffer): bigint[] => {
  const found: bigint[] = [];
  for (let at = bytes.indexOf("tfdt"); at > 0; at = bytes.indexOf("tfdt", at + 4))
    found.push(bytes.readBigUInt64BE(at + 8));
  return found;
};

test("a segment moves by the ticks of each of its tracks, and loses the index that would be wrong", () => {
  const scales = timescales(sample("init.mp4"));
  const segment = sample("01.m4s");
  const later = moved(segment, 48, scales);
  expect(boxes(later).map(([type]) => type)).toEqual(["moof", "mdat"]);
  const [before, after] = [starts(segment), starts(later)];
  expect(after).toHaveLength(2);
  expect(after.map((ticks, track) => ticks - before[track]!)).toEqual(
    [...scales.values()].map((scale) => BigInt(48 * scale)),
  );
});

test("a segment is filled up to a length by a box that players skip", () => {
  const segment = moved(sample("01.m4s"), 0, new Map());
  const full = filled(segment, 1_250_000);
  expect(full).toHaveLength(1_250_000);
  expect(full.subarray(0, segment.length).equals(segment)).toBe(true);
  expect(boxes(full).at(-1)).toEqual(["free", 1_250_000 - segment.length]);
  expect(() => filled(segment, segment.length)).toThrow(RangeError);
});
