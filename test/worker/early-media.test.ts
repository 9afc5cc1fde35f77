import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { EarlyResponse } from "../../src/engine/http-source.ts";
import { EarlyMedia } from "../../src/worker/early-media.ts";
import { type EarlyAnswer, epochMs } from "../../src/worker/protocol.ts";

describe("EarlyMedia", () => {
  let server: Server;
  let url: string;
  let came: EarlyAnswer[];
  let requests: { readonly range: string | undefined; readonly message: IncomingMessage }[];

  beforeEach(async () => {
    requests = [];
    came = [];
    // One byte, and never an end, but for what is whole.
    server = createServer((message, response) => {
      requests.push({ range: message.headers.range, message });
      response.write("1");
      if (message.url === "/whole") response.end("2");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/0.m4s`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const asked = (count: number) => expect.poll(() => requests.length).toBe(count);
  const ended = (request: number) => expect.poll(() => requests[request]!.message.destroyed).toBe(true);

  test("its answer is the engine's, once; an abort of the engine's ends it", async () => {
    const early = new EarlyMedia((answer) => came.push(answer));
    const before = performance.now();
    early.ask(url);
    const after = performance.now();
    await asked(1);
    const abort = new AbortController();
    const response = await early.fetch(url, { headers: {}, signal: abort.signal });
    expect(response.status).toBe(200);
    const { askedAt } = response as EarlyResponse;
    expect(askedAt).toBeGreaterThanOrEqual(before);
    expect(askedAt).toBeLessThanOrEqual(after);
    expect(requests).toHaveLength(1);
    await early.fetch(url);
    expect(requests).toHaveLength(2);
    abort.abort();
    await ended(0);
  });

  test("every request passes a Service Worker of ours, which would ask this very engine", async () => {
    const urls: string[] = [];
    const global = vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
      urls.push(input as string);
      return new Response("1");
    });
    const early = new EarlyMedia((answer) => came.push(answer));
    await early.fetch(url);
    early.ask(url);
    await early.fetch(url, { headers: { Range: "bytes=0-0" } });
    global.mockRestore();
    expect(urls).toEqual([`${url}#ppsp`, `${url}#ppsp`, `${url}#ppsp`]);
  });

  test("where the engine wants less, it ends", async () => {
    const early = new EarlyMedia((answer) => came.push(answer));
    early.ask(url);
    await asked(1);
    await early.fetch(url, { headers: { Range: "bytes=0-0" } });
    expect(requests[1]!.range).toBe("bytes=0-0");
    await ended(0);
  });

  test("where nobody wants it, it ends", async () => {
    const early = new EarlyMedia((answer) => came.push(answer));
    early.ask(url);
    await asked(1);
    early.drop(url);
    await ended(0);
    await early.fetch(url);
    expect(requests).toHaveLength(2);
  });

  test("what was whole before it is wanted came no slower for that", async () => {
    const early = new EarlyMedia((answer) => came.push(answer));
    const whole = new URL("/whole", url).href;
    early.ask(whole);
    await expect.poll(() => came.length).toBe(1);
    const tookMs = came[0]!.endedAt - came[0]!.firstByteAt;
    const wantedAt = performance.now();
    const { answeredAt } = (await early.fetch(whole)) as EarlyResponse;
    expect(answeredAt).toBeGreaterThanOrEqual(wantedAt - tookMs);
  });

  test("the page is given what has come as a whole, and the engine has it, too", async () => {
    const early = new EarlyMedia((answer) => came.push(answer));
    const whole = new URL("/whole", url).href;
    const before = epochMs();
    early.ask(whole);
    early.ask(url);
    expect(early.whole(whole)).toBe(false);
    await expect.poll(() => came).toHaveLength(1);
    const [answer] = came;
    expect(Buffer.from(answer!.bytes).toString()).toBe("12");
    expect(answer!.url).toBe(whole);
    const times = [before, answer!.askedAt, answer!.firstByteAt, answer!.endedAt, epochMs()];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect([early.whole(whole), early.whole(url), early.whole()]).toEqual([true, false, false]);
    expect(await (await early.fetch(whole)).text()).toBe("12");
    expect(requests).toHaveLength(2);
    early.close();
  });

  test("where everything is verified before it is played, the page is given nothing", async () => {
    const early = new EarlyMedia((answer) => came.push(answer));
    early.shows = false;
    const whole = new URL("/whole", url).href;
    early.ask(whole);
    expect(await (await early.fetch(whole)).text()).toBe("12");
    expect(came).toEqual([]);
  });

  test("other resources go past it", async () => {
    const early = new EarlyMedia((answer) => came.push(answer));
    early.ask(url);
    await early.fetch(`${url}?other`);
    await asked(2);
    early.drop(url);
  });
});
