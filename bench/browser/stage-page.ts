/** A page of the benchmark, as the driver handles it. */
import { setTimeout as wait } from "node:timers/promises";
import type { Browser, CDPSession, Page } from "@playwright/test";
import type { PageOptions, Reading, Taken } from "../pages/protocol.ts";

/** What a page has seen, and what it cost. */
export interface PageReading extends Reading {
  /** Work of the page's main thread since its start, s. */
  readonly mainThreadS: number;
}

/** What one page does otherwise than the others; `settings` are added to those of its system. */
export type Overrides = Partial<Pick<PageOptions, "presentation" | "level" | "settings">>;

const LONGEST_MS = 60_000;

/** A page with a player that has not begun yet. */
export class StagePage {
  readonly page: Page;
  readonly #cdp: CDPSession;
  readonly #options: PageOptions;
  #busyBefore = 0;

  private constructor(page: Page, cdp: CDPSession, options: PageOptions) {
    this.page = page;
    this.#cdp = cdp;
    this.#options = options;
  }

  /** Opens a page in a context of its own, as if it were another person's browser, and loads the scripts. */
  static async open(browser: Browser, url: string, options: PageOptions): Promise<StagePage> {
    const context = await browser.newContext();
    const page = await context.newPage();
    if (process.env["BENCH_LOG"] !== undefined) {
      page.on("console", (message) => console.error(`${url} ${message.text()}`));
      page.on("pageerror", (error) => console.error(`${url} ${error.message}`));
    }
    const cdp = await context.newCDPSession(page);
    await cdp.send("Performance.enable");
    await page.goto(url);
    await page.waitForFunction(() => "viewer" in globalThis || "raw" in globalThis);
    // Some players load a part of themselves once they are there.
    await page.waitForLoadState("networkidle");
    return new StagePage(page, cdp, options);
  }

  /** From now on the page sends no more than so much, kbit/s: this shapes data channels too, and leaves what comes in alone. */
  async limitUplink(kbit: number): Promise<void> {
    const uploadThroughput = (kbit * 1000) / 8;
    const unlimited = { offline: false, latency: 0, downloadThroughput: -1 };
    await this.#cdp.send("Network.enable");
    await this.#cdp.send("Network.emulateNetworkConditions", { ...unlimited, uploadThroughput });
  }

  /** Lets the page begin. */
  async start(overrides: Overrides = {}): Promise<void> {
    this.#busyBefore = await this.#busy();
    await this.page.evaluate((options) => globalThis.viewer.start(options), this.#with(overrides));
  }

  /** Lets the page get everything from its peers. */
  take(): Promise<Taken> {
    return this.page.evaluate((options) => globalThis.viewer.take(options), this.#options);
  }

  /** Plays something else; returns how long the first frame takes, ms. */
  change(overrides: Overrides): Promise<number> {
    return this.page.evaluate((options) => globalThis.viewer.change(options), this.#with(overrides));
  }

  /** Seeks; returns how long the first frame takes, ms. */
  seek(seconds: number): Promise<number> {
    return this.page.evaluate((to) => globalThis.viewer.seek(to), seconds);
  }

  /** Resolves when the page has seen what is asked for. @throws Error after a minute */
  async until(what: string, seen: (reading: Reading) => boolean): Promise<void> {
    for (const end = Date.now() + LONGEST_MS; !seen(await this.read()); await wait(50)) {
      if (Date.now() > end) throw new Error(`not within ${LONGEST_MS / 1000} s: ${what}`);
    }
  }

  /** Resolves at the first frame. */
  firstFrame(): Promise<void> {
    return this.until("the first frame", ({ firstFrameMs }) => firstFrameMs !== undefined);
  }

  /** Begins, and watches for so long from the first frame on, ms. */
  async watch(forMs: number, overrides: Overrides = {}): Promise<void> {
    await this.start(overrides);
    await this.firstFrame();
    await wait(forMs);
  }

  #with({ settings, ...overrides }: Overrides): PageOptions {
    return { ...this.#options, ...overrides, settings: { ...this.#options.settings, ...settings } };
  }

  /** What it has seen so far. */
  async read(): Promise<PageReading> {
    const reading = await this.page.evaluate(() => globalThis.viewer.read());
    return { ...reading, mainThreadS: (await this.#busy()) - this.#busyBefore };
  }

  /** Seconds of work on the main thread since the page exists. */
  async #busy(): Promise<number> {
    const { metrics } = await this.#cdp.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0;
  }
}
