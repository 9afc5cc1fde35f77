import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { iceServersFor, parseIceServers } from "../../src/tracker/ice.ts";
import { edgePlace, Topology } from "../../src/tracker/place.ts";

describe("places", () => {
  const topology = new Topology({
    networks: { "198.51.100.0/24": { asn: "64496", country: "DE" }, "198.51.100.128/25": { country: "FR" } },
    "network-map": {
      home: { ipv4: ["198.51.100.0/24", "203.0.113.7/32"], ipv6: ["2001:db8::/32"] },
      world: { ipv4: ["0.0.0.0/0"], ipv6: ["::/0"] },
    },
    "cost-map": { home: { home: 1, world: 10 }, world: { world: 5 } },
  });

  test("the longest prefix has the last word", () => {
    expect(topology.placeOf("198.51.100.1")).toEqual({ asn: "64496", country: "DE", pid: "home" });
    expect(topology.placeOf("198.51.100.200")).toEqual({ asn: "64496", country: "FR", pid: "home" });
    expect(topology.placeOf("192.0.2.1")).toEqual({ pid: "world" });
    expect(topology.placeOf("2001:db8:5::1").pid).toBe("home");
    expect(topology.placeOf("2001:db9::1").pid).toBe("world");
    expect(topology.placeOf("::ffff:203.0.113.7").pid).toBe("home");
    expect(topology.placeOf("not an address")).toEqual({});
  });

  test("what the edge says comes before configuration, and only if it says it well", () => {
    const edge = edgePlace({ asn: 64500, country: "AT", colo: "VIE" });
    expect(topology.placeOf("198.51.100.1", edge)).toEqual({ asn: "64500", country: "AT", pid: "home" });
    expect(edgePlace({ asn: "64500", country: "Austria" })).toEqual({});
    expect(edgePlace(undefined)).toEqual({});
  });

  test("costs are of the ALTO cost map, relative to the highest, and unknown where it is silent", () => {
    expect(topology.cost({ pid: "home" }, { pid: "home" })).toBe(0.1);
    expect(topology.cost({ pid: "home" }, { pid: "world" })).toBe(1);
    expect(topology.cost({ pid: "world" }, { pid: "home" })).toBeUndefined();
    expect(topology.cost({}, { pid: "home" })).toBeUndefined();
  });

  test("a document with a mistake in it is refused by name", () => {
    expect(() => new Topology({ networks: { "198.51.100.0/33": {} } })).toThrow("not a prefix: 198.51.100.0/33");
    expect(() => new Topology({ networks: { "198.51.100.0": {} } })).toThrow("not a prefix: 198.51.100.0");
  });
});

describe("ICE servers", () => {
  const setting =
    '[{"urls":"stun:stun.example"},{"urls":["turn:turn.example:3478","turns:turn.example"],"secret":"s3cret"}]';

  test("each peer gets a TURN credential of its own that expires, as TURN servers compute it", async () => {
    const now = 1_700_000_000_500;
    const [stun, turn] = await iceServersFor(parseIceServers(setting), "peer-1", now, 3600);
    expect(stun).toEqual({ urls: ["stun:stun.example"] });
    const username = "1700003600:peer-1";
    const credential = createHmac("sha1", "s3cret").update(username).digest("base64");
    expect(turn).toEqual({ urls: ["turn:turn.example:3478", "turns:turn.example"], username, credential });
  });

  test("a setting with a mistake in it is refused", () => {
    for (const text of ["{", "{}", "[1]", '[{"urls":"http://example"}]', '[{"urls":"turn:a","secret":""}]']) {
      expect(() => parseIceServers(text)).toThrow(RangeError);
    }
  });
});
