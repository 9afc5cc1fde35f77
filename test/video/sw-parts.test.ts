import { afterEach, describe, expect, test, vi } from "vitest";
import { resourceUrl, type Answer, type Ask } from "../../src/sw/protocol.ts";
import { contentType, locate, parseRange } from "../../src/sw/range.ts";
import { Relay, relayBody, type Head } from "../../src/sw/relay.ts";
import { Roster } from "../../src/sw/roster.ts";

describe("parseRange", () => {
  test.each([
    ["bytes=0-", { first: 0 }],
    ["bytes=5-9", { first: 5, last: 9 }],
    ["bytes=9-5", undefined],
    ["bytes=-5", undefined],
    ["bytes=0-1,3-4", undefined],
    ["items=0-1", undefined],
  ])("%s", (header, range) => {
    expect(parseRange(header)).toEqual(range);
  });
});

describe("locate", () => {
  test("a whole resource answers any range that it overlaps", () => {
    expect(locate({ length: 10 }, undefined)).toEqual({ offset: 0, length: 10 });
    expect(locate({ length: 10 }, { first: 4 })).toEqual({ offset: 4, length: 6 });
    expect(locate({ length: 10 }, { first: 4, last: 99 })).toEqual({ offset: 4, length: 6 });
    expect(locate({ length: 10 }, { first: 10 })).toBeUndefined();
  });

  test("a published range answers only for what is inside of it", () => {
    const file = { offset: 100, length: 10 };
    expect(locate(file, { first: 100, last: 109 })).toEqual({ offset: 0, length: 10 });
    expect(locate(file, { first: 105, last: 106 })).toEqual({ offset: 5, length: 2 });
    expect(locate(file, { first: 105, last: 110 })).toBeUndefined();
    expect(locate(file, { first: 105 })).toBeUndefined();
    expect(locate(file, undefined)).toBeUndefined();
  });
});

describe("Roster", () => {
  test("prefers the page that asks, then the latest", () => {
    const roster = new Roster();
    roster.serve("a", "p", ["/1", "/2"]);
    roster.serve("b", "p", ["/1"]);
    expect(roster.find("/1", "a")).toEqual({ client: "a", presentation: "p" });
    expect(roster.find("/1", "c")).toEqual({ client: "b", presentation: "p" });
    expect(roster.find("/2", "c")).toEqual({ client: "a", presentation: "p" });
    expect(roster.find("/3", "a")).toBeUndefined();
  });

  test("a page leaves one presentation or all", () => {
    const roster = new Roster();
    roster.serve("a", "p", ["/1"]);
    roster.serve("a", "q", ["/2"]);
    roster.leave("a", "p");
    expect(roster.find("/1", "a")).toBeUndefined();
    expect(roster.find("/2", "a")).toEqual({ client: "a", presentation: "q" });
    roster.leave("a");
    expect(roster.find("/2", "a")).toBeUndefined();
  });
});

test("resourceUrl leaves queries and fragments out", () => {
  expect(resourceUrl("https://o/a/b.m4s?sig=1?#x")).toBe("https://o/a/b.m4s");
});

test("contentType goes by the name", () => {
  expect(contentType("https://o/a.b/c.M4S")).toBe("video/mp4");
  expect(contentType("https://o/a.b/c")).toBe("application/octet-stream");
});

/** The page's end of a request, which answers each pull with the next of these. */
function page(answers: readonly Answer[]): { relay: Relay; asked: Ask[]; port: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  const asked: Ask[] = [];
  const left = [...answers];
  port2.onmessage = (event: MessageEvent<Ask>) => {
    asked.push(event.data);
    const answer = event.data.type === "pull" ? left.shift() : undefined;
    if (answer !== undefined) port2.postMessage(answer);
  };
  return { relay: new Relay(port1), asked, port: port2 };
}

const bytes = (...values: number[]): Answer => ({ type: "bytes", bytes: new Uint8Array(values).buffer });
const head = (length: number): Head => ({ type: "head", first: 0, length, total: length });

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("relayBody", () => {
  test("asks for each part and ends when all have come", async () => {
    const { relay, asked, port } = page([bytes(1, 2), bytes(3)]);
    const body = relayBody(relay, head(3), new Request("http://localhost/a"));
    expect(await new Response(body).arrayBuffer()).toEqual(new Uint8Array([1, 2, 3]).buffer);
    await expect.poll(() => asked.map(({ type }) => type)).toEqual(["pull", "pull", "cancel"]);
    port.close();
  });

  test("more than was announced is an error, and so is less when the network has no more either", async () => {
    for (const answers of [[bytes(1, 2, 3, 4)], [bytes(1), { type: "end" } as const]]) {
      const { relay, port } = page(answers);
      const body = relayBody(relay, head(3), new Request("http://localhost:1/none"));
      await expect(new Response(body).arrayBuffer()).rejects.toThrow();
      port.close();
    }
  });

  test("a reader that stops tells the page", async () => {
    const { relay, asked, port } = page([bytes(1), bytes(2), bytes(3)]);
    const body = relayBody(relay, head(3), new Request("http://localhost/a"));
    await body.cancel();
    await expect.poll(() => asked.at(-1)?.type).toBe("cancel");
    port.close();
  });

  test("a page that falls silent is told that no more is wanted of it, also when the network fails", async () => {
    const fetched = vi.fn(() => Promise.resolve(new Response("gone", { status: 404 })));
    vi.stubGlobal("fetch", fetched);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { relay, asked, port } = page([]);
    const body = relayBody(relay, head(3), new Request("http://localhost/a"));
    const failed = expect(new Response(body).arrayBuffer()).rejects.toThrow(/HTTP 404/);
    await vi.advanceTimersByTimeAsync(10_000);
    await failed;
    expect(fetched).toHaveBeenCalledOnce();
    vi.useRealTimers();
    await expect.poll(() => asked.at(-1)?.type).toBe("cancel");
    port.close();
  });

  test("what a reader no longer wants is not fetched from the network when the page falls silent", async () => {
    const fetched = vi.fn(() => Promise.resolve(new Response("abc", { status: 200 })));
    vi.stubGlobal("fetch", fetched);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { relay, port } = page([]);
    const body = relayBody(relay, head(3), new Request("http://localhost/a"));
    await vi.advanceTimersByTimeAsync(500);
    await body.cancel();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(fetched).not.toHaveBeenCalled();
    port.close();
  });

  test("a reader that stops ends what the network is asked for", async () => {
    let signal: AbortSignal | null | undefined;
    const fetched = vi.fn((_url: string, init?: RequestInit) => {
      signal = init?.signal;
      return new Promise<Response>(() => undefined);
    });
    vi.stubGlobal("fetch", fetched);
    const { relay, port } = page([{ type: "end" }]);
    const body = relayBody(relay, head(3), new Request("http://localhost/a"));
    await vi.waitFor(() => expect(fetched).toHaveBeenCalledOnce());
    expect(signal?.aborted).toBe(false);
    await body.cancel();
    expect(signal?.aborted).toBe(true);
    port.close();
  });

  test("a page that does not answer at all gives no head", async () => {
    const { relay, port } = page([]);
    expect(await relay.head()).toBeUndefined();
    relay.close();
    port.close();
  });
});
