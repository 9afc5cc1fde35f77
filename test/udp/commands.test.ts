import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { seedCommand } from "../../src/node/seed/command.ts";
import { capture, expectRefusal } from "../node/command.ts";
import { folder } from "../node/hls.ts";
import { content, fetch, holds, startSeeder } from "./peers.ts";

/** Runs `ppsp seed` of these bytes; resolves with what it prints. */
async function runSeed(
  bytes: Buffer,
  options: string[],
): Promise<{ ready: string; file: string; run: Promise<number>; stop: () => Promise<void> }> {
  const file = join(folder({ it: bytes }), "it");
  const stopped = new AbortController();
  const write = vi.spyOn(process.stdout, "write").mockImplementation(() => true);
  const run = seedCommand([file, "--udp", "127.0.0.1:0", ...options], stopped.signal);
  await vi.waitFor(() => expect(write.mock.calls).toHaveLength(2));
  const ready = write.mock.calls.map(([text]) => String(text)).join("");
  write.mockRestore();
  const stop = async (): Promise<void> => {
    stopped.abort(new Error("stopped"));
    await expect(run).rejects.toThrow("stopped");
  };
  return { ready, file, run, stop };
}

describe("ppsp get", () => {
  it("fetches a file, and says so with exit code 0", async () => {
    const bytes = content(7000);
    const { swarm, socket } = await startSeeder(bytes);
    const out = join(folder(), "out");
    const peer = `localhost:${socket.address.port}`;
    const args = ["get", swarm.toUpperCase(), "--peer", peer, "--out", out, "--udp", "127.0.0.1:0", "--timeout", "9"];
    expect(await capture(args)).toEqual({ code: 0, stdout: `complete 7000 bytes in ${out}\n`, stderr: "" });
    expect(holds(out, bytes)).toBe(true);
  });

  it.each([[["--addressing", "byte64"]], [["--compat", "libswift"]], [["--addressing", "bin64", "--hash", "sha512"]]])(
    "fetches with %s what seed serves with it",
    async (options) => {
      const bytes = content(7000);
      const { ready, stop } = await runSeed(bytes, options);
      const [, swarm, peer] = /^ready swarm=([0-9a-f]+) udp=(\S+)\n/.exec(ready)!;
      const out = join(folder(), "out");
      const args = ["get", swarm!, "--peer", peer!, "--out", out, "--timeout", "9", ...options];
      expect(await capture(args)).toMatchObject({ code: 0, stderr: "" });
      expect(holds(out, bytes)).toBe(true);
      await stop();
    },
  );

  it("needs nothing but the ppsp: URL that seed prints", async () => {
    const bytes = content(7000);
    const options = [
      "--chunk-size",
      "512",
      "--hash",
      "sha1",
      "--addressing",
      "byte64",
      "--tracker",
      "http://127.0.0.1:1/",
    ];
    const { ready, stop } = await runSeed(bytes, options);
    const [, swarm, peer, url] = /^ready swarm=([0-9a-f]+) udp=(\S+)\n(ppsp:\S+)\n$/.exec(ready)!;
    expect(url).toBe(
      `ppsp:${swarm}?chunk-size=512&hash=sha1&addressing=byte64&chunks=14&tracker=http://127.0.0.1:1/&peer=${peer}`,
    );
    const out = join(folder(), "out");
    const args = ["get", url!, "--out", out, "--timeout", "9"];
    // Nobody answers at its tracker, which both say, once, and do without.
    const warning = /^(?:ppsp (?:seed|get): Tracker http:\/\/127\.0\.0\.1:1\/ does not answer .*\n){0,2}$/u;
    expect(await capture(args)).toEqual({
      code: 0,
      stdout: `complete 7000 bytes in ${out}\n`,
      stderr: expect.stringMatching(warning) as string,
    });
    expect(holds(out, bytes)).toBe(true);
    // What the URL says may be said again, but not otherwise.
    expect(await capture([...args, ...options.slice(0, 6)])).toMatchObject({ code: 0 });
    await expectRefusal([...args, "--hash", "sha256"], /the URL has hash sha1, not sha256$/m);
    await expectRefusal([...args, "--chunk-size", "1024"], /the URL has chunk size 512, not 1024$/m);
    await expectRefusal([...args, "--addressing", "chunk32"], /the URL has addressing byte64, not chunk32$/m);
    await expectRefusal([...args, "--compat", "libswift"], /the URL has addressing byte64, not chunk32$/m);
    await stop();
  });

  it("seed ends with one line as soon as it notices that somebody has written to the file", async () => {
    const { ready, file, run } = await runSeed(content(7000), []);
    const refused = expect(run).rejects.toThrow(`${file}: has changed since it was hashed`);
    writeFileSync(file, content(7001));
    const out = join(folder(), "out");
    expect(await capture(["get", /^ppsp:\S+$/m.exec(ready)![0], "--out", out, "--timeout", "1"])).toMatchObject({
      code: 1,
    });
    await refused;
  });

  it("does not believe content of another number of chunks than the URL says", async () => {
    const { ready, stop } = await runSeed(content(7000), []);
    const url = /^ppsp:\S+$/m.exec(ready)![0].replace("chunks=7", "chunks=8");
    const out = join(folder(), "out");
    expect(await capture(["get", url, "--out", out, "--timeout", "0.5"])).toMatchObject({ code: 1, stdout: "" });
    await stop();
  });

  it("ends with exit code 1 when the time is up", async () => {
    const { swarm, socket } = await startSeeder(content(7000));
    const peer = `127.0.0.1:${socket.address.port}`;
    const args = ["get", swarm, "--peer", peer, "--out", join(folder(), "out"), "--timeout", "0.3"];
    // A signal that nobody holds is collected with other garbage, and never comes.
    setFlagsFromString("--expose-gc");
    const collecting = setInterval(runInNewContext("gc") as () => void, 50);
    expect(await capture([...args, "--chunk-size", "2048"])).toEqual({
      code: 1,
      stdout: "",
      stderr: `ppsp get: ${peer}: refuses: it has another swarm or other options\nppsp get: the time is up\n`,
    });
    clearInterval(collecting);
  });

  it("ends with exit code 1 when every named peer refuses", async () => {
    const { swarm, socket } = await startSeeder(content(7000));
    const peer = `127.0.0.1:${socket.address.port}`;
    for (const other of [
      ["--chunk-size", "2048"],
      ["--addressing", "chunk64"],
    ]) {
      const args = ["get", swarm, "--peer", peer, "--out", join(folder(), "out"), "--timeout", "9", ...other];
      expect(await capture(args)).toEqual({
        code: 1,
        stdout: "",
        stderr: `ppsp get: ${peer}: refuses: it has another swarm or other options\nppsp get: no peer is left\n`,
      });
    }
  });

  it("waits for a named peer that is silent beside one that refuses, and says that nobody answers", async () => {
    const { swarm, socket } = await startSeeder(content(7000));
    const silent = createSocket("udp4");
    silent.bind(0, "127.0.0.1");
    await once(silent, "listening");
    const lines: string[] = [];
    const ended = new AbortController();
    const outcome = await fetch(
      swarm,
      [socket.address, { host: "127.0.0.1", port: silent.address().port }],
      join(folder(), "out"),
      {
        metadata: { chunkSize: 2048 },
        patienceMs: 200,
        signal: ended.signal,
        warn: (line) => {
          if (lines.push(line) === 2) ended.abort();
        },
      },
    );
    silent.close();
    expect(outcome).toEqual({ complete: false, reason: "the time is up" });
    expect(lines).toEqual([
      expect.stringContaining("refuses: it has another swarm or other options"),
      "no peer answers yet: check address and port, or set --timeout S",
    ]);
    // Nothing of the kind where one does.
    const bytes = content(7000);
    const out = join(folder(), "out");
    const told: string[] = [];
    const good = await fetch(swarm, [socket.address], out, { warn: (line) => told.push(line), patienceMs: 300 });
    expect({ good, told }).toEqual({ good: { complete: true, length: 7000 }, told: [] });
    expect(holds(out, bytes)).toBe(true);
  });

  it("refuses wrong arguments in one line, with exit code 2", async () => {
    const id = "ab".repeat(32);
    const out = join(folder(), "out");
    const enough = ["get", id, "--peer", "127.0.0.1:1", "--out", out];
    await expectRefusal(["get"], /wants one SWARM/);
    await expectRefusal(["get", "xyz", "--peer", "127.0.0.1:1", "--out", out], /xyz: a swarm ID of sha256 has 64/);
    await expectRefusal([...enough, "--hash", "sha1"], /a swarm ID of sha1 has 40/);
    await expectRefusal(["get", id, "--out", out], /at least one --peer/);
    await expectRefusal(["get", id, "--peer", "127.0.0.1:1"], /wants --out/);
    const url = `ppsp:${id}?peer=127.0.0.1:1`;
    await expectRefusal(["get", "ppsp:abcd", "--out", out], /a swarm ID of sha256 has 64 hexadecimal digits/);
    await expectRefusal(["get", `ppsp:${id}`, "--out", out], /at least one --peer/);
    await expectRefusal(["get", `${url}&chunk-size=variable`, "--out", out], /a presentation of many files/);
    await expectRefusal(["get", `${url}&chunk-size=65536`, "--out", out], /the URL's chunk-size 65536: wants 512 to/);
    for (const peer of ["127.0.0.1", "::1:4000", "[::1]", "[1.2.3.4]:5", "127.0.0.1:65536", ":4"])
      await expectRefusal(["get", id, "--out", out, "--peer", peer], /wants HOST:PORT/);
    await expectRefusal(["get", id, "--out", out, "--peer", "127.0.0.1:0"], /nobody has port 0/);
    await expectRefusal(["get", id, "--out", out, "--peer", "[::1]:4", "--udp", "127.0.0.1:0"], /cannot be reached/);
    for (const seconds of ["0", "-1", "soon", "1e9"])
      await expectRefusal([...enough, `--timeout=${seconds}`], /wants seconds/);
    await expectRefusal([...enough, "--tracker", "udp://x"], /--tracker udp:\/\/x: wants an http or https URL/);
    await expectRefusal([...enough, "--encoding", "yaml"], /--encoding yaml: knows json, xml/);
    await expectRefusal([...enough, "--track-timer", "0"], /--track-timer 0: wants 1 to 86400 seconds/);
    await expectRefusal([...enough, "--addressing", "bin16"], /bin16: knows bin32, byte64, chunk32, bin64, chunk64/);
    await expectRefusal([...enough, "--chunk-size", "65536"], /wants 512 to 32768/);
    await expectRefusal([...enough, "--compat", "swirl"], /--compat swirl: knows libswift/);
    await expectRefusal([...enough, "--compat", "libswift"], /a swarm ID of sha1 has 40/);
    for (const contradiction of [
      ["--hash", "sha256"],
      ["--addressing", "chunk64"],
    ])
      await expectRefusal(
        [...enough, "--compat", "libswift", ...contradiction],
        /--compat libswift has (hash sha1, not sha256|addressing chunk32, not chunk64)$/m,
      );
    expect(existsSync(out)).toBe(false);
    await expectRefusal([...enough.slice(0, -1), join(out, "deep")], /does not exist/);
  });
});

describe("ppsp seed", () => {
  it.each([
    ["0.0.0.0:0", [], /^ppsp seed: the URL names no peer: add --peer YOUR-ADDRESS:\d+ to ppsp get, or .*\n$/],
    ["127.0.0.1:0", [], /^$/],
    ["0.0.0.0:0", ["--tracker", "http://127.0.0.1:1/"], /^(?!.*names no peer)/s],
  ])("at %s with %j says what the URL lacks", async (udp, options, expected) => {
    let stderr = "";
    const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      stderr += String(text);
      return true;
    });
    const { stop } = await runSeed(content(7000), [...options, "--udp", udp]);
    await stop();
    spy.mockRestore();
    expect(stderr).toMatch(expected);
  });

  it("says where it serves what, until it is stopped", async () => {
    const file = join(folder({ it: content(7000) }), "it");
    const stopped = new AbortController();
    const write = vi.spyOn(process.stdout, "write").mockImplementation(() => {
      stopped.abort(new Error("stopped"));
      return true;
    });
    await expect(seedCommand([file, "--udp", "127.0.0.1:0", "--hash", "sha1"], stopped.signal)).rejects.toThrow(
      "stopped",
    );
    expect(write.mock.calls[0]![0]).toMatch(/^ready swarm=[0-9a-f]{40} udp=127\.0\.0\.1:\d+\n$/);
    write.mockRestore();
  });

  it("refuses wrong arguments in one line, with exit code 2", async () => {
    const where = folder({ empty: "", it: "content" });
    const it = join(where, "it");
    await expectRefusal(["seed"], /wants one FILE/);
    await expectRefusal(["seed", join(where, "no")], /no: does not exist/);
    await expectRefusal(["seed", where], /is no file/);
    await expectRefusal(["seed", join(where, "empty")], /the file is empty/);
    truncateSync(join(where, "empty"), 70 * 2 ** 30);
    await expectRefusal(["seed", join(where, "empty")], /more than 67108864 chunks: use a larger --chunk-size/);
    await expectRefusal(["seed", it, "--hash", "md5"], /--hash md5: knows sha1/);
    await expectRefusal(["seed", it, "--compat", "libswift", "--hash", "sha512"], /has hash sha1, not sha512$/m);
    await expectRefusal(["seed", it, "--tracker", "ftp://x"], /--tracker ftp:\/\/x: wants an http or https URL/);
    await expectRefusal(["seed", it, "--chunk-size", "1"], /wants 512 to/);
    await expectRefusal(["seed", it, "--udp", "4000"], /--udp 4000: wants HOST:PORT/);
    await expectRefusal(["seed", it, "--udp", "192.0.2.1:4000"], /192\.0\.2\.1:4000 cannot be bound/);
  });

  it("says what it can do", async () => {
    for (const command of ["seed", "get"])
      expect(await capture([command, "--help"])).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^ppsp/) as string,
      });
  });
});
