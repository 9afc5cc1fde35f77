import { describe, expect, test } from "vitest";
import { readChannel } from "../../src/core/codec/datagram.ts";
import type { Message } from "../../src/core/codec/messages.ts";
import { handshakeOptions } from "../../src/core/connection/metadata.ts";
import { CHANNEL_SETTINGS } from "../../src/core/connection/settings.ts";
import { openSlots } from "../../src/core/swarm/choker.ts";
import {
  ALL,
  alter,
  attack,
  CHUNKS,
  content,
  expectBounded,
  expectComplete,
  listen,
  rejected,
  SEEDS,
  serving,
  transmit,
  uploadedTo,
  viewing,
  WEATHER,
} from "./siege.ts";
import { seeded, Simulator } from "./simulator.ts";

/**
 * The threats of RFC 7574 §13.6, one test for each: a misbehaving peer built on our own core attacks, the transfer of
 * others completes, the victim's memory stays bounded, and the attacker is dropped or ignored. HAVE.2 is in
 * choker.test.ts too, PEX in pex.test.ts, floods in hostile.test.ts, INTEGRITY.2 comes with live streaming.
 */

describe("RFC 7574 §13.6", () => {
  test.each(SEEDS)(
    "RFC 7574 §13.6.1 HS.1: who opens channels without end fills no slot that we need for our own (seed %i)",
    (seed) => {
      const net = new Simulator(seed, WEATHER);
      const [good, victim] = [net.join("good", content.options), net.join("victim", content.options)];
      good.seed(content);
      const attackers = Array.from({ length: 80 }, (_, i) =>
        net.join(`bad${i}`, content.options, { uplink: Infinity }),
      );
      const options = handshakeOptions(content.options.metadata, true, false);
      for (const bad of attackers) {
        bad.step({ type: "link", link: "victim", maxDatagram: 65_536 });
        victim.step({ type: "link", link: bad.id, maxDatagram: 65_536 });
        for (let channel = 1; channel <= 100; channel++)
          transmit(net, bad, victim, 0, [{ type: "HANDSHAKE", channel, options }]);
      }
      expect(net.run(() => [...victim.swarm.connections].length >= 256, 100)).toBe(true);
      victim.leech(CHUNKS);
      net.connect(victim, good);
      expectComplete({ net, bad: attackers[0]!, victim }, [victim]);
      net.run(() => false, net.now + 20_000);
      expect([...victim.swarm.connections].map(({ link }) => link)).toEqual(["good"]);
    },
  );

  test.each(SEEDS)(
    "RFC 7574 §13.6.2 HAVE.1: who claims to have what it does not deliver counts as slow and is left (seed %i)",
    (seed) => {
      const siege = viewing(seed, (all) => alter(all, (message) => (message.type === "DATA" ? undefined : message)));
      const heard = listen(siege);
      expectComplete(siege, [siege.victim]);
      const asked = heard.flatMap((message) => (message.type === "REQUEST" ? [message.chunks] : []));
      const chunks = asked.reduce((sum, { start, end }) => sum + end - start + 1, 0);
      expect(chunks).toBeLessThan(CHUNKS / 4);
      expect(new Set(asked.map(({ start }) => start)).size).toBe(asked.length);
    },
  );

  test.each(SEEDS)("RFC 7574 §13.6.2 HAVE.2: who claims to have nothing hinders nobody (seed %i)", (seed) => {
    const siege = viewing(seed, (all) => alter(all, (message) => (message.type === "HAVE" ? undefined : message)));
    expectComplete(siege, [siege.victim]);
    expect(uploadedTo(siege.bad, "victim")).toBe(0);
  });

  test.each(SEEDS)("RFC 7574 §13.6.3 DATA.1: bogus chunks are caught and end the dealings (seed %i)", (seed) => {
    const siege = viewing(seed, (all) =>
      alter(all, (message) => (message.type === "DATA" ? { ...message, data: new Uint8Array(1_024) } : message)),
    );
    expectComplete(siege, [siege.victim]);
    expect(rejected(siege.victim)).toEqual(["bad"]);
    expect(siege.victim.swarm.connection("bad")).toBeUndefined();
  });

  test.each(SEEDS)("RFC 7574 §13.6.3 DATA.2: unrequested chunks are not even hashed (seed %i)", (seed) => {
    let digests = 0;
    const siege = viewing(seed, (all) => {
      const step = all.victim.endpoint.step.bind(all.victim.endpoint);
      all.victim.endpoint.step = (input, now) => {
        const outputs = step(input, now);
        digests += outputs.filter(({ type }) => type === "digest").length;
        return outputs;
      };
      alter(all, (message) => (message.type === "HAVE" ? undefined : message));
      attack(all, 1, (n) => [
        {
          type: "DATA",
          chunks: { start: (n * 7) % (2 * CHUNKS), end: (n * 7) % (2 * CHUNKS) },
          timestamp: 0n,
          data: new Uint8Array(1_024),
        },
      ]);
    });
    expectComplete(siege, [siege.victim]);
    expect(digests).toBe(CHUNKS);
    expect(rejected(siege.victim)).toEqual([]);
  });

  test.each(SEEDS)("RFC 7574 §13.6.4 ACK.1: acknowledging what was never sent changes nothing (seed %i)", (seed) => {
    const siege = serving(seed);
    attack(siege, 1, (n) => [
      { type: "ACK", chunks: n % 2 === 0 ? ALL : { start: (n * 13) % CHUNKS, end: (n * 13) % CHUNKS }, delay: 5n },
    ]);
    expectComplete(siege, [siege.honest]);
    expect(siege.victim.swarm.connection("bad")!.peerHas.size).toBe(0);
  });

  const delays: [string, (n: number) => bigint][] = [
    ["none at all", () => 0n],
    ["longer than there has been time", () => 2n ** 64n - 1n],
    ["negative, as of clocks that differ", () => 2n ** 64n - 5_000_000n],
    ["now this, now that", (n) => [0n, 2n ** 63n, 1n, 2n ** 64n - 1n][n % 4]!],
  ];
  test.each(delays)(
    "RFC 7574 §13.6.4 ACK.2: a delay that cannot be, %s, neither opens the window beyond its limit nor starves others",
    (_, delay) => {
      /** When the honest one has everything, with a neighbour that lies or does not. */
      const time = (lying: boolean): number => {
        const siege = serving(1);
        let n = 0;
        if (lying) alter(siege, (message) => (message.type === "ACK" ? { ...message, delay: delay(n++) } : message));
        siege.bad.leech(CHUNKS);
        let widest = 0;
        const watch = (): void => {
          widest = Math.max(widest, siege.victim.swarm.connection("bad")?.upload.window ?? 0);
          siege.net.at(siege.net.now + 5, watch);
        };
        watch();
        expectComplete(siege, [siege.honest]);
        expect(widest).toBeLessThanOrEqual(CHANNEL_SETTINGS.maxWindow);
        const { now } = siege.net;
        expectComplete(siege, [siege.bad], 60_000);
        return now;
      };
      expect(time(true)).toBeLessThan(2 * time(false));
    },
  );

  test.each(SEEDS)("RFC 7574 §13.6.5 INTEGRITY.1: who sends hashes that prove nothing is dropped (seed %i)", (seed) => {
    const siege = viewing(seed, (all) =>
      alter(all, (message) => (message.type === "INTEGRITY" ? { ...message, hash: new Uint8Array(32) } : message)),
    );
    expectComplete(siege, [siege.victim]);
    expect(siege.victim.swarm.connection("bad")?.download.isDoubted(0) ?? true).toBe(true);
    expect(uploadedTo(siege.bad, "victim")).toBeLessThan((CHUNKS / 4) * 1_024);
  });

  test.each(SEEDS)(
    "RFC 7574 §13.6.5 INTEGRITY.1: a flood of hashes costs little and keeps little (seed %i)",
    (seed) => {
      const siege = viewing(seed, (all) =>
        attack(all, 2, (n) =>
          Array.from({ length: 200 }, (_, i): Message => {
            const chunk = (n * 200 + i) % (4 * CHUNKS);
            return { type: "INTEGRITY", chunks: { start: chunk, end: chunk }, hash: new Uint8Array(32).fill(n) };
          }),
        ),
      );
      expectComplete(siege, [siege.victim]);
    },
  );

  test.each(SEEDS)(
    "RFC 7574 §13.6.6 REQUEST.1: 80,000 overlapping REQUESTs do not keep content from another peer (seed %i)",
    (seed) => {
      const siege = serving(seed);
      const random = seeded(seed);
      let sent = 0;
      attack(siege, 5, () => {
        if (sent >= 80_000) return [];
        sent += 1_000;
        return Array.from({ length: 1_000 }, (): Message => {
          const start = Math.floor(random() * CHUNKS);
          return { type: "REQUEST", chunks: { start, end: start + Math.floor(random() * 2 ** 31) } };
        });
      });
      expectComplete(siege, [siege.honest]);
      siege.net.run(() => sent >= 80_000, siege.net.now + 1_000);
      expect(sent).toBe(80_000);
      expectBounded(siege.victim);
      expect(siege.victim.swarm.connection("bad")!.state).toBe("established");
    },
  );

  describe.each([
    ["what it gets, but wants it again", CHUNKS],
    ["some of it, to look fast", 50],
    ["nothing", 0],
  ])("RFC 7574 §13.6.6 REQUEST.1: who asks for everything for ever, and acknowledges %s,", (_, acknowledged) => {
    test.each(SEEDS)("gets its share and no more (seed %i)", (seed) => {
      const siege = serving(seed);
      siege.bad.leech(CHUNKS);
      let acks = 0;
      alter(siege, (message) =>
        message.type === "HAVE" || (message.type === "ACK" && acks++ >= acknowledged) ? undefined : message,
      );
      attack(siege, 20, () => [{ type: "REQUEST", chunks: { start: 0, end: CHUNKS - 1 } }]);
      expectComplete(siege, [siege.honest]);
      expect(uploadedTo(siege.victim, "bad")).toBeLessThan(3 * uploadedTo(siege.victim, "honest"));
      // Nor later, when it is alone.
      const before = uploadedTo(siege.victim, "bad");
      siege.net.run(() => false, siege.net.now + 10_000);
      expect(uploadedTo(siege.victim, "bad") - before).toBeLessThan(5 * CHUNKS * 1_024);
    });
  });

  test.each(SEEDS)("RFC 7574 §13.6.7 CANCEL.1: CANCEL for what was not requested is ignored (seed %i)", (seed) => {
    const siege = serving(seed);
    attack(siege, 1, (n) => [
      {
        type: "CANCEL",
        chunks: n % 2 === 0 ? { start: 2 * CHUNKS, end: ALL.end } : { start: CHUNKS, end: CHUNKS + n },
      },
    ]);
    siege.bad.leech(CHUNKS);
    expectComplete(siege, [siege.honest, siege.bad]);
    attack(siege, 1, () => [{ type: "CANCEL", chunks: ALL }]);
    siege.net.run(() => false, siege.net.now + 1_000);
    expect(rejected(siege.victim)).toEqual([]);
  });

  test.each(SEEDS)(
    "RFC 7574 §13.6.8 CHOKE.1: who asks although it is choked gets CHOKE again, and nothing else (seed %i)",
    (seed) => {
      const siege = serving(seed, { choker: openSlots(1) });
      siege.bad.step({ type: "unlink", link: "victim" });
      siege.victim.step({ type: "unlink", link: "bad" });
      expect(siege.net.run(() => siege.honest.store.size > 0, 1_000)).toBe(true);
      siege.net.connect(siege.bad, siege.victim);
      const heard = listen(siege);
      attack(siege, 10, (n) => [{ type: "REQUEST", chunks: { start: n % CHUNKS, end: CHUNKS - 1 } }]);
      expectComplete(siege, [siege.honest]);
      expect(heard.filter(({ type }) => type === "CHOKE").length).toBeGreaterThan(10);
      expect(heard.filter(({ type }) => type === "DATA")).toEqual([]);
    },
  );

  test.each(SEEDS)("RFC 7574 §13.6.9 UNCHOKE.1: UNCHOKE without CHOKE is ignored (seed %i)", (seed) => {
    const siege = viewing(seed, (all) => attack(all, 1, () => [{ type: "UNCHOKE" }]));
    expectComplete(siege, [siege.victim]);
    expect(rejected(siege.victim)).toEqual([]);
  });

  test.each(SEEDS)(
    "RFC 7574 §13.6.9 UNCHOKE.1: who chokes and unchokes all the time does not keep chunks from others (seed %i)",
    (seed) => {
      const siege = viewing(seed, (all) => {
        alter(all, (message) => (message.type === "DATA" ? undefined : message));
        attack(all, 1, () => [{ type: "CHOKE" }, { type: "UNCHOKE" }]);
      });
      const heard = listen(siege);
      expectComplete(siege, [siege.victim], 3_000);
      const asked = heard.flatMap((message) => (message.type === "REQUEST" ? [message.chunks] : []));
      expect(asked.reduce((sum, { start, end }) => sum + end - start + 1, 0)).toBeLessThan(3 * CHUNKS);
    },
  );

  test.each(SEEDS)("RFC 7574 §13.6.9 UNCHOKE.2: who unchokes and does not deliver counts as slow (seed %i)", (seed) => {
    const asked: number[] = [];
    const siege = viewing(seed, (all) => {
      const { bad, net } = all;
      bad.tamper = (head, payload) => {
        if (payload === undefined) return readChannel(head) === 0 ? head : Uint8Array.from([...head, 11]);
        asked.push(net.now);
        return undefined;
      };
    });
    expectComplete(siege, [siege.victim]);
    expect(asked.length).toBeLessThan(CHUNKS / 4);
  });

  test("RFC 7574 §13.6.11 unsolicited messages: without a handshake nothing is answered, whatever it is", () => {
    const siege = serving(1);
    const { net, bad, victim, honest } = siege;
    // A link without a channel, in whose name anything can be sent.
    const stranger = net.join("stranger", content.options, { uplink: Infinity });
    victim.step({ type: "link", link: "stranger", maxDatagram: 65_536 });
    const heard = listen({ ...siege, bad: stranger });
    const random = seeded(4);
    const messages: Message[] = [
      { type: "PEX_REQ" },
      { type: "PEX_RESv4", address: Uint8Array.of(192, 0, 2, 1), port: 7 },
      { type: "REQUEST", chunks: { start: 0, end: CHUNKS - 1 } },
      { type: "HAVE", chunks: { start: 0, end: CHUNKS - 1 } },
      { type: "CHOKE" },
      { type: "ACK", chunks: { start: 0, end: 5 }, delay: 0n },
    ];
    // Also by the channel IDs that the others use: they are theirs only over their own links.
    const channels = (): number[] => [0, 1, ...[...victim.swarm.connections].map(({ channel }) => channel)];
    const again = (): void => {
      const channel = channels()[Math.floor(random() * channels().length)]!;
      transmit(
        net,
        stranger,
        victim,
        channel,
        messages.toSorted(() => random() - 0.5),
      );
      net.at(net.now + 1, again);
    };
    again();
    bad.leech(CHUNKS);
    expectComplete(siege, [honest, bad]);
    expect(heard).toEqual([]);
    expect([...victim.swarm.connections]).toHaveLength(2);
  });
});
