import { describe, expect, test } from "vitest";
import { Condition } from "../../src/link/condition.ts";
import { NatProbe } from "../../src/link/nat.ts";

/** The ability that shows in candidates "address kind". */
function ability(...candidates: string[]): string | undefined {
  const probe = new NatProbe();
  for (const text of candidates) {
    const [address, kind] = text.split(" ");
    const candidate = `candidate:1 1 udp 2122260223 ${address} 50000 typ ${kind} generation 0`;
    probe.note({ type: "candidate", candidate: { candidate, sdpMid: "0", sdpMLineIndex: 0 } });
  }
  return probe.ability;
}

describe("abilityNAT by our own ICE candidates", () => {
  test("a public address of our own: No-NAT", () => {
    expect(ability("198.51.100.7 host")).toBe("No-NAT");
    expect(ability("2001:db8::7 host", "198.51.100.1 srflx")).toBe("No-NAT");
  });

  test("an address that a STUN server sees: STUN", () => {
    expect(ability("192.168.1.5 host", "198.51.100.1 srflx")).toBe("STUN");
    expect(ability("7d3b8e5a.local host", "198.51.100.1 srflx", "203.0.113.1 relay")).toBe("STUN");
  });

  test("only a relay: TURN", () => {
    expect(ability("203.0.113.1 relay")).toBe("TURN");
  });

  test("nothing but private or hidden addresses shows nothing", () => {
    for (const address of ["10.0.0.1", "172.31.0.1", "100.64.0.1", "169.254.1.1", "fd00::1", "fe80::1", "x.local"]) {
      expect(ability(`${address} host`)).toBeUndefined();
    }
    expect(ability()).toBeUndefined();
  });
});

describe("access and power, as far as the browser tells", () => {
  test("both where it tells, and what is known now where they change", async () => {
    const battery = { charging: false };
    const navigator = { connection: { type: "wifi" }, getBattery: () => Promise.resolve(battery) };
    const condition = new Condition(navigator);
    await Promise.resolve();
    expect(condition.properties).toEqual({ access: "wifi", power: "battery" });
    battery.charging = true;
    navigator.connection.type = "cellular";
    expect(condition.properties).toEqual({ access: "cellular", power: "mains" });
  });

  test("nothing where it does not", async () => {
    expect(new Condition(undefined).properties).toEqual({});
    const refused = new Condition({
      connection: { type: "carrier pigeon" },
      getBattery: () => Promise.reject(new Error("not allowed")),
    });
    await Promise.resolve();
    expect(refused.properties).toEqual({});
  });
});
