import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startOrigin, type Origin } from "../../src/node/origin.ts";

const content = Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * 31) & 255));
let folder: string;
let origin: Origin;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ppsp-origin-"));
  await writeFile(join(folder, "a.m4s"), content);
  await writeFile(join(folder, "a b.m3u8"), "#EXTM3U\n");
  await writeFile(join(folder, "index.html"), "<p>hello</p>");
  await writeFile(join(folder, "empty.vtt"), "");
  origin = await startOrigin({
    root: folder,
    port: 0,
    paths: { "/again/": folder },
    json: { "/config.json": { a: 1 } },
  });
});

afterAll(async () => {
  await origin.close();
  await rm(folder, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(new URL(path, origin.url), { headers, method });

test("serves whole files with type, length, entity tag and CORS", async () => {
  const response = await get("a.m4s");
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "video/iso.segment",
    "content-length": "40000",
    "accept-ranges": "bytes",
    "access-control-allow-origin": "*",
  });
  expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true);
  expect((await get("a.m4s", { "If-None-Match": response.headers.get("etag") ?? "" })).status).toBe(304);
  expect((await get("a%20b.m3u8")).headers.get("content-type")).toBe("application/vnd.apple.mpegurl");
  expect(await (await get("")).text()).toBe("<p>hello</p>");
  expect(await (await get("again/")).text()).toBe("<p>hello</p>");
  expect(await (await get("config.json?x=1")).json()).toEqual({ a: 1 });
  expect(await (await get("empty.vtt")).text()).toBe("");
});

test.each([
  ["bytes=0-0", 0, 0],
  ["bytes=16384-32767", 16_384, 32_767],
  ["bytes=39990-", 39_990, 39_999],
  ["bytes=-10", 39_990, 39_999],
  ["bytes=39000-99999", 39_000, 39_999],
])("answers the range %s", async (range, start, end) => {
  const response = await get("a.m4s", { Range: range });
  expect(response.status).toBe(206);
  expect(response.headers.get("content-range")).toBe(`bytes ${start}-${end}/40000`);
  expect(Buffer.from(await response.arrayBuffer()).equals(content.subarray(start, end + 1))).toBe(true);
});

test("refuses a range behind the end, and answers the whole when the entity has changed", async () => {
  const response = await get("a.m4s", { Range: "bytes=40000-" });
  expect(response.status).toBe(416);
  expect(response.headers.get("content-range")).toBe("bytes */40000");
  expect((await get("a.m4s", { Range: "bytes=0-9", "If-Range": '"old"' })).status).toBe(200);
});

test("answers preflights, HEAD and nothing else", async () => {
  expect((await get("a.m4s", {}, "OPTIONS")).status).toBe(204);
  const head = await get("a.m4s", {}, "HEAD");
  expect(head.headers.get("content-length")).toBe("40000");
  expect((await get("a.m4s", {}, "POST")).status).toBe(405);
  expect((await get("none.m4s")).status).toBe(404);
});

test.each(["/../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/again/..%2f..%2fetc/passwd", "/%00", "/%", "//", "/again"])(
  "gives nothing away for %s",
  async (path) => {
    const { port } = origin;
    const status = await new Promise((resolve, reject) => {
      request({ port, host: "127.0.0.1", path }, (response) => resolve(response.resume().statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).toBe(404);
  },
);

test("is as slow as asked, for media only", async () => {
  const slow = await startOrigin({ root: folder, port: 0, delayMs: 100, kbit: 800 });
  try {
    const started = performance.now();
    await (await fetch(`${slow.url}a%20b.m3u8`)).text();
    const listed = performance.now();
    expect(listed - started).toBeGreaterThan(99);
    await (await fetch(`${slow.url}a.m4s`)).arrayBuffer();
    expect(performance.now() - listed).toBeGreaterThan(490);
    expect(slow.log.map(({ url, status, bytes }) => ({ url, status, bytes }))).toEqual([
      { url: "/a%20b.m3u8", status: 200, bytes: 8 },
      { url: "/a.m4s", status: 200, bytes: 40_000 },
    ]);
  } finally {
    await slow.close();
  }
});

test("a viewer that goes away and a port that is taken harm nobody", async () => {
  const abort = new AbortController();
  const slow = await startOrigin({ root: folder, port: 0, kbit: 100 });
  const response = await fetch(`${slow.url}a.m4s`, { signal: abort.signal });
  abort.abort();
  await expect(response.arrayBuffer()).rejects.toThrow("aborted");
  expect((await fetch(`${slow.url}index.html`)).status).toBe(200);
  await expect(startOrigin({ root: folder, port: slow.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await slow.close();
});
