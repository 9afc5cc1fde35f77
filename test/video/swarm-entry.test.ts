import { beforeEach, describe, expect, test, vi } from "vitest";
import { SwarmEntry } from "../../src/video/swarm-entry.ts";
import type { Opening } from "../../src/worker/open.ts";
import type { RemoteEngine } from "../../src/worker/remote-engine.ts";

const BESIDE = "https://o.example/ppsp.json";
const OTHER = "https://o.example/other.json";

/** An engine as far as an entry knows it. */
class Engine {
  lost = false;
  closed = false;
  #listener: () => void = () => undefined;

  on(_name: "close", listener: () => void): void {
    this.#listener = listener;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#listener();
  }

  /** Its host falls silent. */
  lose(): void {
    this.lost = true;
    this.close();
  }
}

/** An opening that waits for the test. */
class Attempt {
  readonly place: string;
  readonly engine = new Engine();
  closed = false;
  #resolve: (engine: Engine) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(place: string) {
    this.place = place;
  }

  readonly opening = {
    engine: new Promise<Engine>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    }),
    ask: () => undefined,
    drop: () => undefined,
    close: () => {
      this.closed = true;
      this.engine.close();
    },
  } as unknown as Opening;

  async succeed(): Promise<Engine> {
    this.#resolve(this.engine);
    await vi.waitFor(() => expect(entry.engine).toBe(this.engine));
    return this.engine;
  }

  async fail(): Promise<void> {
    this.#reject(new Error("none there"));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

let attempts: Attempt[];
let opened: RemoteEngine[];
let warnings: string[];
let entry: SwarmEntry;

beforeEach(() => {
  [attempts, opened, warnings] = [[], [], []];
  entry = new SwarmEntry({
    open: (place) => {
      const attempt = new Attempt(place);
      attempts.push(attempt);
      return attempt.opening;
    },
    opened: (engine) => opened.push(engine),
    warn: (text) => warnings.push(text),
  });
});

const places = (): string[] => attempts.map(({ place }) => place);

describe("SwarmEntry", () => {
  test("a guess that the playlist confirms is opened once", async () => {
    entry.guess(BESIDE);
    expect(entry.engine).toBeUndefined();
    expect(entry.awaited).toBeInstanceOf(Promise);
    entry.name(BESIDE);
    const engine = await attempts[0]!.succeed();
    expect(places()).toEqual([BESIDE]);
    expect(opened).toEqual([engine]);
    expect(entry.awaited).toBe(engine);
  });

  test("a wrong guess is closed at once, also while it is being opened", async () => {
    entry.guess(BESIDE);
    entry.name(OTHER);
    expect(attempts[0]!.closed).toBe(true);
    const engine = await attempts[1]!.succeed();
    expect(places()).toEqual([BESIDE, OTHER]);
    expect(opened).toEqual([engine]);
  });

  test("a wrong guess that opens all the same counts for nothing", async () => {
    entry.guess(BESIDE);
    entry.name(undefined);
    await expect(attempts[0]!.succeed()).rejects.toThrow();
    expect(opened).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(/names no ppsp.json/)]);
  });

  test("a guess that fails says nothing, and is tried again where the playlist names the same place", async () => {
    entry.guess(BESIDE);
    await attempts[0]!.fail();
    expect(warnings).toEqual([]);
    expect(entry.awaited).toBeUndefined();
    entry.name(BESIDE);
    expect(places()).toEqual([BESIDE, BESIDE]);
    await attempts[1]!.fail();
    expect(warnings).toHaveLength(1);
    expect(entry.awaited).toBeUndefined();
  });

  test("a guess that fails after the playlist has named it says so", async () => {
    entry.guess(BESIDE);
    entry.name(BESIDE);
    await attempts[0]!.fail();
    expect(warnings).toHaveLength(1);
  });

  test("hidden it leaves, also what is being opened, and shown it enters anew", async () => {
    entry.name(BESIDE);
    entry.hide();
    expect(attempts[0]!.closed).toBe(true);
    entry.show();
    const engine = await attempts[1]!.succeed();
    entry.hide();
    expect(engine.closed).toBe(true);
    expect(entry.engine).toBeUndefined();
    entry.show();
    entry.show();
    expect(attempts).toHaveLength(3);
  });

  test("what is named while hidden is opened when shown", () => {
    entry.guess(BESIDE);
    entry.hide();
    entry.name(OTHER);
    expect(places()).toEqual([BESIDE]);
    entry.show();
    expect(places()).toEqual([BESIDE, OTHER]);
  });

  test("instead of an engine that is lost another one is opened, but not for ever", async () => {
    entry.name(BESIDE);
    for (let i = 0; i < 3; i++) (await attempts[i]!.succeed()).lose();
    expect(attempts).toHaveLength(3);
    expect(entry.engine).toBeUndefined();
    expect(warnings).toHaveLength(3);
    expect(warnings.at(-1)).toMatch(/over HTTP only/);
  });

  test("an engine that was lost after a long time does not count with those before it", async () => {
    const now = vi.spyOn(performance, "now").mockReturnValue(0);
    try {
      entry.name(BESIDE);
      for (let i = 0; i < 6; i++) {
        const engine = await attempts[i]!.succeed();
        now.mockReturnValue((i + 1) * 61_000);
        engine.lose();
      }
      expect(attempts).toHaveLength(7);
      expect(warnings.at(-1)).toMatch(/another one is opened/);
    } finally {
      now.mockRestore();
    }
  });

  test("an engine that the page has closed stays closed", async () => {
    entry.name(BESIDE);
    (await attempts[0]!.succeed()).close();
    expect(attempts).toHaveLength(1);
    expect(warnings).toEqual([]);
  });
});
