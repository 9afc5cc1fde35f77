import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Outcome } from "../../src/node/get/get.ts";
import { type RunningTracker, startTracker, type TrackerOptions } from "../../src/node/tracker.ts";
import type { TrackerChoice } from "../../src/node/udp/trackers.ts";
import { believable, lessTrusted } from "../../src/node/udp/trackers.ts";
import { jsonCodec } from "../../src/tracker/json/codec.ts";
import type { Codec, PeerInfo, TrackerRequest } from "../../src/tracker/messages.ts";
import { xmlCodec } from "../../src/tracker/xml/codec.ts";
import { folder } from "../node/hls.ts";
import { validate } from "../tracker/schema.ts";
import { content, fetch, holds, startSeeder, stop } from "./peers.ts";

const CLI = new URL("../../bin/ppsp.js", import.meta.url).pathname;
const CODECS: Readonly<Record<"xml" | "json", Codec>> = { xml: xmlCodec, json: jsonCodec };

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function tracker(options: Partial<TrackerOptions> = {}): Promise<RunningTracker> {
  const running = await startTracker({ port: 0, open: true, ...options });
  opened.push(() => running.close());
  return running;
}

/** A port of TCP at which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const at = (port: number): string => `http://127.0.0.1:${port}/`;
const choice = (...tiers: (readonly string[])[]): TrackerChoice => ({ tiers, encoding: "xml", trackTimer: 3 });

/** Stands before a tracker and keeps all that passes. */
async function tap(url: string): Promise<{ url: string; passed: { type: string; asked: string; answer: string }[] }> {
  const passed: { type: string; asked: string; answer: string }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((asked) => {
      const forward = httpRequest(url, { method: request.method, headers: request.headers }, (message) => {
        void text(message).then((answer) => {
          passed.push({ type: String(request.headers["content-type"]), asked, answer });
          response.writeHead(message.statusCode ?? 0, message.headers).end(answer);
        });
      });
      forward.end(asked);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push(() => server.close().closeAllConnections());
  return { url: at((server.address() as AddressInfo).port), passed };
}

/** A process of the command line and all that it prints. */
function ppsp(...args: string[]): { child: ChildProcess; output: () => string; ended: Promise<unknown[]> } {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  opened.push(() => child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => (output += part.toString()));
  return { child, output: () => output, ended: once(child, "exit") };
}

const until = (condition: () => void): Promise<void> => vi.waitFor(condition, { timeout: 15_000, interval: 20 });

/** Members of all swarms of a tracker. */
async function members(url: string): Promise<number> {
  const stats = (await (await globalThis.fetch(`${url}stats.json`)).json()) as { readonly peers: number };
  return stats.peers;
}

/** What happened, as one line for each request. */
function summary(message: TrackerRequest): string {
  if (message.method === "CONNECT") {
    return message.actions.map(({ action, peerMode }) => `${action} ${peerMode}`).join();
  }
  return message.method;
}

describe("processes that know nothing of each other but a tracker", () => {
  it.skipIf(!existsSync(new URL("../../build/src/node/cli.js", import.meta.url))).each(["xml", "json"] as const)(
    "get finds seed through the tracker alone, in %s, and both report and leave",
    { timeout: 60_000 },
    async (encoding) => {
      const codec = CODECS[encoding];
      const { url, passed } = await tap((await tracker()).url);
      const bytes = content(200_000);
      const where = folder({ film: bytes });
      const options = ["--tracker", url, ...(encoding === "xml" ? [] : ["--encoding", encoding])];
      const seeding = ppsp("seed", join(where, "film"), "--udp", "127.0.0.1:0", ...options);
      await until(() => expect(seeding.output()).toMatch(/^ppsp:/mu));
      const [, swarm, port] = /swarm=(\w+) udp=127\.0\.0\.1:(\d+)/u.exec(seeding.output())!;
      await until(() => expect(passed).toHaveLength(1));
      const out = join(where, "out");
      const getting = ppsp("get", `ppsp:${swarm}?tracker=${url}`, "--out", out, "--timeout", "20", ...options.slice(2));
      expect(await getting.ended).toEqual([0, null]);
      expect(getting.output()).toBe(`complete 200000 bytes in ${out}\n`);
      expect(holds(out, bytes)).toBe(true);
      seeding.child.kill("SIGINT");
      expect(await seeding.ended).toEqual([130, null]);

      const requests = passed.map(({ asked }) => codec.decodeRequest(asked));
      const [seed, ...others] = requests;
      const by = (peerId: string | undefined): TrackerRequest[] => requests.filter((one) => one.peerId === peerId);
      const getter = others.find(({ peerId }) => peerId !== seed?.peerId)?.peerId;
      expect(by(seed?.peerId).map(summary)).toEqual(["JOIN SEED", "STAT_REPORT", "LEAVE SEED"]);
      expect(
        by(getter)
          .map(summary)
          .filter((line) => line !== "FIND"),
      ).toEqual(["JOIN LEECH", "STAT_REPORT", "LEAVE LEECH"]);
      // The base protocol: no token is asked for, the port is the one of the socket.
      expect(seed).toMatchObject({
        addresses: [{ addrType: "ipv4", ip: "127.0.0.1", port: Number(port), peerProtocol: "PPSP-PP" }],
      });
      expect(requests.every(({ registration }) => registration === undefined)).toBe(true);
      const report = by(getter).find(({ method }) => method === "STAT_REPORT");
      expect(report).toMatchObject({ stats: [{ swarmId: swarm, downloadedBytes: 200_000 }] });
      const given = by(seed?.peerId).find(({ method }) => method === "STAT_REPORT");
      expect(given).toMatchObject({ stats: [{ swarmId: swarm }] });
      expect(given?.method === "STAT_REPORT" && given.stats[0]?.uploadedBytes).toBeGreaterThanOrEqual(200_000);
      for (const { type, asked, answer } of passed) {
        expect(type).toBe(codec.contentType);
        if (encoding === "xml") [asked, answer].forEach(validate);
      }
    },
  );
});

describe("seed and get at trackers", () => {
  const bytes = content(7000);
  const find = (swarm: string, trackers: TrackerChoice, changes: Parameters<typeof fetch>[3] = {}): Promise<Outcome> =>
    fetch(swarm, [], join(folder(), "out"), { trackers, signal: AbortSignal.timeout(15_000), ...changes });

  it("a tracker that is down does not end a seed: one warning, and it registers when the tracker is there", async () => {
    const port = await deadPort();
    const warnings: string[] = [];
    const seeder = await startSeeder(bytes, { trackers: choice([at(port)]), warn: (line) => warnings.push(line) });
    await until(() => expect(warnings).toHaveLength(1));
    expect(warnings[0]).toMatch(/^Tracker http:\/\/127\.0\.0\.1:\d+\/ does not answer .*trying again/u);
    await tracker({ port });
    expect(await find(seeder.swarm, choice([at(port)]))).toEqual({ complete: true, length: 7000 });
    expect(warnings).toHaveLength(1);
  });

  it("a tracker that forgot the seeder is joined again", async () => {
    const first = await tracker();
    const seeder = await startSeeder(bytes, { trackers: choice([first.url]) });
    await vi.waitFor(async () => expect(await members(first.url)).toBe(1), { timeout: 5000, interval: 20 });
    await first.close();
    await tracker({ port: first.port });
    expect(await find(seeder.swarm, choice([first.url]))).toEqual({ complete: true, length: 7000 });
  });

  it("peers meet at the next tier where none of the first answers, and at any tracker of one tier", async () => {
    const dead = at(await deadPort());
    const [a, b] = [await tracker(), await tracker()];
    const seeder = await startSeeder(bytes, { trackers: choice([dead], [a.url, b.url]) });
    for (const { url } of [a, b]) {
      expect(await find(seeder.swarm, choice([dead], [url]))).toEqual({ complete: true, length: 7000 });
    }
  });

  it("named peers serve while no tracker answers", async () => {
    const { swarm, socket } = await startSeeder(bytes);
    const trackers = choice([at(await deadPort())]);
    const outcome = await fetch(swarm, [socket.address], join(folder(), "out"), { trackers });
    expect(outcome).toEqual({ complete: true, length: 7000 });
  });

  it("get ends when no tracker serves the swarm and nobody was named", async () => {
    const { url } = await tracker({ open: false });
    const warnings: string[] = [];
    const outcome = await find("ab".repeat(32), choice([url]), { warn: (line) => warnings.push(line) });
    expect(outcome).toEqual({ complete: false, reason: "no peer is left" });
    expect(warnings).toEqual([expect.stringContaining("does not serve this video") as string]);
  });

  it("a peer that leaves is not in the next list", async () => {
    const { url } = await tracker();
    const gone = await startSeeder(bytes, { trackers: choice([url]) });
    const seen: TrackerRequest[] = [];
    const spied = await tap(url);
    const here = await startSeeder(bytes, { trackers: choice([spied.url]) });
    await until(() => expect(spied.passed).toHaveLength(1));
    await stop(gone);
    expect(await find(here.swarm, choice([spied.url]))).toMatchObject({ complete: true });
    seen.push(...spied.passed.map(({ asked }) => xmlCodec.decodeRequest(asked)));
    const lists = spied.passed
      .filter((_, index) => seen[index]?.method !== "STAT_REPORT")
      .flatMap(({ answer }) => xmlCodec.decodeResponse(answer).peers ?? []);
    const ports = new Set(lists.flatMap(({ addresses }) => addresses.map(({ port }) => port)));
    expect(ports).toContain(here.socket.address.port);
    expect(ports).not.toContain(gone.socket.address.port);
  });
});

describe("what a tracker says is not believed", () => {
  const peer = (ip: string, rest: object = {}): PeerInfo => ({
    peerId: ip,
    addresses: [{ addrType: ip.includes(":") ? "ipv6" : "ipv4", ip, port: 4000, ...rest }],
  });
  const hosts = (tracker: string, ...peers: PeerInfo[]): string[] => believable(peers, tracker).map(({ host }) => host);
  const everywhere = ["198.51.100.7", "10.1.2.3", "127.0.0.1", "169.254.1.1", "::1", "fd00::1", "2001:db8::7"];

  it("only a tracker in a private network names private addresses, only one on this machine loopback ones", () => {
    const peers = everywhere.map((ip) => peer(ip));
    expect(hosts("203.0.113.1", ...peers)).toEqual(["198.51.100.7", "2001:db8::7"]);
    expect(hosts("192.168.1.1", ...peers)).toEqual(everywhere.filter((ip) => ip !== "127.0.0.1" && ip !== "::1"));
    expect(hosts("127.0.0.1", ...peers)).toEqual(everywhere);
    expect(hosts("::ffff:127.0.0.1", ...peers)).toEqual(everywhere);
    expect(hosts("", ...peers)).toEqual([]);
  });

  it("a tracker that answered from outside once is not one of this network any more", () => {
    expect(lessTrusted(undefined, "127.0.0.1")).toBe("127.0.0.1");
    expect(lessTrusted("127.0.0.1", "203.0.113.1")).toBe("203.0.113.1");
    expect(lessTrusted("203.0.113.1", "127.0.0.1")).toBe("203.0.113.1");
    expect(lessTrusted("10.0.0.1", "::1")).toBe("10.0.0.1");
    expect(lessTrusted("10.0.0.1", "")).toBe("");
  });

  it("nobody is sent to multicast, reserved or translated private addresses, port 0 or another protocol", () => {
    const odd = ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::", "::ffff:10.0.0.1", "64:ff9b::a00:1"];
    expect(hosts("203.0.113.1", ...odd.map((ip) => peer(ip)))).toEqual([]);
    const ip = "198.51.100.7";
    expect(hosts("203.0.113.1", peer(ip, { port: 0 }), peer(ip, { peerProtocol: "HTTP" }))).toEqual([]);
    expect(hosts("203.0.113.1", peer("::::::::"), peer(ip, { peerProtocol: "PPSP-PP" }))).toEqual([ip]);
  });

  it("of a long list few peers are contacted, one address each, and those that are silent not again and again", async () => {
    const heard = new Map<number, number>();
    const ports: number[] = [];
    for (let index = 0; index < 24; index += 1) {
      const socket = createSocket("udp4");
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      const { port } = socket.address();
      socket.on("message", () => heard.set(port, (heard.get(port) ?? 0) + 1));
      opened.push(() => socket.close());
      ports.push(port);
    }
    const liar = createServer((request, response) => {
      void text(request).then((asked) => {
        const { transactionId } = xmlCodec.decodeRequest(asked);
        const peers = ports.map((port) => peer("127.0.0.1", { port }));
        const many = [0, 1].map((half) => ({
          peerId: `many-${half}`,
          addresses: ports.slice(half * 12, half * 12 + 12).flatMap((port) => peer("127.0.0.1", { port }).addresses),
        }));
        const answer = { response: "SUCCESSFUL", transactionId, peers: [...many, ...peers] } as const;
        response.end(xmlCodec.encodeResponse(answer, xmlCodec.decodeRequest(asked)));
      });
    }).listen(0, "127.0.0.1");
    await once(liar, "listening");
    opened.push(() => liar.close().closeAllConnections());
    const url = at((liar.address() as AddressInfo).port);
    // Long enough for several FINDs and for the end of the first attempts.
    const outcome = await find(url);
    expect(outcome).toEqual({ complete: false, reason: "the time is up" });
    expect(heard.size).toBeGreaterThan(0);
    // 20 entries are looked at, 16 are contacted at a time.
    expect(heard.size).toBeLessThanOrEqual(20);
    expect(Math.max(...heard.values())).toBeLessThanOrEqual(2);
  });

  const find = (url: string): Promise<Outcome> =>
    fetch("ab".repeat(32), [], join(folder(), "out"), { trackers: choice([url]), signal: AbortSignal.timeout(9_000) });
});
