import { mkdtemp, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { type Origin, startOrigin } from "../../bench/browser/origin.ts";

const BYTES = 100_000;
/** 200,000 bytes a second. */
const LINE = { kbit: 1600, delayMs: 20 };

let folder: string;
let origin: Origin | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ppsp-bench-"));
  await writeFile(join(folder, "film.m4s"), new Uint8Array(BYTES));
  await writeFile(join(folder, "index.m3u8"), "#EXTM3U\n");
});

afterEach(async () => {
  await origin?.close();
  origin = undefined;
});

/** Asks as a viewer; resolves with the bytes and the time, ms. `most`: goes away after so many. */
function ask(viewer: number, path: string, most = Infinity): Promise<{ bytes: number; ms: number }> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { Host: `v${viewer}.localhost` };
    const request = get({ host: "127.0.0.1", port: origin!.port, path, headers, agent: false }, (response) => {
      let bytes = 0;
      const done = (): void => resolve({ bytes, ms: performance.now() - began });
      response.on("data", (piece: Buffer) => {
        bytes += piece.length;
        if (bytes >= most) request.destroy();
      });
      response.on("close", done);
    });
    request.on("error", (error) => (most === Infinity ? reject(error) : undefined));
  });
}

test("all responses to one viewer share a line, and another viewer has one of his own", async () => {
  origin = await startOrigin({ media: folder }, LINE);
  const answers = await Promise.all([ask(0, "/media/film.m4s"), ask(0, "/media/film.m4s"), ask(1, "/media/film.m4s")]);
  expect(answers.map(({ bytes }) => bytes)).toEqual([BYTES, BYTES, BYTES]);
  const [first, second, other] = answers.map(({ ms }) => ms);
  // 200,000 bytes through one line take a second, 100,000 half of it.
  expect(first).toBeGreaterThan(850);
  expect(second).toBeGreaterThan(850);
  expect(other).toBeGreaterThan(400);
  expect(other).toBeLessThan(Math.min(first!, second!));
});

test("the log has what was written of an aborted response, and no playlists", async () => {
  origin = await startOrigin({ media: folder }, LINE);
  await ask(0, "/media/index.m3u8");
  await ask(0, "/media/film.m4s", 20_000);
  expect(origin.log).toHaveLength(1);
  const [{ viewer, length, bytes }] = origin.log as [(typeof origin.log)[0]];
  expect({ viewer, length }).toEqual({ viewer: 0, length: BYTES });
  expect(bytes).toBeGreaterThanOrEqual(20_000);
  expect(bytes).toBeLessThan(BYTES);
});
