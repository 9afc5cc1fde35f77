import { beforeEach, describe, expect, test } from "vitest";
import { CANDIDATES_MAX, candidatesIn, type Signal } from "../../src/link/signal.ts";
import { WebRtcLink } from "../../src/link/webrtc.ts";

const HOST = "candidate:1 1 udp 1 10.0.0.1 9 typ host";
const candidate: Signal = {
  type: "candidate",
  candidate: { candidate: HOST, sdpMid: "0", sdpMLineIndex: 0 },
};
const offer = (candidates: number): Signal => ({
  type: "offer",
  sdp: "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" + `a=${HOST}\r\n`.repeat(candidates),
});

/** What the browser is told of the neighbour. */
let told: Signal[];
let link: WebRtcLink;

beforeEach(() => {
  told = [];
  link = new WebRtcLink({
    id: "7f",
    initiator: false,
    iceServers: [],
    dial: () => ({ signal: (signal) => told.push(signal), close: () => undefined }),
    signal: () => undefined,
    open: () => undefined,
    ended: () => undefined,
  });
});

const reached = (): number => told.reduce((sum, signal) => sum + candidatesIn(signal), 0);

describe("WebRtcLink", () => {
  test("takes one offer and no answer to it", () => {
    link.receive({ ...offer(0), type: "answer" } as Signal);
    link.receive(offer(0));
    link.receive(offer(1));
    expect(told).toEqual([offer(0)]);
  });

  test("takes a bounded number of candidates, those in the description included", () => {
    link.receive(offer(CANDIDATES_MAX - 2));
    for (let i = 0; i < CANDIDATES_MAX; i++) link.receive(candidate);
    expect(told).toHaveLength(3);
    expect(reached()).toBe(CANDIDATES_MAX);
  });

  test("and no more of them when they come before the description", () => {
    for (let i = 0; i < CANDIDATES_MAX; i++) link.receive(candidate);
    link.receive(offer(1));
    expect(reached()).toBe(CANDIDATES_MAX);
    link.receive(offer(0));
    expect(told.at(-1)).toEqual(offer(0));
  });
});
