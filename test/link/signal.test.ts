import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CANDIDATES_MAX, candidatesIn, parseSignal, type Signal } from "../../src/link/signal.ts";

const attempt = "0123abcd";
const sdp = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n";

describe("signalling payloads", () => {
  test.each([
    { type: "offer", attempt, sdp },
    { type: "answer", attempt, sdp },
    {
      type: "candidate",
      attempt,
      candidate: { candidate: "candidate:1 1 udp 1 10.0.0.1 9 typ host", sdpMid: "0", sdpMLineIndex: 0 },
    },
    { type: "refuse", attempt },
  ])("$type is taken", (payload) => {
    expect(parseSignal(payload)).toEqual(payload);
  });

  test("what is not known is left out", () => {
    expect(parseSignal({ type: "refuse", attempt, renegotiate: true })).toEqual({ type: "refuse", attempt });
  });

  test("a candidate without mid and line is one of the first section", () => {
    const parsed = parseSignal({ type: "candidate", attempt, candidate: { candidate: "" } });
    expect(parsed).toEqual({
      type: "candidate",
      attempt,
      candidate: { candidate: "", sdpMid: null, sdpMLineIndex: 0 },
    });
  });

  test("a description may have as many candidates as a neighbour may name, and no more", () => {
    const line = "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n";
    const full: Signal = { type: "offer", sdp: sdp + line.repeat(CANDIDATES_MAX) };
    expect(candidatesIn(full)).toBe(CANDIDATES_MAX);
    expect(parseSignal({ ...full, attempt })).toEqual({ ...full, attempt });
    // A browser may end its lines otherwise, or forgive a blank.
    for (const more of [line, line.replace("\r", ""), line.replace("a=", "a= ")]) {
      expect(parseSignal({ ...full, attempt, sdp: full.sdp + more })).toBeUndefined();
    }
  });

  test.each([
    ["no attempt", { type: "offer", sdp }],
    ["an attempt of another form", { type: "offer", attempt: "0123ABCD", sdp }],
    ["media", { type: "offer", attempt, sdp: `${sdp}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n` }],
    ["two data sections", { type: "offer", attempt, sdp: sdp + sdp }],
    ["no section", { type: "offer", attempt, sdp: "v=0\r\n" }],
    ["a huge description", { type: "offer", attempt, sdp: sdp + "a=x\r\n".repeat(2000) }],
    ["a huge candidate", { type: "candidate", attempt, candidate: { candidate: "x".repeat(513) } }],
    ["a candidate of another section", { type: "candidate", attempt, candidate: { candidate: "x", sdpMLineIndex: 1 } }],
    ["another type", { type: "renegotiate", attempt }],
  ])("%s is refused", (_, payload) => {
    expect(parseSignal(payload)).toBeUndefined();
  });

  test("any JSON is taken or refused, never thrown on", () => {
    const almost = fc.record(
      {
        type: fc.constantFrom("offer", "answer", "candidate", "refuse"),
        attempt: fc.oneof(fc.constant(attempt), fc.jsonValue()),
        sdp: fc.oneof(fc.constant(sdp), fc.jsonValue()),
        candidate: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(fc.property(fc.oneof(fc.jsonValue(), almost), (value) => void parseSignal(value)));
  });
});
