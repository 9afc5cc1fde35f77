/** One run of one system: a browser, the origin, a tracker, and pages that play. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "@playwright/test";
import type * as Browsers from "../../scripts/browsers.mjs";
import { Child } from "../child.ts";
import type { PageOptions } from "../pages/protocol.ts";
import type { Order, Report } from "../tracker-process.ts";
import type { LineSettings } from "./line.ts";
import { FILM_BYTES } from "./media.ts";
import { type Origin, startOrigin } from "./origin.ts";
import { type Overrides, StagePage } from "./stage-page.ts";
import type { System } from "./systems.ts";

const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** Scripts are not compiled: they stay where they are. */
async function launch(): Promise<Browser> {
  const scripts = (await import(root("scripts/browsers.mjs"))) as typeof Browsers;
  return chromium.launch(scripts.chromiumOptions());
}

/** The lines that `--link` names. */
export const LINES = {
  home: { kbit: 8000, delayMs: 50 },
  free: { kbit: Infinity, delayMs: 0 },
} as const satisfies Record<string, LineSettings>;

/** What a run needs to know. */
export interface StageOptions {
  readonly system: System;
  /** Folder of makeMedia. */
  readonly media: string;
  readonly line: LineSettings;
  /** What a viewer can send to others, kbit/s. @defaultValue no limit */
  readonly uplinkKbit?: number;
  /** Whether pages have workers: in those that have none, hooks of the page reach all that a system does. @defaultValue true */
  readonly workers?: boolean;
}

/** Options of hls.js that let a page load the whole film at once. */
const HOLD_ALL = { hls: { maxBufferLength: 600, maxMaxBufferLength: 600 } } as const;

/** Everything that one run needs. */
export class Stage {
  readonly origin: Origin;
  readonly #options: StageOptions;
  readonly #browser: Browser;
  readonly #tracker: Child<Order, Report> | undefined;
  readonly #trackerUrl: string;

  private constructor(
    options: StageOptions,
    origin: Origin,
    browser: Browser,
    tracker: Child<Order, Report> | undefined,
    trackerUrl: string,
  ) {
    this.#options = options;
    this.origin = origin;
    this.#browser = browser;
    this.#tracker = tracker;
    this.#trackerUrl = trackerUrl;
  }

  /** Opens a stage for `act` and closes it behind it. */
  static async with<Result>(options: StageOptions, act: (stage: Stage) => Promise<Result>): Promise<Result> {
    const stage = await Stage.#open(options);
    try {
      return await act(stage);
    } finally {
      await stage.#close();
    }
  }

  static async #open(options: StageOptions): Promise<Stage> {
    const { system, media, line } = options;
    const folders = {
      media,
      page: root("bench/pages"),
      pages: root("build/bench-pages"),
      dist: root("dist"),
      webtorrent: root("bench/node_modules/webtorrent/dist"),
    };
    const origin = await startOrigin(folders, line);
    let tracker: Child<Order, Report> | undefined;
    let trackerUrl = "";
    if (system.tracker !== undefined) {
      tracker = new Child<Order, Report>("tracker-process.js");
      const order: Order =
        system.tracker === "ours" ? { type: "ours", usual: true } : { type: "bittorrent", room: 1000 };
      const { port } = await tracker.ask(order);
      trackerUrl = `${system.tracker === "ours" ? "http" : "ws"}://127.0.0.1:${port}/`;
    }
    return new Stage(options, origin, await launch(), tracker, trackerUrl);
  }

  /** Opens the page of a viewer, which the origin knows by its number. */
  async openPage(viewer: number): Promise<StagePage> {
    const { system, uplinkKbit = Infinity, workers = true } = this.#options;
    const base = this.origin.url(viewer);
    const options: PageOptions = {
      media: `${base}media/`,
      presentation: "single",
      tracker: this.#trackerUrl,
      filmBytes: FILM_BYTES,
      settings: system.settings ?? {},
    };
    const page = await StagePage.open(
      this.#browser,
      `${base}page/index.html?system=${system.page}${workers ? "" : "&no-workers"}`,
      options,
    );
    if (uplinkKbit < Infinity) await page.limitUplink(uplinkKbit);
    return page;
  }

  /** Opens a page that gets all of the film from the origin at once, and waits until it has it. */
  async openHolder(viewer: number, overrides: Overrides = {}): Promise<StagePage> {
    const holder = await this.openPage(viewer);
    this.origin.setLine(viewer, LINES.free);
    await holder.start({ ...overrides, settings: HOLD_ALL });
    await holder.until("a page has the film from the origin", ({ mediaBytes }) => mediaBytes >= FILM_BYTES);
    return holder;
  }

  /** Bytes of media and hashes that the origin has written. */
  get originBytes(): number {
    return this.origin.log.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The same for one viewer. */
  originBytesOf(viewer: number): number {
    return this.origin.log.reduce((sum, served) => sum + (served.viewer === viewer ? served.bytes : 0), 0);
  }

  /** Processor seconds that the main threads of all pages have used, or NaN where the system does not tell: unlike their tasks they do not wait. */
  async processorS(): Promise<number> {
    const session = await this.#browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    const used = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => mainThreadS(id));
    return used.reduce((sum, seconds) => sum + seconds, 0);
  }

  async #close(): Promise<void> {
    await this.#browser.close();
    this.#tracker?.end();
    await this.origin.close();
  }
}

/** Processor seconds of a process's first thread, which is the main one; Linux counts them in hundredths. */
function mainThreadS(process: number): number {
  try {
    const fields = readFileSync(`/proc/${process}/task/${process}/stat`, "latin1").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return NaN;
  }
}
