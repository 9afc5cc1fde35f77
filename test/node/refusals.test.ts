import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { capture, expectRefusal } from "./command.ts";
import { folder, hls, media, tree } from "./hls.ts";

describe("ppsp", () => {
  const bad: [string, Record<string, string | Buffer>, RegExp][] = [
    [
      "a missing segment",
      { "720.m3u8": media("#EXTINF:4,", "a%20b.ts", "#EXTINF:4,", "no.ts") },
      /720\.m3u8:6: "no\.ts": does not exist/,
    ],
    [
      "a missing playlist",
      { "master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nno.m3u8\n" },
      /master\.m3u8:3: playlist "no\.m3u8": does not exist/,
    ],
    ["an empty segment", { "seg2.ts": "" }, /720\.m3u8:9: "\.\/seg2\.ts" is empty/],
    [
      "a live playlist",
      { "720.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg2.ts\n" },
      /720\.m3u8:4: no EXT-X-ENDLIST/,
    ],
    [
      "an encrypted playlist",
      { "720.m3u8": media('#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXTINF:4,", "seg2.ts") },
      /720\.m3u8:3: encrypted/,
    ],
    ["a broken duration", { "720.m3u8": media("#EXTINF:four,", "seg2.ts") }, /720\.m3u8:3: broken EXTINF "four,"/],
    ["a segment without duration", { "720.m3u8": media("seg2.ts") }, /720\.m3u8:3: a segment without EXTINF/],
    [
      "a duration without segment",
      { "720.m3u8": media("#EXTINF:4,", "#EXTINF:4,", "seg2.ts") },
      /720\.m3u8:3: EXTINF without a segment/,
    ],
    [
      "a broken byte range",
      { "720.m3u8": media("#EXTINF:4,", "#EXT-X-BYTERANGE:x@1", "seg2.ts") },
      /720\.m3u8:4: broken byte range "x@1"/,
    ],
    [
      "a byte range from nowhere",
      { "720.m3u8": media("#EXTINF:4,", "#EXT-X-BYTERANGE:10", "seg2.ts") },
      /720\.m3u8:4: a byte range without offset/,
    ],
    [
      "a byte range beyond the end",
      { "720.m3u8": media("#EXTINF:4,", "#EXT-X-BYTERANGE:10@1020", "seg2.ts") },
      /720\.m3u8:5: bytes 1020 to 1029 of "seg2\.ts", which has only 1024/,
    ],
    [
      "a segment above the folder",
      { "720.m3u8": media("#EXTINF:4,", "../seg2.ts") },
      /720\.m3u8:4: "\.\.\/seg2\.ts" is outside the folder/,
    ],
    [
      "a segment elsewhere",
      { "720.m3u8": media("#EXTINF:4,", "https://cdn.example/1.ts") },
      /720\.m3u8:4: .* is outside the folder/,
    ],
    ["a segment at the root", { "720.m3u8": media("#EXTINF:4,", "/seg2.ts") }, /720\.m3u8:4: .* is outside the folder/],
    [
      "a broken attribute list",
      { "720.m3u8": media('#EXT-X-MAP:URI="a', "#EXTINF:4,", "seg2.ts") },
      /720\.m3u8:3: broken attribute list of EXT-X-MAP/,
    ],
    ["no segments", { "720.m3u8": media() }, /720\.m3u8:3: no segments/],
    ["a file that is no playlist", { "720.m3u8": "hello" }, /720\.m3u8:1: not an HLS playlist/],
    ["bytes that are no text", { "720.m3u8": Buffer.of(0x23, 0xff) }, /720\.m3u8: not UTF-8/],
    [
      "a nested master playlist",
      { "video/360.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n" },
      /360\.m3u8:2: a master playlist where/,
    ],
    [
      "a master without BANDWIDTH",
      { "master.m3u8": '#EXTM3U\n#EXT-X-STREAM-INF:CODECS="x"\n720.m3u8\n' },
      /master\.m3u8:2: EXT-X-STREAM-INF without BANDWIDTH/,
    ],
    [
      "a variant without URI",
      { "master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" },
      /master\.m3u8:2: EXT-X-STREAM-INF without a URI/,
    ],
    [
      "variables",
      { "720.m3u8": media('#EXT-X-DEFINE:NAME="a",VALUE="b"', "#EXTINF:4,", "{$a}.ts") },
      /720\.m3u8:3: EXT-X-DEFINE is not supported/,
    ],
    [
      "several master playlists",
      { "other.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n720.m3u8\n" },
      /several playlists could be meant, name one: master\.m3u8, other\.m3u8/,
    ],
    ["a broken ppsp.json", { "ppsp.json": "{" }, /ppsp\.json: .*delete this file/],
    ["a ppsp.json broken over lines", { "ppsp.json": "{\n  a\n}" }, /ppsp\.json: .*delete this file/],
    ["a ppsp.json that cannot be read", { "ppsp.json/it": "" }, /ppsp\.json: is a folder$/m],
  ];
  it.each(bad)("refuses %s in one line, with exit code 2, and writes nothing", async (_, changes, line) => {
    const input = folder({ ...hls(), ...changes });
    const before = tree(input);
    await expectRefusal(["publish", input], line);
    expect(tree(input)).toEqual(before);
    const out = join(folder(), "new", "out");
    if (!Object.keys(changes).some((name) => name.startsWith("ppsp.json")))
      await expectRefusal(["publish", input, "--out", out], line);
    expect(existsSync(join(out, ".."))).toBe(false);
  });

  it("refuses other bad input in one line, with exit code 2", async () => {
    const input = folder({
      ...hls(),
      "text.txt": "hello",
      "empty.mp4": "",
      "a.mp4": "\0\0\0\x18ftypisom",
      "b/b.mp4": "\0\0\0\x18ftyp",
    });
    const at = (name: string): string => join(input, name);
    await expectRefusal(["publish", at("nothing")], /nothing: does not exist/);
    await expectRefusal(["publish", at("text.txt")], /text\.txt: neither an HLS playlist nor an MP4/);
    await expectRefusal(["publish", at("empty.mp4")], /empty\.mp4: the file is empty/);
    await expectRefusal(["publish", folder()], /no \.m3u8 playlist in this folder/);
    await expectRefusal(["publish", at("720.m3u8")], /master\.m3u8 is there already/);
    await expectRefusal(
      ["publish", at("a.mp4"), "--out", at("text.txt")],
      /text\.txt: is a file: --out wants a folder$/m,
    );
    await expectRefusal(
      ["publish", at("a.mp4"), "--out", at("text.txt/deep")],
      /cannot be written: a part of the path is no folder/,
    );
    await expectRefusal(["publish", at("a.mp4"), "--chunk-size", "100"], /--chunk-size 100: wants 512 to 65536/);
    await expectRefusal(["publish", at("a.mp4"), "--hash", "md5"], /--hash md5: knows sha1/);
    await expectRefusal(["publish", at("a.mp4"), "--tracker", "udp://t"], /--tracker udp:\/\/t: wants/);
    await expectRefusal(["publish", at("a.mp4"), "--base", "media.example"], /--base media\.example: wants an http/);
    for (const end of ["/master.m3u8", "/a.mp4", "/a.WebM", "/ppsp.json", "/?token=1", "/#here"])
      await expectRefusal(
        ["publish", at("a.mp4"), "--base", `https://media.example${end}`],
        /: --base wants the folder, without a file's name, \? or #$/m,
      );
    for (const url of ["https://media.example/film/", "ftp://x/y", "ppsp:abcd"])
      await expectRefusal(["publish", url], /: publish takes a local folder or file$/m);
    await expectRefusal(["publish", at("a.mp4"), "--addressing", "bytes"], /--addressing bytes: knows bin32, byte64/);
    await expectRefusal(["publish", at("a.mp4"), "--colour"], /Unknown option '--colour'/);
    await expectRefusal(["publish"], /wants one INPUT/);
    await expectRefusal(["dance"], /no such command/);
    expect((await capture(["publish", at("b/b.mp4")])).code).toBe(0);
    renameSync(at("b/b.mp4"), at("b/c.mp4"));
    await expectRefusal(["publish", at("b/c.mp4")], /ppsp\.json: publishes other files: use --out, or delete it/);
    await expectRefusal(
      ["publish", at("a.mp4"), "--out", at("b")],
      /ppsp\.json: publishes other files: use another --out, or delete it/,
    );
    mkdirSync(at("b/ppsp.mhash.d"));
    rmSync(at("b/ppsp.json"));
    rmSync(at("b/ppsp.mhash"));
    renameSync(at("b/ppsp.mhash.d"), at("b/ppsp.mhash"));
    await expectRefusal(["publish", at("b/c.mp4")], /ppsp\.mhash: cannot be written/);
    expect(readdirSync(at("b")).toSorted()).toEqual(["c.mp4", "ppsp.mhash"]);
  });

  it("says what it can do, and its version", async () => {
    expect(await capture(["--version"])).toMatchObject({
      code: 0,
      stdout: "1.2.3\n",
    });
    for (const args of [["--help"], ["publish", "--help"], ["check", "-h"]]) {
      expect(await capture(args)).toMatchObject({
        code: 0,
        stderr: "",
        stdout: expect.stringMatching(/^ppsp/) as string,
      });
    }
    expect((await capture([])).code).toBe(2);
  });
});

describe("bin/ppsp.js", () => {
  it("says in one line how to build where there is no build", async () => {
    const checkout = folder({
      "bin/ppsp.js": readFileSync(new URL("../../bin/ppsp.js", import.meta.url)),
      "package.json": '{"type":"module"}',
    });
    const child = spawn(process.execPath, [join(checkout, "bin/ppsp.js"), "--version"]);
    let stderr = "";
    child.stderr.on("data", (data) => (stderr += String(data)));
    const code = await new Promise((done) => child.on("close", done));
    expect({ code, stderr }).toEqual({ code: 2, stderr: "ppsp: not built yet: run `npm run build` first\n" });
  });
});
