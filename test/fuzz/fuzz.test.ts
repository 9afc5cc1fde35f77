import { describe, expect, test, vi } from "vitest";
import { Endpoint } from "../../src/core/swarm/endpoint.ts";
import { FuzzFailure, Fuzzer } from "./fuzzer.ts";

/** What 12 attackers may make one endpoint keep; in a million datagrams it never was a tenth of it. */
const MOST_KEPT = { connections: 100, ranges: 2_000, hashes: 20_000, unproven: 2_000, uploads: 20_000 };

describe("mutated datagrams (RFC 7574 §3, §13.6)", () => {
  test.each([1, 2, 3])("neither throw nor pile up, and an honest peer is served (seed %i)", (seed) => {
    const fuzzer = new Fuzzer(seed);
    for (let part = 0; part < 10; part++) {
      fuzzer.run(700);
      const { kept } = fuzzer;
      for (const what of ["connections", "ranges", "hashes", "unproven", "uploads"] as const)
        expect(kept[what]).toBeLessThan(MOST_KEPT[what]);
      if (part % 5 === 4) fuzzer.serveHonestPeer();
    }
    expect(fuzzer.count).toBe(7_000);
    expect(fuzzer.refused.get("malformed")).toBeGreaterThan(100);
  });

  test("would not go unnoticed if they did harm: the failure names the datagram", () => {
    const fuzzer = new Fuzzer(4);
    const step = vi.spyOn(Endpoint.prototype, "step").mockImplementation(() => {
      throw new TypeError("broken");
    });
    try {
      expect(() => fuzzer.run(10)).toThrow(FuzzFailure);
      expect(() => fuzzer.run(10)).toThrow(/the endpoint threw: TypeError: broken/);
    } finally {
      step.mockRestore();
    }
  });
});
