import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { HashCode } from "../../src/core/codec/messages.ts";
import { check } from "../../src/node/check/command.ts";
import { readTarget } from "../../src/node/check/source.ts";
import { publish } from "../../src/node/publish/publish.ts";
import { capture, expectRefusal } from "./command.ts";
import { bytes, folder, hls, media } from "./hls.ts";

const { signal } = new AbortController();
const closers: (() => Promise<void>)[] = [];
afterEach(async () => void (await Promise.all(closers.splice(0).map((close) => close()))));

/** How a server may differ from a good one. */
interface Faults {
  readonly status?: (path: string) => number | undefined;
  readonly ranges?: false | "wrong";
  readonly cors?: false;
  readonly expose?: false;
  readonly preflight?: false;
  readonly types?: Readonly<Record<string, string>>;
  readonly tracker?: number;
}

const TYPES: Readonly<Record<string, string>> = {
  m3u8: "application/vnd.apple.mpegurl",
  ts: "video/mp2t",
  m4s: "video/mp4",
  mp4: "video/mp4",
  vtt: "text/vtt",
  json: "application/json",
};

async function serve(root: string, faults: Faults = {}): Promise<string> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(new URL(request.url!, "http://x").pathname).slice(1);
    if (faults.cors !== false) response.setHeader("access-control-allow-origin", "*");
    if (faults.expose !== false) response.setHeader("access-control-expose-headers", "Content-Length, Content-Range");
    if (path === "tracker")
      return void response.writeHead(request.method === "POST" ? (faults.tracker ?? 403) : 404).end();
    if (request.method === "OPTIONS") {
      if (faults.preflight !== false) response.setHeader("access-control-allow-headers", "Range");
      return void response.writeHead(204).end();
    }
    const status = faults.status?.(path);
    if (status !== undefined) return void response.writeHead(status).end("trouble");
    const content = readFileSync(join(root, path));
    const extension = path.slice(path.lastIndexOf(".") + 1);
    const type = faults.types?.[extension] ?? TYPES[extension];
    if (type !== undefined) response.setHeader("content-type", type);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    if (first === undefined || faults.ranges === false) return void response.end(content);
    const shift = faults.ranges === "wrong" ? 1 : 0;
    response.setHeader("content-range", `bytes ${Number(first) + shift}-${last}/${content.length}`);
    response.writeHead(206).end(content.subarray(Number(first), Number(last) + 1));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closers.push(
    () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** A published presentation. */
async function published(trackers: readonly string[] = []): Promise<string> {
  const input = folder(hls());
  await publish({ input, chunkSize: 512, hash: HashCode.sha256, trackers, signal });
  return input;
}

async function findings(target: string): Promise<{ lines: string[]; bad: string[] }> {
  const lines: string[] = [];
  const { failed } = await check(await readTarget(target, signal), signal, (line) => lines.push(line));
  const bad = lines.filter((line) => !line.startsWith("ok   "));
  expect(bad.filter((line) => line.startsWith("FAIL ")).length).toBe(failed);
  return { lines, bad };
}

describe("ppsp check of a folder", () => {
  it("finds nothing wrong in what was just published", async () => {
    const input = await published();
    for (const target of [input, join(input, "ppsp.json"), join(input, "master.m3u8")]) {
      const { lines, bad } = await findings(target);
      expect(bad).toEqual(["warn trackers: none: peers meet only if the page names one"]);
      expect(lines).toContain("ok   files: 9 of 9 match the root");
      expect(lines).toContain("ok   720.m3u8: 2 entries, all in the presentation");
      expect(lines).toContain("ok   master.m3u8: names ppsp.json");
      expect(lines).toContain("ok   master.m3u8: names the 4 renditions of the presentation");
    }
  });

  it("names the file and chunk that differ, missing, shorter and longer files", async () => {
    const input = await published();
    const segment = bytes(3000, 2);
    segment[600]! ^= 1;
    writeFileSync(join(input, "a b.ts"), segment);
    rmSync(join(input, "seg2.ts"));
    writeFileSync(join(input, "audio/1.m4s"), bytes(599, 5));
    writeFileSync(join(input, "audio/init.mp4"), bytes(51, 4));
    const { bad } = await findings(input);
    expect(bad.filter((line) => line.startsWith("FAIL")).toSorted()).toEqual([
      "FAIL a%20b.ts: chunk 11 (byte 512 of the file) does not match the root: publish again, or restore the file",
      "FAIL audio/1.m4s: 599 bytes instead of 600",
      "FAIL audio/init.mp4: longer than its 50 bytes",
      "FAIL seg2.ts: does not exist",
    ]);
  });

  it("notices a hash tree that is missing, cut, or wrong anywhere", async () => {
    const input = await published();
    const path = join(input, "ppsp.mhash");
    const good = readFileSync(path);
    const failed = async (): Promise<string[]> => (await findings(input)).bad.filter((line) => line.startsWith("FAIL"));
    rmSync(path);
    expect(await failed()).toEqual(["FAIL ppsp.mhash: does not exist"]);
    writeFileSync(path, good.subarray(1));
    expect(await failed()).toEqual([`FAIL ppsp.mhash: ${good.length - 1} bytes instead of ${good.length}`]);
    writeFileSync(path, Buffer.concat([good, good]));
    expect(await failed()).toEqual([`FAIL ppsp.mhash: more than ${good.length} bytes`]);
    for (const [at, message] of [
      [0, "FAIL ppsp.mhash: its header or upper layers do not fit its chunk hashes"],
      [20, "FAIL ppsp.mhash: its header or upper layers do not fit its chunk hashes"],
      [good.length - 1, "FAIL ppsp.mhash: its chunk hashes do not give the root in ppsp.json"],
    ] as const) {
      const spoilt = Buffer.from(good);
      spoilt[at]! ^= 1;
      writeFileSync(path, spoilt);
      expect(await failed()).toEqual([message]);
    }
    // Without a tree the files can still be told right or wrong, all together.
    writeFileSync(join(input, "seg2.ts"), bytes(1024, 9));
    expect(await failed()).toContain("FAIL files: together they do not give the root");
  });

  it("notices playlists that changed, and metadata that is missing or broken", async () => {
    const input = await published();
    writeFileSync(join(input, "new.ts"), bytes(100, 1));
    const playlist = readFileSync(join(input, "720.m3u8"), "utf8");
    writeFileSync(join(input, "720.m3u8"), playlist.replace("./seg2.ts", "new.ts"));
    rmSync(join(input, "subs/en.m3u8"));
    expect((await findings(input)).bad).toEqual([
      'FAIL 720.m3u8:9: "new.ts" is not in the presentation: publish again',
      "FAIL subs/en.m3u8: does not exist",
      "warn trackers: none: peers meet only if the page names one",
    ]);
    writeFileSync(join(input, "ppsp.json"), '{"version":2}');
    expect((await findings(input)).bad).toEqual(["FAIL ppsp.json: version: 2 instead of 1"]);
    writeFileSync(join(input, "ppsp.json"), "{");
    expect((await findings(input)).bad).toEqual([expect.stringMatching(/^FAIL ppsp\.json: .*JSON/)]);
    rmSync(join(input, "ppsp.json"));
    expect((await findings(input)).bad).toEqual(["FAIL ppsp.json: does not exist: run ppsp publish"]);
    writeFileSync(join(input, "master.m3u8"), "#EXTM3U\n");
    expect((await findings(join(input, "master.m3u8"))).bad).toEqual([
      "FAIL master.m3u8: names no ppsp.json: run ppsp publish, or name the master playlist that does",
    ]);
  });

  it("notices a master playlist that is gone, or does not name ppsp.json", async () => {
    const input = await published();
    const path = join(input, "master.m3u8");
    const good = readFileSync(path, "utf8");
    const bad = async (target = input): Promise<string[]> =>
      (await findings(target)).bad.filter((line) => !line.startsWith("warn trackers"));
    writeFileSync(path, good.replace(/#EXT-X-SESSION-DATA.*\n/, ""));
    expect(await bad()).toEqual([
      "FAIL master.m3u8: names no ppsp.json: run ppsp publish, or name the master playlist that does",
    ]);
    writeFileSync(path, good.replace('URI="ppsp.json"', 'URI="other.json"'));
    expect(await bad()).toEqual(["FAIL master.m3u8: names other.json instead of ppsp.json"]);
    writeFileSync(path, "\n<!doctype html>");
    const page = "is a page instead of a playlist";
    expect(await bad()).toEqual([expect.stringContaining(`warn master.m3u8: ${page}: the master playlist is not`)]);
    expect(await bad(path)).toEqual([`FAIL master.m3u8: ${page}`]);
    renameSync(path, join(input, "film.m3u8"));
    expect(await bad()).toEqual([
      "warn master.m3u8: does not exist: the master playlist is not checked, name it instead of its folder",
    ]);
    writeFileSync(join(input, "film.m3u8"), good);
    expect(await bad(join(input, "film.m3u8"))).toEqual([]);
    expect(await bad(join(input, "720.m3u8"))).toEqual([
      "FAIL 720.m3u8: is a media playlist: name the master playlist",
    ]);
  });

  it("notices a master playlist that names other renditions than ppsp.json", async () => {
    const input = await published();
    const path = join(input, "master.m3u8");
    const good = readFileSync(path, "utf8");
    writeFileSync(path, good.replace("video/360.m3u8", "video/no.m3u8"));
    for (const target of [input, path]) {
      expect((await findings(target)).bad.filter((line) => line.startsWith("FAIL"))).toEqual([
        'FAIL master.m3u8:9: "video/no.m3u8" is not in the presentation: publish again',
        'FAIL master.m3u8: does not name "video/360.m3u8" of the presentation: publish again',
      ]);
    }
    writeFileSync(path, good.replace("video/360.m3u8", "../360.m3u8"));
    expect((await findings(input)).bad).toContainEqual(
      expect.stringMatching(/^FAIL playlist: master\.m3u8:9: "\.\.\/360\.m3u8" is outside the folder/),
    );
  });

  it("takes the master playlist that publish made of a media playlist, and no single file's for lost", async () => {
    const input = folder({ "v.m3u8": media("#EXTINF:2,", "1.ts"), "1.ts": bytes(1000, 1) });
    await publish({ input, chunkSize: 512, hash: HashCode.sha256, trackers: [], signal });
    const film = folder({ "a.mp4": "\0\0\0\x18ftypisom" });
    await publish({ input: join(film, "a.mp4"), chunkSize: 512, hash: HashCode.sha256, trackers: [], signal });
    for (const target of [input, film])
      expect((await findings(target)).bad).toEqual(["warn trackers: none: peers meet only if the page names one"]);
  });
});

describe("ppsp check of a single file", () => {
  it("takes the ppsp.json beside it, which must have it", async () => {
    const input = folder({ "a film.mp4": "\0\0\0\x18ftypisom", "other.webm": "" });
    await publish({ input: join(input, "a film.mp4"), chunkSize: 512, hash: HashCode.sha256, trackers: [], signal });
    const base = await serve(input);
    for (const target of [join(input, "a film.mp4"), `${base}a%20film.mp4`]) {
      const { lines, bad } = await findings(target);
      expect(lines).toContain("ok   files: 1 of 1 match the root");
      expect(bad).toEqual(["warn trackers: none: peers meet only if the page names one"]);
    }
    for (const target of [join(input, "other.webm"), `${base}other.webm`])
      expect((await findings(target)).bad).toContain("FAIL other.webm: is not in ppsp.json: run ppsp publish");
  });
});

describe("ppsp check of a URL", () => {
  it("finds nothing wrong with a good server", async () => {
    const input = await published();
    const base = await serve(input);
    await publish({ input, chunkSize: 512, hash: HashCode.sha256, trackers: [`${base}tracker`], signal });
    for (const name of ["", "ppsp.json", "master.m3u8?token=1"]) {
      const { lines, bad } = await findings(base + name);
      expect(bad).toEqual([]);
      for (const line of [
        "ok   files: 9 of 9 match the root",
        "ok   CORS: pages of other origins may read everything",
        "ok   Range: answered with 206 and the right bytes",
        "ok   CORS preflight: Range is allowed",
        `ok   tracker ${base}tracker: answers (403)`,
      ]) {
        expect(lines).toContain(line);
      }
    }
  });

  it.each<[string, Faults, RegExp[]]>([
    [
      "missing files",
      { status: (path) => (path === "seg2.ts" ? 404 : undefined) },
      [/^FAIL seg2\.ts: answers 404 instead of 200$/],
    ],
    [
      "no master playlist where most have theirs",
      { status: (path) => (path === "master.m3u8" ? 404 : undefined) },
      [/^warn master\.m3u8: answers 404 instead of 200: the master playlist is not checked, name it/],
    ],
    [
      "no CORS headers",
      { cors: false },
      [/^FAIL [^:]+: no Access-Control-Allow-Origin/, /^warn CORS preflight: refused/],
    ],
    ["no ranges", { ranges: false }, [/^FAIL [^:]+: answers 200 instead of 206/]],
    [
      "wrong ranges",
      { ranges: "wrong" },
      [/^FAIL [^:]+: Range bytes=\d+-\d+ brings 1 byte\(s\) and Content-Range "bytes/],
    ],
    [
      "hidden Content-Range",
      { expose: false },
      [/^warn [^:]+: Access-Control-Expose-Headers does not name Content-Range/],
    ],
    ["a refused preflight", { preflight: false }, [/^warn CORS preflight: refused for Range/]],
    [
      "an odd media type",
      { types: { ts: "text/plain" } },
      [/^warn a%20b\.ts: is served as text\/plain: some players refuse it/],
    ],
    ["a page for every file", { types: { vtt: "text/html" } }, [/^FAIL subs\/en\.vtt: is served as text\/html/]],
    ["a tracker that is none", { tracker: 405 }, [/^FAIL tracker .*: answers 405 to a report, as no tracker does/]],
    ["a web server in its place", { tracker: 404 }, [/^FAIL tracker .*: answers 404 to a report/]],
  ])("notices %s", async (_, faults, expected) => {
    const input = await published();
    const base = await serve(input, faults);
    await publish({ input, chunkSize: 512, hash: HashCode.sha256, trackers: [`${base}tracker`], signal });
    const { bad } = await findings(base);
    for (const line of bad)
      expect(
        expected.some((pattern) => pattern.test(line)),
        line,
      ).toBe(true);
    for (const pattern of expected)
      expect(
        bad.some((line) => pattern.test(line)),
        String(pattern),
      ).toBe(true);
  });

  it("notices a server and a tracker that do not answer", async () => {
    const gone = await serve(folder());
    await closers.pop()!();
    expect((await findings(gone)).bad).toEqual(["FAIL ppsp.json: no answer: ECONNREFUSED"]);
    const base = await serve(await published([`${gone}tracker`]));
    expect((await findings(base)).bad).toEqual([`FAIL tracker ${gone}tracker: no answer: ECONNREFUSED`]);
  });
});

describe("ppsp check", () => {
  it("gives exit code 0, 1 or 2", async () => {
    const input = await published();
    expect(await capture(["check", input])).toMatchObject({ code: 0, stderr: "" });
    rmSync(join(input, "seg2.ts"));
    expect(await capture(["check", input])).toMatchObject({ code: 1, stderr: "" });
    await expectRefusal(["check", join(input, "nothing")], /nothing: does not exist/);
    await expectRefusal(["check", "http://:x/"], /not a URL/);
    await expectRefusal(["check", "ftp://x/y"], /ftp:\/\/x\/y: wants an http\(s\) URL or a folder$/m);
    await expectRefusal(["check"], /wants one URL or DIR/);
    await expectRefusal(["check", input, "--what"], /Unknown option '--what'/);
  });
});
