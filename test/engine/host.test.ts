import { expect, test } from "vitest";
import { Host } from "../../src/engine/host.ts";
import type { Link } from "../../src/engine/ports.ts";
import { systemClock, webDigest } from "../../src/engine/system.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { makeContent, seeded } from "../sim/simulator.ts";

test("a listener that throws does not stop the host", () => {
  const sent: Uint8Array[] = [];
  const link = (id: string): Link => ({
    id,
    maxDatagram: 65_536,
    reliable: false,
    send: (head) => void sent.push(head),
    close: () => undefined,
    onDatagram: undefined,
    onClose: undefined,
  });
  const host = new Host({
    swarm: makeContent(1_000, 512, seeded(1)).options,
    store: new MemoryStore(),
    clock: { ...systemClock, after: () => () => undefined },
    digest: webDigest,
    random32: () => 7,
    news: () => {
      throw new Error("a listener's fault");
    },
  });
  host.add(link("one"), true);
  expect(() => host.drop("one")).toThrow("a listener's fault");
  const before = sent.length;
  host.add(link("two"), true);
  expect(sent.length).toBe(before + 1);
});
