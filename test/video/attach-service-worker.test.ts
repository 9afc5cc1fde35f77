import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ContentError } from "../../src/core/content/error.ts";
import { Emitter } from "../../src/engine/events.ts";
import { attachServiceWorker, type Attachment } from "../../src/video/attach-service-worker.ts";
import type { Opening } from "../../src/worker/open.ts";
import type { RemoteEngine } from "../../src/worker/remote-engine.ts";

/** An engine as far as an attachment knows it. */
class Engine {
  readonly presentation = { files: [], renditions: [] };
  readonly baseUrl = "https://o.example/ppsp.json";
  readonly #emitter = new Emitter<{ close: undefined }>();
  lost = false;
  closed = false;

  on(name: "close", listener: () => void): void {
    this.#emitter.on(name, listener);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#emitter.emit("close", undefined);
  }

  /** Its host falls silent. */
  lose(): void {
    this.lost = true;
    this.close();
  }
}

/** What was opened, each with an engine that opens when the test says so. */
let openings: { readonly engine: Engine; succeed(): void; fail(error: Error): void }[];
/** What the page has said to the worker. */
let said: string[];
let warnings: string[];
let page: EventTarget;
let register: () => Promise<unknown>;

vi.mock("../../src/video/open-swarm.ts", async (original) => ({
  ...(await original<object>()),
  openSwarm: (): Opening => {
    const engine = new Engine();
    const opened = new Promise<RemoteEngine>((resolve, reject) => {
      openings.push({ engine, succeed: () => resolve(engine as unknown as RemoteEngine), fail: reject });
    });
    return { engine: opened, post: () => undefined, close: () => engine.close() };
  },
}));

const active = { postMessage: ({ ppsp }: { readonly ppsp: string }) => said.push(ppsp) };

beforeEach(() => {
  [openings, said, warnings] = [[], [], []];
  page = new EventTarget();
  register = () => Promise.resolve({ active });
  const serviceWorker = Object.assign(new EventTarget(), {
    startMessages: () => undefined,
    controller: {},
    register: () => register(),
  });
  vi.stubGlobal("navigator", { serviceWorker });
  vi.stubGlobal(
    "document",
    Object.assign(new EventTarget(), { baseURI: "https://o.example/", visibilityState: "visible" }),
  );
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.spyOn(console, "warn").mockImplementation((line: string) => void warnings.push(line));
});

afterEach(() => {
  for (const { engine } of openings) engine.close();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const begin = () => attachServiceWorker({ script: "/ppsp-sw.js", presentation: "/ppsp.json" });
const settled = () => new Promise((resolve) => setTimeout(resolve, 10));
const hide = () => void page.dispatchEvent(new Event("pagehide"));
const show = () => void page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));

/** Attached, with the first engine open. */
async function attached(): Promise<Attachment> {
  const attachment = begin();
  openings[0]!.succeed();
  return (await attachment)!;
}

/** Engines that are open now, of those that were ever opened. */
const running = (): number => openings.filter(({ engine }) => !engine.closed).length;

describe("attachServiceWorker", () => {
  test("serves until it is closed, and leaves while the page is hidden", async () => {
    const attachment = await attached();
    expect(said).toEqual(["serve"]);
    hide();
    expect(said).toEqual(["serve", "leave"]);
    expect(running()).toBe(0);
    show();
    openings[1]!.succeed();
    await settled();
    expect(attachment.engine).toBe(openings[1]!.engine);
    expect(said).toEqual(["serve", "leave", "serve"]);
    attachment.close();
    expect(said).toEqual(["serve", "leave", "serve", "leave"]);
    expect(running()).toBe(0);
    expect(warnings).toEqual([]);
  });

  test("an engine that opens after the attachment was closed is closed and never served", async () => {
    const attachment = await attached();
    hide();
    show();
    attachment.close();
    openings[1]!.succeed();
    await settled();
    expect(said).toEqual(["serve", "leave"]);
    expect(running()).toBe(0);
    show();
    expect(openings).toHaveLength(2);
  });

  test("of two returns only the later one's engine stays", async () => {
    const attachment = await attached();
    for (let i = 0; i < 2; i++) {
      hide();
      show();
    }
    openings[2]!.succeed();
    openings[1]!.succeed();
    await settled();
    expect(attachment.engine).toBe(openings[2]!.engine);
    expect(said).toEqual(["serve", "leave", "serve"]);
    expect(running()).toBe(1);
  });

  test("a page that is hidden and comes back while its first engine opens is attached all the same", async () => {
    const attachment = begin();
    hide();
    show();
    openings[1]!.succeed();
    expect((await attachment)?.engine).toBe(openings[1]!.engine);
    expect(said).toEqual(["serve"]);
  });

  test("instead of an engine that is lost another one serves, but not for ever", async () => {
    const attachment = await attached();
    for (let i = 1; i < 3; i++) {
      openings[i - 1]!.engine.lose();
      expect(said.at(-1)).toBe("leave");
      openings[i]!.succeed();
      await settled();
      expect(attachment.engine).toBe(openings[i]!.engine);
      expect(said.at(-1)).toBe("serve");
    }
    openings[2]!.engine.lose();
    expect(said.at(-1)).toBe("leave");
    expect(openings).toHaveLength(3);
    expect(warnings).toEqual([
      expect.stringMatching(/does not answer: another one is opened/),
      expect.stringMatching(/does not answer: players load over HTTP only/),
    ]);
  });

  test.each([
    [
      "ppsp.json",
      () => openings[0]!.fail(new ContentError("bad-field", "", "none there")),
      /No usable ppsp.json: players load over HTTP/,
    ],
    ["worker", () => openings[0]!.succeed(), /Service Worker cannot start: players load over HTTP/],
  ])("without a %s there is one warning and no attachment", async (what, happen, warning) => {
    if (what === "worker") register = () => Promise.reject(new Error("404"));
    const attachment = begin();
    happen();
    expect(await attachment).toBeUndefined();
    await settled();
    expect(warnings).toEqual([expect.stringMatching(warning)]);
    show();
    expect(openings).toHaveLength(1);
    if (what === "worker") expect(running()).toBe(0);
  });
});
