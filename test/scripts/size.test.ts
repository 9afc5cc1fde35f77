import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { check, weigh } from "../../scripts/size.mjs";

/** A folder of scripts that gzip cannot make smaller, with as many bytes as given. */
function folderOf(sizes: Readonly<Record<string, number>>) {
  const folder = mkdtempSync(join(tmpdir(), "ppsp-size-"));
  const weights: Record<string, number> = {};
  for (const [name, bytes] of Object.entries(sizes)) {
    const content = randomBytes(bytes);
    writeFileSync(join(folder, name), content);
    weights[name] = gzipSync(content, { level: 9 }).length;
  }
  return { folder, weights };
}

test("what a script loads later counts, hls.js apart, and other scripts do not", () => {
  const { folder, weights } = folderOf({
    "player.js": 3000,
    "player.js.map": 9000,
    "player-codec.js": 500,
    "player-hls.js": 7000,
    "player2.js": 100,
    "engine.js": 100,
  });
  expect(weigh(folder, "player")).toEqual({
    entry: weights["player.js"],
    later: weights["player-codec.js"],
    hls: weights["player-hls.js"],
  });
});

test("a byte over the budget fails; the worker uses it up, hls.js and what is loaded on demand do not", () => {
  const { folder } = folderOf({
    "player.js": 3000,
    "player-codec.js": 500,
    "player-hls.js": 7000,
    "ppsp-worker.js": 2000,
    "ppsp-worker-xml.js": 300,
  });
  const entry = weigh(folder, "player").entry + weigh(folder, "ppsp-worker").entry;
  const limit = { script: "player", title: "it" };
  expect(check(folder, [{ ...limit, most: entry }]).exceeded).toEqual([]);
  expect(check(folder, [{ ...limit, most: entry - 1 }]).exceeded).toEqual([
    `player.js and its worker are 1 bytes over their budget of ${entry - 1}.`,
  ]);
});

test.each(['import{a}from"./player-b.js";a()', 'a();import"./player-b.js"', 'export*from"./player-b.js"'])(
  "bytes cannot hide in a file that the script loads at the start: %s",
  (code) => {
    const { folder } = folderOf({});
    writeFileSync(join(folder, "player.js"), code);
    expect(() => weigh(folder, "player")).toThrow(/at the start/);
    writeFileSync(join(folder, "player.js"), 'let a=()=>import("./player-b.js");export{a}');
    expect(weigh(folder, "player").entry).toBeGreaterThan(0);
  },
);

test("a script that was not built is an error, not a script of no weight", () => {
  expect(() => check(folderOf({ "other.js": 10 }).folder)).toThrow(/missing/);
});
