import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Presentation } from "../../src/core/content/presentation.ts";
import { PlaybackError } from "../../src/engine/errors.ts";
import { PagePort, type Engine } from "../../src/sw/page-port.ts";
import type { ByteRange, ToPage, ToWorker } from "../../src/sw/protocol.ts";
import { Relay, relayBody, type Head } from "../../src/sw/relay.ts";

const PRESENTATION = "https://o.example/ppsp.json";
const FILE = "https://o.example/a.m4s";
const LENGTH = 3;

/** Why the engine gives nothing, if it does not. */
let failure: Error | undefined;

const engine: Engine = {
  presentation: { files: [{ uri: "a.m4s", length: LENGTH }], renditions: [] } as unknown as Presentation,
  baseUrl: PRESENTATION,
  fileAt: (_url, offset = 0) => (offset < LENGTH ? 0 : undefined),
  async *fetch() {
    if (failure !== undefined) throw failure;
    yield { bytes: new Uint8Array([1, 2, 3]), source: "peer", early: false } as never;
  },
  setPlayhead: () => undefined,
};

/** What the page has said to the worker. */
let said: string[];
let container: EventTarget & { startMessages(): void; controller: object };
let port: PagePort;
const open: MessagePort[] = [];

beforeEach(() => {
  said = [];
  failure = undefined;
  container = Object.assign(new EventTarget(), { startMessages: () => undefined, controller: {} });
  vi.stubGlobal("navigator", { serviceWorker: container });
  const active = { postMessage: ({ ppsp }: ToWorker) => said.push(ppsp) };
  port = new PagePort(engine, PRESENTATION, { active } as unknown as ServiceWorkerRegistration);
});

afterEach(() => {
  port.close();
  for (const one of open.splice(0)) one.close();
  vi.unstubAllGlobals();
});

/** The worker asks; the page's main thread gets to it by `arrive`. */
function ask(range?: ByteRange): { relay: Relay; arrive: () => void } {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  const data: ToPage = { ppsp: "get", presentation: PRESENTATION, url: FILE, range, client: "c" };
  const event = Object.assign(new Event("message"), { data, ports: [port2] });
  return { relay: new Relay(port1), arrive: () => void container.dispatchEvent(event) };
}

describe("PagePort", () => {
  test("answers from the engine, and announces itself but once", async () => {
    const { relay, arrive } = ask();
    arrive();
    const head = (await relay.head()) as Head;
    expect(head).toEqual({ type: "head", first: 0, length: LENGTH, total: LENGTH });
    const body = await new Response(relayBody(relay, head, new Request(FILE))).arrayBuffer();
    expect(body).toEqual(new Uint8Array([1, 2, 3]).buffer);
    expect(said).toEqual(["serve"]);
  });

  test.each([
    ["would answer", undefined],
    ["would refuse", { first: LENGTH }],
  ])("a page that was too busy to answer announces itself when it gets to a request that it %s", async (_, range) => {
    const { relay, arrive } = ask(range);
    expect(await relay.head()).toBeUndefined();
    relay.giveUp();
    expect(said).toEqual(["serve"]);
    arrive();
    await expect.poll(() => said).toEqual(["serve", "serve"]);
  });

  test("a request that is taken back is no reason to announce", async () => {
    for (const range of [undefined, { first: LENGTH }]) {
      const { relay, arrive } = ask(range);
      arrive();
      await relay.head();
      relay.close();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(said).toEqual(["serve"]);
  });

  test.each([
    ["refuses are not taken from the network instead", "mismatch"],
    ["cannot get are", "http"],
  ] as const)("bytes that the engine %s", async (_, code) => {
    failure = new PlaybackError(code, "no");
    vi.stubGlobal("fetch", async () => new Response(new Uint8Array([6, 6, 6])));
    const { relay, arrive } = ask();
    arrive();
    const head = (await relay.head()) as Head;
    const body = new Response(relayBody(relay, head, new Request(FILE))).arrayBuffer();
    if (code === "mismatch") await expect(body).rejects.toThrow(/published/u);
    else expect(await body).toEqual(new Uint8Array([6, 6, 6]).buffer);
  });

  test("closed it announces nothing any more", async () => {
    const { relay, arrive } = ask();
    arrive();
    await relay.head();
    port.close();
    relay.giveUp();
    port.announce();
    port.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(said).toEqual(["serve", "leave"]);
  });
});
