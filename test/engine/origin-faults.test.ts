import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { play, Village } from "./village.ts";

const FILES = [0, 1, 2, 3, 4, 5, 6];

const urlOf = (input: RequestInfo | URL): URL => new URL(input instanceof Request ? input.url : input);

/** A fetch that answers with this status where `rule` says so, and counts what it was asked for. */
function refusing(rule: (url: URL) => number | undefined): { readonly fetch: typeof fetch; readonly asked: URL[] } {
  const asked: URL[] = [];
  return {
    asked,
    fetch: async (input, init) => {
      const url = urlOf(input);
      asked.push(url);
      const status = rule(url);
      return status === undefined ? fetch(input, init) : new Response("no", { status });
    },
  };
}

test("an origin that refuses is not taken for one that is away: each segment is given up at once, so that others may ask for it", async () => {
  const village = await Village.open();
  const { fetch, asked } = refusing(({ pathname }) => (pathname.endsWith(".m4s") ? 401 : undefined));
  const engine = village.viewer("a", { fetch });
  for (const file of FILES.slice(1)) {
    await expect(play(engine, file, 0)).rejects.toMatchObject({ name: "PlaybackError", code: "http" });
    expect(engine.httpDownUntil).toBe(0);
  }
  expect(asked.filter(({ pathname }) => pathname.endsWith(".m4s"))).toHaveLength(FILES.length - 1);
});

test.each([500, 503, 429])("an origin that answers %i is asked again later", async (status) => {
  const village = await Village.open();
  const { fetch } = refusing(({ pathname }) => (pathname.endsWith(".m4s") ? status : undefined));
  const engine = village.viewer("a", { fetch });
  await expect(play(engine, 1, 0)).rejects.toMatchObject({ code: "http" });
  expect(engine.httpDownUntil).toBeGreaterThan(engine.now());
});

test("hashes that cannot be had cost one warning, and no time", async () => {
  const village = await Village.open();
  const { fetch, asked } = refusing(({ pathname }) => (pathname.endsWith(".mhash") ? 404 : undefined));
  const engine = village.viewer("a", { fetch });
  const warnings: string[] = [];
  engine.on("warning", (text) => warnings.push(text));
  for (const file of FILES) {
    expect((await play(engine, file, 0)).equals(village.published(file))).toBe(true);
    expect(engine.httpDownUntil).toBe(0);
  }
  expect(warnings).toEqual([expect.stringMatching(/cannot be checked and is not shared: .*404/u)]);
  expect(asked.filter(({ pathname }) => pathname.endsWith(".mhash")).length).toBeLessThanOrEqual(2);
});

test.each([
  ["shorter", (bytes: Buffer) => bytes.subarray(0, 90_000)],
  ["longer", (bytes: Buffer) => Buffer.concat([bytes, bytes])],
] as const)("a segment that is %s on the server is left to the player's own loader, and told", async (_, change) => {
  const village = await Village.open();
  const path = join(village.folder, "2.m4s");
  writeFileSync(path, change(readFileSync(path)));
  const engine = village.viewer("a");
  const told: string[] = [];
  engine.on("contentmismatch", ({ file }) => told.push(file));
  await expect(play(engine, 3, 0)).rejects.toMatchObject({ code: "http" });
  expect(told).toEqual(["2.m4s"]);
  expect(engine.httpDownUntil).toBe(0);
  expect((await play(engine, 4, 0)).equals(village.published(4))).toBe(true);
});

test("what is being verified is not asked for again", async () => {
  const village = await Village.open();
  const asked: string[] = [];
  const slow: typeof fetch = async (input, init) => {
    const { pathname } = urlOf(input);
    asked.push(pathname);
    if (pathname.endsWith(".mhash")) await wait(250);
    return fetch(input, init);
  };
  const engine = village.viewer("a", { fetch: slow, strict: true });
  expect((await play(engine, 1, 0)).equals(village.published(1))).toBe(true);
  expect(asked.filter((path) => path === "/0.m4s")).toHaveLength(1);
});

test("bytes of the origin that are not the published ones are refused where the chunk is held, too", async () => {
  const village = await Village.open();
  const engine = village.viewer("a", { strict: true });
  const told: string[] = [];
  engine.on("contentmismatch", ({ file }) => told.push(file));
  await play(engine, 2, 0);
  const { start } = engine.layout.fileChunks(2);
  expect(await engine.fromOrigin(start, new Uint8Array(16_384))).toBe(false);
  expect(told).toEqual(["1.m4s"]);
});

test("a strict viewer takes from a neighbour what is wrong at the origin", async () => {
  const village = await Village.open();
  await play(village.viewer("seeder"), 2, 0);
  writeFileSync(join(village.folder, "1.m4s"), Buffer.from(village.published(2)).fill(0xee, 0, 16_384));
  const engine = village.viewer("a", { strict: true });
  engine.join();
  await vi.waitFor(() => expect(engine.neighbours).toBe(1));
  expect((await play(engine, 2, 0)).equals(village.published(2))).toBe(true);
});
