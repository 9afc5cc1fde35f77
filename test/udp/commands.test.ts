import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { seedCommand } from "../../src/node/seed/command.ts";
import { capture, expectRefusal } from "../node/command.ts";
import { folder } from "../node/hls.ts";
import { content, holds, startSeeder } from "./peers.ts";

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

  it("ends with exit code 1 when the time is up", async () => {
    const { swarm, socket } = await startSeeder(content(7000));
    const peer = `127.0.0.1:${socket.address.port}`;
    const args = ["get", swarm, "--peer", peer, "--out", join(folder(), "out"), "--timeout", "0.3"];
    expect(await capture([...args, "--chunk-size", "2048"])).toEqual({
      code: 1,
      stdout: "",
      stderr: `ppsp get: ${peer}: refuses: it has another swarm or other options\nppsp get: the time is up\n`,
    });
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
    for (const peer of ["127.0.0.1", "::1:4000", "[::1]", "[1.2.3.4]:5", "127.0.0.1:65536", ":4"])
      await expectRefusal(["get", id, "--out", out, "--peer", peer], /wants HOST:PORT/);
    await expectRefusal(["get", id, "--out", out, "--peer", "127.0.0.1:0"], /nobody has port 0/);
    await expectRefusal(["get", id, "--out", out, "--peer", "[::1]:4", "--udp", "127.0.0.1:0"], /cannot be reached/);
    for (const seconds of ["0", "-1", "soon", "1e9"])
      await expectRefusal([...enough, `--timeout=${seconds}`], /wants seconds/);
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
