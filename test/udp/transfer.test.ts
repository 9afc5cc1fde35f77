import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ChunkAddressing, HashCode } from "../../src/core/codec/messages.ts";
import { UdpSocket } from "../../src/node/udp/socket.ts";
import { folder } from "../node/hls.ts";
import { content, fetch, hasIPv6, holds, Milestone, startSeeder, stop } from "./peers.ts";

const MIB = 2 ** 20;

describe("transfer over UDP", () => {
  it.each([1, 1023, 1024, 1025, 6 * 1024 + 856, 8 * 1024, 100 * 1024 + 17, 3 * MIB])(
    "fetches %i bytes, whose number only the peaks and the last chunk tell",
    async (length) => {
      const bytes = content(length);
      const { swarm, socket } = await startSeeder(bytes);
      const out = join(folder(), "out");
      expect(await fetch(swarm, [socket.address], out)).toEqual({ complete: true, length });
      expect(holds(out, bytes)).toBe(true);
    },
  );

  it.each(Object.entries(HashCode))("verifies with %s", async (_, hash) => {
    const bytes = content(50_000);
    const { swarm, socket } = await startSeeder(bytes, { hash });
    const out = join(folder(), "out");
    expect(await fetch(swarm, [socket.address], out, { metadata: { hash } })).toMatchObject({ complete: true });
    expect(holds(out, bytes)).toBe(true);
  });

  it.each([
    ["chunk64", 512],
    ["bin32", 8192],
    ["bin64", 32_768],
    ["byte64", 16_384],
  ] as const)("names chunks by %s, of %i bytes", async (name, chunkSize) => {
    const bytes = content(200_001);
    const options = { addressing: ChunkAddressing[name], chunkSize };
    const { swarm, socket } = await startSeeder(bytes, options);
    const out = join(folder(), "out");
    expect(await fetch(swarm, [socket.address], out, { metadata: options })).toMatchObject({ complete: true });
    expect(holds(out, bytes)).toBe(true);
  });

  it.each([1, 1024, 1025, 8 * 1024, 100 * 1024 + 17])(
    "names chunks by their bytes (byte64), also where the size of the content is not known: %i bytes",
    async (length) => {
      const bytes = content(length);
      const options = { addressing: ChunkAddressing.byte64 };
      const { swarm, socket } = await startSeeder(bytes, options);
      const out = join(folder(), "out");
      expect(await fetch(swarm, [socket.address], out, { metadata: options })).toEqual({ complete: true, length });
      expect(holds(out, bytes)).toBe(true);
    },
  );

  it("resumes a file that holds the whole content and more behind it", async () => {
    const bytes = content(8 * 1024);
    const { swarm, socket } = await startSeeder(bytes);
    const out = join(folder({ out: Buffer.concat([bytes, content(4 * 1024)]) }), "out");
    expect(await fetch(swarm, [socket.address], out)).toEqual({ complete: true, length: bytes.length });
    expect(holds(out, bytes)).toBe(true);
  });

  it("works over IPv6, and reaches both kinds from one socket", async (context) => {
    if (!(await hasIPv6())) context.skip("this machine has no ::1");
    const bytes = content(300_000);
    const v6 = await startSeeder(bytes, { udp: { host: "::1", port: 0 } });
    const v4 = await startSeeder(bytes);
    const out = join(folder(), "out");
    expect(
      await fetch(v6.swarm, [v6.socket.address, v4.socket.address], out, { udp: { host: "::", port: 0 } }),
    ).toMatchObject({ complete: true });
    expect(holds(out, bytes)).toBe(true);
    expect(v6.socket.traffic.sent).toBeGreaterThan(1000);
    expect(v4.socket.traffic.sent).toBeGreaterThan(1000);
  });

  it("serves two leechers at once", async () => {
    const bytes = content(MIB);
    const { swarm, socket } = await startSeeder(bytes);
    const outs = [join(folder(), "a"), join(folder(), "b")];
    const outcomes = await Promise.all(outs.map((out) => fetch(swarm, [socket.address], out)));
    expect(outcomes.map(({ complete }) => complete)).toEqual([true, true]);
    expect(outs.every((out) => holds(out, bytes))).toBe(true);
  });

  it("goes on when the seeder is started again", async () => {
    const bytes = content(MIB);
    const first = await startSeeder(bytes);
    const { address } = first.socket;
    let again: Promise<unknown> | undefined;
    const progress = new Milestone(MIB / 4, () => {
      again = stop(first).then(() => startSeeder(bytes, { udp: address }));
    });
    const out = join(folder(), "out");
    expect(await fetch(first.swarm, [address], out, { progress })).toMatchObject({ complete: true });
    expect(await again).toBeDefined();
    expect(holds(out, bytes)).toBe(true);
  });

  it.each([
    ["chunk size", { chunkSize: 2048 }],
    ["hash function", { hash: HashCode.sha1, id: new Uint8Array(20) }],
    ["swarm ID", { id: new Uint8Array(32).fill(7) }],
    ["addressing", { addressing: ChunkAddressing.bin32 }],
  ])("does not complete with another %s than the seeder's, and says who refused", async (_, metadata) => {
    const { swarm, socket } = await startSeeder(content(5000));
    const lines: string[] = [];
    const aborted = new AbortController();
    const outcome = await fetch(swarm, [socket.address], join(folder(), "out"), {
      metadata,
      signal: aborted.signal,
      warn: (line) => {
        lines.push(line);
        aborted.abort();
      },
    });
    expect(outcome.complete).toBe(false);
    expect(lines).toEqual([`127.0.0.1:${socket.address.port}: refuses: it has another swarm or other options`]);
  });
});

describe("resuming", () => {
  it("fetches only what is missing after it was stopped", async () => {
    const bytes = content(6 * MIB + 5);
    const { swarm, socket } = await startSeeder(bytes);
    const out = join(folder(), "out");
    const stopped = new AbortController();
    const progress = new Milestone(4 * MIB, () => stopped.abort());
    expect(await fetch(swarm, [socket.address], out, { signal: stopped.signal, progress })).toMatchObject({
      complete: false,
    });
    const before = socket.traffic.sent;
    expect(await fetch(swarm, [socket.address], out)).toMatchObject({ complete: true });
    expect(socket.traffic.sent - before).toBeLessThan(4 * MIB);
    expect(holds(out, bytes)).toBe(true);
  });

  const length = 900_000;
  const damages: [string, (bytes: Buffer) => Buffer, number][] = [
    ["is cut off", (bytes) => bytes.subarray(0, 700_123), 700_000],
    ["has wrong bytes here and there", (bytes) => withByte(withByte(bytes, 5000), 600_000), 700_000],
    ["lacks the beginning", (bytes) => bytes.fill(0, 0, 200_000), 700_000],
    ["is too long", (bytes) => Buffer.concat([bytes, content(3000)]), 700_000],
    ["is something else", () => content(1_000_000).reverse(), 1_200_000],
    ["is empty", () => Buffer.alloc(0), 1_200_000],
  ];
  it.each(damages)("replaces what is wrong in a file that %s", async (_, damage, most) => {
    const bytes = content(length);
    const { swarm, socket } = await startSeeder(bytes);
    const out = join(folder({ out: damage(Buffer.from(bytes)) }), "out");
    expect(await fetch(swarm, [socket.address], out)).toEqual({ complete: true, length });
    expect(holds(out, bytes)).toBe(true);
    expect(socket.traffic.sent).toBeLessThan(most);
  });

  it("needs no peer for a file that is complete", async () => {
    const bytes = content(5000);
    const seeder = await startSeeder(bytes);
    await stop(seeder);
    const out = join(folder({ out: bytes }), "out");
    expect(await fetch(seeder.swarm, [seeder.socket.address], out)).toEqual({ complete: true, length: 5000 });
  });

  it("does not touch a file that cannot be written", async () => {
    const out = join(folder(), "out");
    mkdirSync(out);
    await expect(fetch("00".repeat(32), [], out)).rejects.toThrow(/is no file/);
  });
});

describe("strangers", () => {
  it("cannot spoil a transfer with datagrams that are none, nor by their number", async () => {
    const bytes = content(200_000);
    const { swarm, socket } = await startSeeder(bytes);
    const strangers = Array.from({ length: 50 }, () => createSocket("udp4"));
    const rubbish = [[], [0], [0, 0, 0, 0], [0, 0, 0, 0, 99], [0, 0, 0, 0, 0, 1], [1, 2, 3, 4, 1]];
    for (const stranger of strangers)
      for (const octets of rubbish) stranger.send(Buffer.from(octets), socket.address.port, "127.0.0.1");
    const out = join(folder(), "out");
    expect(await fetch(swarm, [socket.address], out)).toMatchObject({ complete: true });
    expect(holds(out, bytes)).toBe(true);
    for (const stranger of strangers) stranger.close();
  });

  it("have a link from their first datagram until somebody closes it", async () => {
    const [a, b] = await Promise.all([0, 0].map((port) => UdpSocket.bind({ host: "127.0.0.1", port })));
    const ids: string[] = [];
    for (const data of ["one", "two"]) {
      const heard = new Promise<string>((resolve) => {
        a!.onStranger = (link, datagram) => {
          ids.push(link.id);
          link.close();
          resolve(Buffer.from(datagram).toString());
        };
      });
      b!.link(a!.address).send(Buffer.from(data.slice(0, 1)), Buffer.from(data.slice(1)));
      expect(await heard).toBe(data);
    }
    expect(ids).toEqual([b, b].map((socket) => `127.0.0.1:${socket!.address.port}`));
    await Promise.all([a!.close(), b!.close()]);
  });
});

it("a datagram that claims to come from port 0, where nobody can be answered, ends nothing", async () => {
  const socket = await UdpSocket.bind({ host: "127.0.0.1", port: 0 });
  expect(() => socket.link({ host: "127.0.0.1", port: 0 }).send(Buffer.from("answer"))).not.toThrow();
  await socket.close();
});

it("a port that is taken is refused", async () => {
  const taken = createSocket("udp4");
  taken.bind(0, "127.0.0.1");
  await once(taken, "listening");
  await expect(UdpSocket.bind({ host: "127.0.0.1", port: taken.address().port })).rejects.toThrow(/is in use/);
  taken.close();
});

it.each([
  ["rewritten", Buffer.alloc(20_001)],
  ["shorter", content(20_001).subarray(0, 10_000)],
])("a file that is %s while it is served is not served any more, and that is told", async (_, later) => {
  const bytes = content(20_001);
  const file = join(folder({ it: bytes }), "it");
  utimesSync(file, 1, 1);
  const { swarm, socket, changed } = await startSeeder(bytes, { file });
  writeFileSync(file, later);
  const aborted = new AbortController();
  const out = join(folder(), "out");
  const fetched = fetch(swarm, [socket.address], out, { signal: aborted.signal });
  expect((await changed).message).toContain("has changed");
  aborted.abort();
  expect(await fetched).toMatchObject({ complete: false });
  expect(statSync(out).size).toBe(0);
});

function withByte(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 1;
  return bytes;
}
