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
  /** How often it waited in mid-play with nothing left to play. */
  readonly dry: number;
}

declare global {
  /** In the page: see ViewerState. */
  var dry: number;
}

/** In the page: counts for ViewerState what happens between two looks. */
function noteDry(): void {
  globalThis.dry = 0;
  const note = ({ target }: Event): void => {
    const { buffered, currentTime, duration, seeking } = target as HTMLMediaElement;
    if (seeking || currentTime === 0 || currentTime > duration - 0.5) return;
    for (let part = 0; part < buffered.length; part++)
      if (buffered.start(part) <= currentTime && currentTime + 0.2 < buffered.end(part)) return;
    globalThis.dry++;
  };
  // On its way down, since events of media do not rise.
  document.addEventListener("waiting", note, true);
}

/** In the page: takes its workers away, so that its engine runs in it, where a test can listen to what it says to trackers. */
export const withoutWorkers = (): void => void Reflect.deleteProperty(globalThis, "Worker");

/** Lost below this in all is the machine's doing, ms: two cores that start a browser have frozen one with 39 s in its buffer for 184 ms. */
const FROZEN_MS = 500;

/** The viewer never waited for media. */
export function expectSmooth({ dry, stats }: ViewerState): void {
  expect(dry, "waited with nothing left to play").toBe(0);
  expect(stats.stalledMs, "lost in stalls, ms").toBeLessThan(FROZEN_MS);
}

/** A browser process of its own with one page that has a `<ppsp-player>`. */
export interface Viewer {
  readonly name: BrowserName;
  readonly page: Page;
  /** Console messages so far, as `type: text`. */
  readonly console: readonly string[];
  /** Uncaught errors of the page so far. */
  readonly errors: readonly string[];
  state(): Promise<ViewerState>;
  /** Resolves with the state when `happened(state)`; fails with the last state after `timeoutMs` (60,000). */
  until(what: string, happened: (state: ViewerState) => boolean, timeoutMs?: number): Promise<ViewerState>;
  /** Closes the page as a person does (`pagehide` fires), then its context. Idempotent. */
  close(): Promise<void>;
}

/** How to open a page. */
export interface ViewerOptions {
  /** Wait for the page's `<ppsp-player>`. @defaultValue true */
  readonly player?: boolean;
  /** Runs in the page before its own scripts. */
  readonly before?: () => void;
  /** The empty page of `launch` to use. @defaultValue a new one, as `launch` gives */
  readonly blank?: Page;
}

/** Everything that a test of a swarm needs; all that was started ends with the test. */
export interface Swarm {
  /** Serves dist/ at `/` (page, sample, ppsp-player.js, ppsp-sw.js) and test/e2e/pages/ at `/pages/`, on a free port. */
  startOrigin(options?: Partial<OriginOptions>): Promise<Origin>;
  /** A tracker on a free port, open unless told otherwise. */
  startTracker(options?: Partial<TrackerOptions>): Promise<RunningTracker>;
  /** An empty page in a browser process that no other viewer has: where stalls are counted, starting one later would starve those that play. */
  launch(name: BrowserName): Promise<Page>;
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
    dry: globalThis.dry,
  };
}

async function openViewer(
  name: BrowserName,
  url: string,
  page: Page,
  { player: needsPlayer = true, before }: ViewerOptions,
): Promise<Viewer> {
  const log: string[] = [];
  const errors: string[] = [];
  page.on("console", (message) => log.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => errors.push(error.message));
  await page.addInitScript(noteDry);
  if (before !== undefined) await page.addInitScript(before);
  await page.goto(url);
  if (needsPlayer) await page.waitForFunction(() => "stats" in (document.querySelector("ppsp-player") ?? {}));
  const state = () => page.evaluate(readState);
  return {
    name,
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
      await page.context().close();
    },
  };
}

/** Browser processes that no viewer has. */
type Idle = Readonly<Record<BrowserName, Browser[]>>;

/** Playwright's `test` with a swarm in a box. */
export const test = base.extend<{ swarm: Swarm }, { idle: Idle }>({
  // Starting a browser takes seconds: those of a worker's earlier tests serve the later ones, with contexts of their own.
  idle: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the fixtures that are used from this pattern
    async ({}, use) => {
      const idle: Idle = { chromium: [], firefox: [] };
      await use(idle);
      await Promise.all([...idle.chromium, ...idle.firefox].map((browser) => browser.close()));
    },
    { scope: "worker" },
  ],
  swarm: async ({ idle }, use) => {
    const started: (() => Promise<unknown>)[] = [];
    const launch = async (name: BrowserName): Promise<Page> => {
      const browser = idle[name].pop() ?? (await launchBrowser(name));
      started.push(async () => {
        await Promise.all(browser.contexts().map((context) => context.close()));
        if (browser.isConnected()) idle[name].push(browser);
      });
      return (await browser.newContext()).newPage();
    };
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
      launch,
      openViewer: async (name, url, options = {}) =>
        openViewer(name, url, options.blank ?? (await launch(name)), options),
    });
    await Promise.all(started.map((end) => end()));
  },
});
