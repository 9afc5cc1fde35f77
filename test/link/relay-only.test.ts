import { describe, expect, test } from "vitest";
import { relayedOnly } from "../../src/link/relay-only.ts";
import type { Signal } from "../../src/link/signal.ts";

const OWN = "198.51.100.7";
const candidate = (text: string): Signal => ({
  type: "candidate",
  candidate: { candidate: text, sdpMid: "0", sdpMLineIndex: 0 },
});
const RELAYED = "candidate:1 1 udp 7 203.0.113.9 50000 typ relay raddr 0.0.0.0 rport 0 generation 0";

describe("what a relay-only peer says", () => {
  test.each(["host", "srflx raddr 192.168.0.2 rport 1", "prflx raddr 192.168.0.2 rport 1"])(
    "no candidate of type %s",
    (type) => {
      expect(relayedOnly(candidate(`candidate:1 1 udp 7 ${OWN} 50000 typ ${type}`))).toBeUndefined();
    },
  );

  test("a relayed candidate without the address that the relay works for", () => {
    const real = RELAYED.replace("0.0.0.0 rport 0", `${OWN} rport 50001`);
    expect(relayedOnly(candidate(real))).toEqual(candidate(RELAYED));
    expect(relayedOnly(candidate(RELAYED))).toEqual(candidate(RELAYED));
  });

  test("that there are no more candidates", () => {
    expect(relayedOnly(candidate(""))).toEqual(candidate(""));
  });

  test("a description with its relayed candidates only", () => {
    const lines = [
      "v=0",
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
      "c=IN IP4 0.0.0.0",
      `a=candidate:2 1 udp 9 ${OWN} 50000 typ host`,
      `a=${RELAYED.replace("0.0.0.0 rport 0", `${OWN} rport 50001`)}`,
      "a=setup:actpass",
      "",
    ];
    const sdp = [...lines.slice(0, 3), `a=${RELAYED}`, ...lines.slice(5)].join("\r\n");
    expect(relayedOnly({ type: "offer", sdp: lines.join("\r\n") })).toEqual({ type: "offer", sdp });
  });
});
