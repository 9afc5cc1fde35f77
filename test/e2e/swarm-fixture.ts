import { fileURLToPath } from "node:url";
import { test as base, expect, type Browser, type Page } from "@playwright/test";
import { startOrigin, type Origin, type OriginOptions } from "../../src/node/origin.ts";
import { type RunningTracker, startTracker, type TrackerOptions } from "../../src/node/tracker.ts";
import type { PlayerStats, PpspPlayer } from "../../src/video/index.ts";
import { launchBrowser, type BrowserName } from "./browsers.ts";

export { expect, type BrowserName };

const folder = (path: string) => fileURLToPath(new URL(`../../${path}/`, import.meta.url));

/** For tests that count stalls: they run one at a time, since two that decode video starve each other on two cores. */
export const QUIET = { tag: "@quiet" };

/** What a viewer sees and counts at one moment. */
export interface ViewerState {
  readonly stats: PlayerStats;
  /** Seconds. */
  readonly currentTime: number;
  /** Seconds; 0 until known. */
  readonly duration: number;
  readonly ended: boolean;
  readonly paused: boolean;
  /** Height of the picture, pixels; tells the rendition. */
  readonly height: number;
  /** `error.message` of the element. */
  readonly error: string | undefined;
}

/** A browser process with one page that has a `<ppsp-player>`. */
export interface Viewer {
  readonly name: BrowserName;
  readonly browser: Browser;
  readonly page: Page;
  /** Console messages so far, as `type: text`. */
  readonly console: readonly string[];
  /** Uncaught errors of the page so far. */
  readonly errors: readonly string[];
  state(): Promise<ViewerState>;
  /** Resolves with the state when `happened(state)`; fails with the last state after `timeoutMs` (60,000). */
  until(what: string, happened: (state: ViewerState) => boolean, timeoutMs?: number): Promise<ViewerState>;
  /** Closes the page as a person does (`pagehide` fires), then the browser. Idempotent. */
  close(): Promise<void>;
}

/** How to open a page. */
export interface ViewerOptions {
  /** Wait for the page's `<ppsp-player>`. @defaultValue true */
  readonly player?: boolean;
  /** Runs in the page before its own scripts. */
  readonly before?: () => void;
}

/** Everything that a test of a swarm needs; all that was started ends with the test. */
export interface Swarm {
  /** Serves dist/ at `/` (page, sample, ppsp-player.js, ppsp-sw.js) and test/e2e/pages/ at `/pages/`, on a free port. */
  startOrigin(options?: Partial<OriginOptions>): Promise<Origin>;
  /** A tracker on a free port, open unless told otherwise. */
  startTracker(options?: Partial<TrackerOptions>): Promise<RunningTracker>;
  /** Opens a page in a browser process of its own; see ViewerOptions. */
  openViewer(name: BrowserName, url: string, options?: ViewerOptions): Promise<Viewer>;
}

function readState(): ViewerState {
  const player = document.querySelector("ppsp-player") as PpspPlayer;
  return {
    stats: { ...player.stats },
    currentTime: player.currentTime,
    duration: Number.isFinite(player.duration) ? player.duration : 0,
    ended: player.ended,
    paused: player.paused,
    height: player.videoHeight,
    error: player.error?.message,
  };
}

async function openViewer(
  name: BrowserName,
  url: string,
  { player: needsPlayer = true, before }: ViewerOptions,
  onStart: (browser: Browser) => void,
): Promise<Viewer> {
  const browser = await launchBrowser(name);
  onStart(browser);
  const page = await (await browser.newContext()).newPage();
  const log: string[] = [];
  const errors: string[] = [];
  page.on("console", (message) => log.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => errors.push(error.message));
  if (before !== undefined) await page.addInitScript(before);
  await page.goto(url);
  if (needsPlayer) await page.waitForFunction(() => "stats" in (document.querySelector("ppsp-player") ?? {}));
  const state = () => page.evaluate(readState);
  return {
    name,
    browser,
    page,
    console: log,
    errors,
    state,
    async until(what, happened, timeoutMs = 60_000) {
      let last = await state();
      const poll = async () => {
        last = await state();
        expect(
          happened(last),
          `${name}: ${what}. Last seen: ${JSON.stringify(last)}\n${[...errors, ...log].slice(-20).join("\n")}`,
        ).toBe(true);
      };
      await expect(poll).toPass({ timeout: timeoutMs, intervals: [200] });
      return last;
    },
    async close() {
      if (!page.isClosed()) await page.close();
      await browser.close();
    },
  };
}

/** Playwright's `test` with a swarm in a box. */
export const test = base.extend<{ swarm: Swarm }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the fixtures that are used from this pattern
  swarm: async ({}, use) => {
    const started: (() => Promise<unknown>)[] = [];
    await use({
      async startOrigin(options = {}) {
        const origin = await startOrigin({
          root: folder("dist"),
          port: 0,
          paths: { "/pages/": folder("test/e2e/pages") },
          ...options,
        });
        started.push(() => origin.close());
        return origin;
      },
      async startTracker(options = {}) {
        const tracker = await startTracker({ port: 0, open: true, ...options });
        started.push(() => tracker.close());
        return tracker;
      },
      openViewer: (name, url, options = {}) =>
        openViewer(name, url, options, (browser) => started.push(() => browser.close())),
    });
    await Promise.all(started.map((end) => end()));
  },
});
