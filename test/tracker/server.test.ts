import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { main } from "../../src/node/cli.ts";
import type { RunningTracker } from "../../src/node/tracker.ts";
import { eventually, runTracker } from "./world.ts";

let tracker: RunningTracker;
beforeAll(async () => {
  tracker = await runTracker();
});
afterAll(() => tracker.close());

/** Sends bytes as they are and gives all that comes back until the server ends the connection. */
async function exchange(request: string): Promise<string> {
  const socket = connect({ port: tracker.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(request);
  return text(socket);
}

const BODY =
  `<?xml version="1.0" encoding="UTF-8"?>\n<PPSPTrackerProtocol version="1.0"><Request>STAT_REPORT</Request>` +
  `<PeerID>nobody</PeerID><TransactionID>1</TransactionID></PPSPTrackerProtocol>`;
const HEAD = "POST / HTTP/1.1\r\nHost: tracker\r\nConnection: close\r\nContent-Type: application/xml\r\n";

describe("the tracker on the wire", () => {
  test("PPSP-TP T43 MUST: a body without Content-Length gets 411", async () => {
    const answer = await exchange(
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 411 /u);
  });

  test("PPSP-TP T46 SHOULD: the status line gives the reason, as does PPSP-Reason; T67 T68 MUST: lines end in CRLF", async () => {
    const answer = await exchange(`${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`);
    expect(answer).toMatch(/^HTTP\/1\.1 403 Peer not registered\r\n/u);
    expect(answer).toMatch(/\r\nPPSP-Reason: Peer not registered\r\n/iu);
    expect(answer).toMatch(/\r\n\r\n$/u);
  });

  test("garbage on the wire does no harm", async () => {
    await exchange("\0\0\0\0 garbage\r\n\r\n").catch(() => undefined);
    expect(await exchange(`${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`)).toContain("403");
  });
});

describe("ppsp tracker", () => {
  /** Runs the command in this process until it ends by itself; its exit code and what it wrote to stderr. */
  async function command(...args: string[]): Promise<[number, string]> {
    let written = "";
    const spy = vi.spyOn(process.stderr, "write").mockImplementation((chunk) => {
      written += String(chunk);
      return true;
    });
    try {
      return [await main(["tracker", ...args], "0.0.0"), written];
    } finally {
      spy.mockRestore();
    }
  }

  test("says in one line what is wrong with its arguments, and exits with 2", async () => {
    const { port } = tracker;
    expect(await command("--port", String(port), "--open")).toEqual([
      2,
      `ppsp tracker: port ${port} is in use: choose another one with --port\n`,
    ]);
    expect(await command("--port", "99999")).toEqual([2, "ppsp tracker: no such port: 99999\n"]);
    expect(await command("--swarm", "not-hex")).toEqual([2, "ppsp tracker: a swarm id is hexadecimal, not not-hex\n"]);
    expect(await command("--sworm", "aa")).toEqual([2, expect.stringMatching(/^ppsp tracker: .*--sworm.*\n$/u)]);
    expect(await command("--host", "192.0.2.77")).toEqual([
      2,
      expect.stringMatching(/^ppsp tracker: cannot listen on .*\n$/u),
    ]);
  });

  test("prints ready URL in any working directory, serves, and ends with workerd on Ctrl-C", async () => {
    const child = spawn(process.execPath, [resolve("bin/ppsp.js"), "tracker", "--port", "0", "--open"], {
      cwd: tmpdir(),
    });
    let output = "";
    child.stdout.on("data", (part) => (output += String(part)));
    await eventually(() => /^ready http:\/\/127\.0\.0\.1:\d+\/$/mu.test(output), "ready");
    const url = output.trim().slice("ready ".length);
    expect((await fetch(url)).status).toBe(400);
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code).toBe(130);
    await expect(fetch(url)).rejects.toThrow("fetch failed");
  });
});
