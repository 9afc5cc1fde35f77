import { describe, expect, test } from "vitest";
import type { Dial, DialEvents, DialOptions } from "../../src/link/dial.ts";
import type { Signal } from "../../src/link/signal.ts";
import { Calls } from "../../src/worker/calls.ts";
import { Dialler } from "../../src/worker/dialler.ts";

const OPTIONS: DialOptions = { initiator: true, iceServers: [], relayOnly: false };
const OFFER: Signal = { type: "offer", sdp: "v=0" };

/** A host's dialler and the page's calls, with nothing between them; and a browser that notes what it must do. */
function between() {
  const browser: { options: DialOptions; events: DialEvents; did: unknown[] }[] = [];
  const dial: Dial = (options, events) => {
    const one = { options, events, did: [] as unknown[] };
    browser.push(one);
    return {
      signal: (signal) => one.did.push(signal),
      close: () => {
        one.did.push("close");
        events.ended();
      },
    };
  };
  const dialler: Dialler = new Dialler((order) => calls.received(order));
  const calls = new Calls(dial, (message) => dialler.received(message));
  const noted: unknown[] = [];
  const events: DialEvents = {
    signal: (signal) => noted.push(signal),
    channel: (channel) => noted.push(channel),
    connected: (maxMessage) => noted.push(maxMessage),
    gathered: () => noted.push("gathered"),
    ended: () => noted.push("ended"),
  };
  return { browser, dialler, calls, noted, events };
}

describe("connections of a host that are the page's", () => {
  test("what the page is told to do, and what becomes of it", () => {
    const { browser, dialler, noted, events } = between();
    const call = dialler.dial(OPTIONS, events);
    const [page] = browser;
    expect(page!.options).toEqual(OPTIONS);
    const channel = { label: "ppspp" } as RTCDataChannel;
    page!.events.channel(channel);
    page!.events.signal(OFFER);
    call.signal({ type: "answer", sdp: "v=0" });
    page!.events.connected(262_144);
    page!.events.gathered();
    page!.events.ended();
    expect(noted).toEqual([channel, OFFER, 262_144, "gathered", "ended"]);
    expect(page!.did).toEqual([{ type: "answer", sdp: "v=0" }]);
    call.close();
    expect(page!.did).toHaveLength(1);
  });

  test("several at a time are told apart", () => {
    const { browser, dialler, events } = between();
    dialler.dial(OPTIONS, events);
    const second = dialler.dial({ ...OPTIONS, initiator: false }, events);
    second.signal(OFFER);
    expect(browser.map(({ did }) => did)).toEqual([[], [OFFER]]);
    second.close();
    expect(browser.map(({ did }) => did)).toEqual([[], [OFFER, "close"]]);
  });

  test("who hangs up hears nothing more, and a channel that comes too late is closed", () => {
    const { dialler, browser, noted, events } = between();
    dialler.dial(OPTIONS, events).close();
    let closed = 0;
    browser[0]!.events.channel({ close: () => closed++ } as unknown as RTCDataChannel);
    expect(noted).toEqual([]);
    expect(closed).toBe(1);
  });

  test("a page that goes ends all, and the host hears of it", () => {
    const { dialler, calls, browser, noted, events } = between();
    dialler.dial(OPTIONS, events);
    dialler.dial(OPTIONS, events);
    calls.close();
    expect(browser.map(({ did }) => did)).toEqual([["close"], ["close"]]);
    expect(noted).toEqual(["ended", "ended"]);
  });
});
