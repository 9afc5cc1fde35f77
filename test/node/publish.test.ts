import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { PassThrough } from "node:stream";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it, vi } from "vitest";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { Layout } from "../../src/core/content/layout.ts";
import { parsePresentation, type Presentation } from "../../src/core/content/presentation.ts";
import { parseSwarmUrl } from "../../src/core/content/url.ts";
import { hashFunction, sameHash } from "../../src/core/integrity/hashes.ts";
import { leavesRange, parseMhash, readHashes } from "../../src/core/integrity/mhash.ts";
import { Verifier } from "../../src/core/integrity/verifier.ts";
import { publish, type PublishOptions } from "../../src/node/publish/publish.ts";
import { Progress } from "../../src/node/publish/progress.ts";
import { capture } from "./command.ts";
import { bytes, folder, hls, media, tree } from "./hls.ts";

const schema = new Ajv2020({ strictTypes: false }).compile(
  JSON.parse(readFileSync(new URL("../../docs/ppsp.schema.json", import.meta.url), "utf8")) as object,
);

const run = (input: string, options: Partial<PublishOptions> = {}): ReturnType<typeof publish> =>
  publish({
    input,
    chunkSize: 512,
    hash: HashCode.sha256,
    trackers: [],
    signal: new AbortController().signal,
    ...options,
  });

/** Reads what was published, as a viewer would, and checks every byte of it against the root. */
function expectPublished(path: string): Presentation {
  const json: unknown = JSON.parse(readFileSync(join(path, "ppsp.json"), "utf8"));
  expect(schema(json), JSON.stringify(schema.errors)).toBe(true);
  const presentation = parsePresentation(json);
  const { swarm } = presentation;
  const mhash = readFileSync(join(path, presentation.hashes));
  const header = parseMhash(mhash);
  const hash = hashFunction(swarm.hash);
  const verifier = new Verifier({ root: swarm.id, hash, chunkCount: swarm.chunkCount });
  expect(verifier.verifyPeaks(header.peaks)).toBe(true);
  const layout = new Layout(presentation);
  presentation.files.forEach((file, index) => {
    const content = readFileSync(join(path, decodeURIComponent(file.uri)));
    const own = content.subarray(file.offset ?? 0, (file.offset ?? 0) + file.length);
    expect(own.length).toBe(file.length);
    if (file.offset === undefined) expect(content.length).toBe(file.length);
    const chunks = layout.fileChunks(index);
    const leaves = readHashes(mhash, leavesRange(header, chunks), swarm.hash);
    leaves.forEach((leaf, i) => {
      const { offset, length } = layout.locate(chunks.start + i);
      expect(sameHash(leaf, hash.digest(own.subarray(offset, offset + length)))).toBe(true);
    });
  });
  const all = readHashes(mhash, leavesRange(header, { start: 0, end: swarm.chunkCount - 1 }), swarm.hash);
  expect(verifier.verifyLeaves(0, all)).toBe("verified");
  return presentation;
}

describe("ppsp publish", () => {
  it("publishes fMP4, TS, byte ranges, separate audio and subtitles in place, in playlist order", async () => {
    const input = folder(hls());
    const before = tree(input);
    const { written } = await run(input, { trackers: ["https://tracker.example/"] });
    expect(written.map((path) => relative(input, path))).toEqual(["ppsp.json", "ppsp.mhash", "master.m3u8"]);
    const presentation = expectPublished(input);
    expect(presentation.files).toEqual([
      { uri: "video/360.mp4", offset: 0, length: 700, rendition: 0 },
      { uri: "video/360.mp4", offset: 700, length: 2000, duration: 4, rendition: 0 },
      { uri: "video/360.mp4", offset: 2700, length: 1500, duration: 4, rendition: 0 },
      { uri: "video/360.mp4", offset: 4200, length: 100, duration: 1.5, rendition: 0 },
      { uri: "a%20b.ts", length: 3000, duration: 4, rendition: 1 },
      { uri: "seg2.ts", length: 1024, duration: 4, rendition: 1 },
      { uri: "audio/init.mp4", length: 50, rendition: 2 },
      { uri: "audio/1.m4s", length: 600, duration: 4, rendition: 2 },
      { uri: "subs/en.vtt", length: 38, duration: 8, rendition: 3 },
    ]);
    expect(presentation.renditions).toEqual([
      { type: "video", uri: "video/360.m3u8", bandwidth: 800_000, name: "360p" },
      { type: "video", uri: "720.m3u8", bandwidth: 2_400_000, name: "720p" },
      { type: "audio", uri: "audio/index.m3u8", name: "Stereo, main" },
      { type: "subtitles", uri: "subs/en.m3u8", name: "English" },
    ]);
    expect(presentation.trackers).toEqual([["https://tracker.example/"]]);
    const after = tree(input);
    const tag = '#EXT-X-SESSION-DATA:DATA-ID="org.ppsp.presentation",URI="ppsp.json"\n';
    expect(after["master.m3u8"]).toBe(
      before["master.m3u8"]!.replace("INDEPENDENT-SEGMENTS\n", `INDEPENDENT-SEGMENTS\n${tag}`),
    );
    for (const [name, content] of Object.entries(before)) if (name !== "master.m3u8") expect(after[name]).toBe(content);
    expect(Object.keys(after)).toHaveLength(Object.keys(before).length + 2);
  });

  it("does the same again on a second run, and keeps what was set by hand", async () => {
    const input = folder(hls());
    await run(input, { trackers: ["https://tracker.example/"] });
    const first = tree(input);
    await run(join(input, "master.m3u8"));
    expect(tree(input)).toEqual(first);
    const byHand = { iceServers: [{ urls: "stun:stun.example" }], policy: { p2p: false } };
    const json = JSON.parse(readFileSync(join(input, "ppsp.json"), "utf8")) as object;
    writeFileSync(join(input, "ppsp.json"), JSON.stringify({ ...json, ...byHand }));
    await run(input, { trackers: ["https://other.example/"] });
    expect(expectPublished(input)).toMatchObject({ ...byHand, trackers: [["https://other.example/"]] });
  });

  it("keeps line ends, and replaces an older tag", async () => {
    const tree = hls();
    const master = String(tree["master.m3u8"]);
    const old = '#EXT-X-SESSION-DATA:URI="old.json",DATA-ID="org.ppsp.presentation"\n';
    const input = folder({ ...tree, "master.m3u8": (master + old).replaceAll("\n", "\r\n") });
    await run(input);
    const amended = readFileSync(join(input, "master.m3u8"), "utf8");
    expect(amended.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
    expect(amended.match(/org\.ppsp\.presentation/g)).toHaveLength(1);
    expect(amended).toContain('URI="ppsp.json"');
  });

  it("writes a complete presentation to --out, again and again, and leaves the input alone", async () => {
    const input = folder(hls());
    const before = tree(input);
    const out = join(folder(), "deep", "out");
    await run(input, { out });
    expectPublished(out);
    expect(tree(input)).toEqual(before);
    expect(Object.keys(tree(out)).toSorted()).toEqual([...Object.keys(before), "ppsp.json", "ppsp.mhash"].toSorted());
    expect(statSync(join(out, "seg2.ts")).ino).toBe(statSync(join(input, "seg2.ts")).ino);
    expect(statSync(join(out, "master.m3u8")).ino).not.toBe(statSync(join(input, "master.m3u8")).ino);
    const first = tree(out);
    await run(input, { out });
    expect(tree(out)).toEqual(first);
  });

  it("takes playlists of I-frames and other data along to --out, but not into the swarm", async () => {
    const { "master.m3u8": master, ...rest } = hls();
    const input = folder({
      ...rest,
      "master.m3u8": [
        String(master).trimEnd(),
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i/frames.m3u8"',
        '#EXT-X-SESSION-DATA:DATA-ID="com.example.lyrics",URI="lyrics.json"',
        '#EXT-X-SESSION-DATA:DATA-ID="com.example.title",VALUE="Title, or not"',
        "",
      ].join("\n"),
      "i/frames.m3u8": media("#EXT-X-I-FRAMES-ONLY", "#EXTINF:4,", "#EXT-X-BYTERANGE:10@0", "frames.ts"),
      "i/frames.ts": bytes(10, 6),
      "lyrics.json": "{}",
    });
    const out = join(folder(), "out");
    await run(input, { out });
    expect(Object.keys(tree(out)).toSorted()).toEqual(
      [...Object.keys(tree(input)), "ppsp.json", "ppsp.mhash"].toSorted(),
    );
    expect(expectPublished(out).files).toHaveLength(9);
    await run(out);
    const again = join(folder(), "again");
    await run(out, { out: again });
    expect(tree(again)).toEqual(tree(out));
  });

  it("writes a master playlist for a lone media playlist, and finds it again", async () => {
    const input = folder({
      "v.m3u8": media("#EXTINF:2,", "1.ts", "#EXTINF:4,", "2.ts"),
      "1.ts": bytes(1000, 1),
      "2.ts": bytes(1000, 2),
    });
    await run(join(input, "v.m3u8"));
    expect(expectPublished(input).renditions).toEqual([{ type: "video", uri: "v.m3u8", bandwidth: 4000 }]);
    expect(readFileSync(join(input, "master.m3u8"), "utf8")).toBe(
      '#EXTM3U\n#EXT-X-SESSION-DATA:DATA-ID="org.ppsp.presentation",URI="ppsp.json"\n#EXT-X-STREAM-INF:BANDWIDTH=4000\nv.m3u8\n',
    );
    const first = tree(input);
    await run(input);
    await run(join(input, "v.m3u8"));
    expect(tree(input)).toEqual(first);
  });

  it.each<[string, Buffer]>([
    ["film (1).mp4", Buffer.concat([Buffer.from("\0\0\0\x18ftypisom"), bytes(1_200_000, 1)])],
    ["film.webm", Buffer.concat([Buffer.of(0x1a, 0x45, 0xdf, 0xa3), bytes(70_000, 1)])],
  ])("publishes %s with every hash function and chunk size", async (name, content) => {
    const input = folder({ [name]: content });
    for (const hash of Object.values(HashCode)) {
      await run(join(input, name), { hash, chunkSize: 65_536 });
      expect(expectPublished(input)).toMatchObject({ renditions: [], swarm: { hash, chunkSize: 65_536 } });
    }
    await run(join(input, name), { chunkSize: 16_384 });
    expect(expectPublished(input).files).toEqual([{ uri: name.replace(" ", "%20"), length: content.length }]);
  });

  it("leaves nothing behind when it is interrupted", async () => {
    const input = folder(hls());
    const before = tree(input);
    const reason = new Error("interrupted");
    const out = join(folder(), "out");
    await expect(run(input, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(run(input, { signal: AbortSignal.abort(reason), out })).rejects.toBe(reason);
    expect(tree(input)).toEqual(before);
    expect(existsSync(out)).toBe(false);
  });

  it("leaves alone what others have put beside it meanwhile when it ends without a result", async () => {
    const site = join(folder(), "site");
    const other = join(site, "other");
    const reason = new Error("no grant");
    const grant = (): Promise<string> => {
      mkdirSync(other);
      writeFileSync(join(other, "ppsp.json"), "{}");
      return Promise.reject(reason);
    };
    await expect(run(folder(hls()), { out: join(site, "new", "film"), grant })).rejects.toBe(reason);
    expect(existsSync(join(site, "new"))).toBe(false);
    expect(readFileSync(join(other, "ppsp.json"), "utf8")).toBe("{}");
  });

  it("writes to --out the files that symbolic links lead to", async () => {
    const { "seg2.ts": segment, ...rest } = hls();
    const [store, input] = [folder({ "seg2.ts": segment! }), folder(rest)];
    symlinkSync(relative(input, join(store, "seg2.ts")), join(input, "seg2.ts"));
    const out = join(folder(), "deep", "er", "out");
    await run(input, { out });
    expect(readFileSync(join(out, "seg2.ts"))).toEqual(readFileSync(join(store, "seg2.ts")));
    expectPublished(out);
  });

  it("prints one JSON object with --json, and no progress where there is no terminal", async () => {
    const input = folder(hls());
    const { code, stdout, stderr } = await capture(["publish", input, "--json", "--chunk-size", "1024"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { swarm } = expectPublished(input);
    expect(JSON.parse(stdout)).toEqual({
      swarmId: Buffer.from(swarm.id).toString("hex"),
      files: 9,
      chunks: swarm.chunkCount,
      bytes: 9012,
      url: `ppsp:${Buffer.from(swarm.id).toString("hex")}?chunk-size=variable&chunks=${swarm.chunkCount}`,
      presentation: join(input, "ppsp.json"),
      hashes: join(input, "ppsp.mhash"),
      playlist: join(input, "master.m3u8"),
    });
  });

  it("prints a ppsp: URL, and with --base one that a player can play", async () => {
    const base = "https://media.example/my%20film";
    const options = ["--json", "--base", base, "--tracker", "https://t/", "--addressing", "byte64", "--hash", "sha1"];
    const input = folder(hls());
    const { stdout } = await capture(["publish", input, ...options]);
    expect(parseSwarmUrl((JSON.parse(stdout) as { url: string }).url)).toEqual({
      ...expectPublished(input).swarm,
      chunkSize: "variable",
      addressing: ChunkAddressing.byte64,
      trackers: ["https://t/"],
      peers: [],
      src: `${base}/master.m3u8`,
    });
    const mp4 = join(folder({ "a b.mp4": Buffer.from("0000ftypisom") }), "a b.mp4");
    const single = await capture(["publish", mp4, "--json", "--base", `${base}/`]);
    expect(parseSwarmUrl((JSON.parse(single.stdout) as { url: string }).url)).toMatchObject({
      chunkSize: 16_384,
      chunkCount: 1,
      src: `${base}/a%20b.mp4`,
      presentation: `${base}/ppsp.json`,
    });
    expect((await capture(["publish", mp4])).stdout).toMatch(/^url +ppsp:[0-9a-f]{64}\?chunk-size=16384&chunks=1$/m);
  });

  it("says what to check next: the master playlist, where there is one", async () => {
    const tree = hls();
    const input = folder({ ...tree, "master.m3u8": "", "a film.m3u8": tree["master.m3u8"]! });
    const { stdout } = await capture(["publish", join(input, "a film.m3u8")]);
    expect(stdout).toMatch(/^next .*: npx ppsp check URL\/a%20film\.m3u8$/m);
    const mp4 = join(folder({ "a.mp4": Buffer.from("0000ftypisom") }), "a.mp4");
    const single = await capture(["publish", mp4]);
    expect(single.stdout).toMatch(/^next .*: npx ppsp check URL$/m);
    // The element does not share such a file.
    expect(single.stdout).toMatch(/^note .* plays a single file over HTTP only/m);
    expect(stdout).not.toMatch(/^note/m);
  });
});

describe("a signature", () => {
  const signature = async (...args: string[]): Promise<{ text: string | undefined; json: unknown }> => {
    const { stdout } = await capture(["publish", ...args]);
    const again = await capture(["publish", ...args, "--json"]);
    return {
      text: /^signed +(.*)$/m.exec(stdout)?.[1],
      json: (JSON.parse(again.stdout) as { signature?: string }).signature,
    };
  };
  const dropped = "no longer: the content, chunk size or hash has changed, publish again with --key FILE";

  it("that goes with other content, or with another chunk size, does not go silently", async () => {
    const input = folder(hls());
    const key = join(folder(), "key.pem");
    await capture(["publish", "--new-key", key]);
    expect(await signature(input)).toEqual({ text: undefined, json: undefined });
    expect(await signature(input, "--key", key)).toMatchObject({
      text: expect.stringMatching(/^by /) as string,
      json: "new",
    });
    expect(await signature(input)).toEqual({ text: "as before", json: "kept" });
    const { stdout } = await capture(["publish", input, "--chunk-size", "1024"]);
    expect(stdout).toContain(`signed   ${dropped}\n`);
    await capture(["publish", input, "--key", key]);
    writeFileSync(join(input, "seg2.ts"), bytes(1024, 9));
    expect(JSON.parse((await capture(["publish", input, "--json"])).stdout)).toMatchObject({ signature: "dropped" });
    // Once it is gone there is nothing to be said.
    expect(await signature(input)).toEqual({ text: undefined, json: undefined });
  });

  it("says until when it holds, and when that is over", async () => {
    const input = folder(hls());
    const key = join(folder(), "key.pem");
    await capture(["publish", "--new-key", key]);
    const text = async (...args: string[]) => (await signature(input, ...args)).text;
    expect(await text("--key", key, "--grant-days", "2")).toMatch(/^by 0f[0-9a-f]{64}, until \d{4}-\d\d-\d\d$/);
    expect(await text()).toMatch(/^as before, until \d{4}-\d\d-\d\d$/);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3 * 86_400_000 });
    try {
      expect(await text()).toMatch(/^as before, but only until \d{4}-\d\d-\d\d: publish again with --key FILE$/);
      const { stdout } = await capture(["publish", input, "--json"]);
      expect(Date.parse((JSON.parse(stdout) as { signedUntil: string }).signedUntil)).toBeLessThan(Date.now());
    } finally {
      vi.useRealTimers();
    }
  });

  it("comes along to --out, and is missed there", async () => {
    const input = folder(hls());
    const key = join(folder(), "key.pem");
    await capture(["publish", "--new-key", key]);
    await capture(["publish", input, "--key", key]);
    const [out, other] = [join(folder(), "out"), join(folder(), "other")];
    expect(await signature(input, "--out", out)).toEqual({ text: "as before", json: "kept" });
    expect(expectPublished(out).grant).toBe(expectPublished(input).grant);
    expect(await signature(input, "--out", other, "--chunk-size", "1024")).toEqual({ text: dropped, json: "dropped" });
    // The neighbour of a signed film was never signed.
    writeFileSync(join(input, "a.mp4"), "0000ftypisom");
    const film = join(folder(), "film");
    expect(await signature(join(input, "a.mp4"), "--out", film)).toEqual({ text: undefined, json: undefined });
  });
});

describe("Progress", () => {
  it("paints a bar on a terminal only, and removes it", () => {
    for (const isTTY of [true, false]) {
      const stream = Object.assign(new PassThrough({ encoding: "utf8" }), { isTTY }) as unknown as NodeJS.WriteStream;
      const progress = new Progress(stream);
      progress.expect(2_000_000);
      progress.advance(500_000);
      progress.clear();
      const painted = stream.read() as string | null;
      if (isTTY) expect(painted).toMatch(/^\r.*█{6}░{18} {2}25 % {2}500 kB {2}.*\/s {2}0:0\d left\r.*$/);
      else expect(painted).toBeNull();
    }
  });
});
