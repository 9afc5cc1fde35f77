import { expect, test } from "vitest";
import { Host, type HostOptions } from "../../src/engine/host.ts";
import type { Link } from "../../src/engine/ports.ts";
import { systemClock, webDigest } from "../../src/engine/system.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { makeContent, seeded } from "../sim/simulator.ts";

/** A host with no time of its own: its timers and what it puts off are kept here. */
function stage(news: HostOptions["news"]) {
  const sent: Uint8Array[] = [];
  const timers = new Set<() => void>();
  const later: (() => void)[] = [];
  const link = (id: string): Link => ({
    id,
    maxDatagram: 65_536,
    reliable: false,
    send: (head) => void sent.push(head),
    close: () => undefined,
    onDatagram: undefined,
    onClose: undefined,
  });
  const host: Host = new Host({
    swarm: makeContent(1_000, 512, seeded(1)).options,
    store: new MemoryStore(),
    clock: {
      ...systemClock,
      after: (_, wake) => {
        timers.add(wake);
        return () => void timers.delete(wake);
      },
      soon: (work) => void later.push(work),
    },
    digest: webDigest,
    random32: () => 7,
    news,
  });
  return { host, link, sent, timers, later };
}

test("a listener that throws is heard of, and does not stop the host", () => {
  const { host, link, sent, later } = stage(() => {
    throw new Error("a listener's fault");
  });
  host.add(link("one"), true);
  host.drop("one");
  expect(later).toHaveLength(1);
  expect(later[0]).toThrow("a listener's fault");
  const before = sent.length;
  host.add(link("two"), true);
  expect(sent.length).toBe(before + 1);
});

test("a host that is closed by a listener says goodbye and leaves no timer behind", () => {
  const [a, b] = [stage(() => undefined), stage((news) => void (news.type === "opened" && b.host.close()))];
  const ends = [a.link("b"), b.link("a")] as const;
  a.host.add(ends[0], true);
  b.host.add(ends[1], false);
  const lastOfB: Uint8Array[] = [];
  for (let i = 0; i < 5; i++) {
    for (const data of a.sent.splice(0)) ends[1].onDatagram?.(data);
    for (const data of b.sent.splice(0)) {
      lastOfB.push(data);
      ends[0].onDatagram?.(data);
    }
    for (const work of [...a.later.splice(0), ...b.later.splice(0)]) work();
  }
  expect(b.timers.size).toBe(0);
  // Channel, HANDSHAKE, channel 0: the closing (RFC 7574 §8.4).
  expect([...lastOfB.at(-1)!.subarray(4, 9)]).toEqual([0, 0, 0, 0, 0]);
  expect(a.host.swarm.connection("b")).toBeUndefined();
});
