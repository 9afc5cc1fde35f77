import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test, type Browser, type Page } from "@playwright/test";
import { linkCases } from "../link/suite.ts";
import { startTracker, type RunningTracker } from "../../src/node/tracker.ts";
import { launchBrowser, type BrowserName } from "./browsers.ts";
import { bundle } from "./bundle.ts";
import type { LinkPage } from "./pages/link.ts";

/** In the page. */
declare const linkPage: LinkPage;

let server: Server;
let url: string;
const browsers = new Map<BrowserName, Browser>();

test.beforeAll(async () => {
  const script = await bundle("link.ts", "link");
  server = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(`<!doctype html><title>link</title><script>${script.replaceAll("</script", "<\\/script")}</script>`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

test.afterAll(async () => {
  await Promise.all([...browsers.values()].map((browser) => browser.close()));
  server.close();
});

const openPage = async (kind: BrowserName): Promise<Page> => {
  const browser = browsers.get(kind) ?? (await launchBrowser(kind));
  browsers.set(kind, browser);
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  return page;
};

/** Pages that are being closed: what runs in them may fail before Playwright calls them closed. */
const closing = new WeakSet<Page>();

/** Carries one page's notes to the other until one of them is closed. */
const carry = async (from: Page, to: Page): Promise<void> => {
  try {
    for (;;) {
      const notes = await from.evaluate(() => linkPage.notes());
      await to.evaluate((received) => linkPage.receive(received), notes);
    }
  } catch (error) {
    if (!closing.has(from) && !closing.has(to)) throw error;
  }
};

const openPair = async (left: BrowserName, right: BrowserName): Promise<[Page, Page]> => {
  const pair: [Page, Page] = [await openPage(left), await openPage(right)];
  void carry(pair[0], pair[1]);
  void carry(pair[1], pair[0]);
  return pair;
};

const closePair = (pair: readonly Page[]): Promise<unknown> => {
  for (const page of pair) closing.add(page);
  return Promise.all(pair.map((page) => page.context().close()));
};

for (const [left, right] of [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
  ["firefox", "chromium"],
] as const) {
  test.describe(`WebRTC link from ${left} to ${right}`, () => {
    for (const { name } of linkCases) {
      test(name, async () => {
        const pair = await openPair(left, right);
        await Promise.all([
          pair[0].evaluate((name) => linkPage.play(name, "left"), name),
          pair[1].evaluate((name) => linkPage.play(name, "right"), name),
        ]);
        await closePair(pair);
      });
    }

    test("small datagrams overtake the bulk that is held back", async () => {
      const pair = await openPair(left, right);
      const [, { before, maxDatagram }] = await Promise.all([
        pair[0].evaluate(() => linkPage.overtake("left")),
        pair[1].evaluate(() => linkPage.overtake("right")),
      ]);
      expect(before).toBeLessThan(32);
      expect(maxDatagram).toBe(256 * 1024);
      await closePair(pair);
    });

    test("text, empty messages and further channels neither hurt nor count", async () => {
      const pair = await openPair(left, right);
      const [, seen] = await Promise.all([
        pair[0].evaluate(() => linkPage.misbehave("left")),
        pair[1].evaluate(() => linkPage.misbehave("right")),
      ]);
      expect(seen.filter((length) => length > 0)).toEqual([8]);
      await closePair(pair);
    });
  });
}

test.describe("rendezvous at a tracker", () => {
  let tracker: RunningTracker;
  test.beforeEach(async () => {
    tracker = await startTracker({ port: 0, open: true });
  });
  test.afterEach(() => tracker.close());

  const look = (page: Page) => page.evaluate(() => linkPage.look());
  const neighbours = (page: Page, count: number) => expect.poll(async () => (await look(page)).neighbours).toBe(count);

  test("three browsers meet, keep their links when the tracker is gone, and notice who leaves", async () => {
    const pages: Page[] = [];
    for (const kind of ["chromium", "firefox", "chromium"] as const) {
      const page = await openPage(kind);
      pages.push(page);
      await page.evaluate((url) => linkPage.join(url), tracker.url);
      await expect.poll(async () => (await look(page)).states.at(-1)).toBe(pages.length === 1 ? "alone" : "joined");
    }
    for (const page of pages) await neighbours(page, 2);
    await tracker.close();
    for (const page of pages) {
      const { echoes } = await look(page);
      await expect.poll(async () => (await look(page)).echoes).toBeGreaterThan(echoes + 2);
    }
    await pages[0]!.evaluate(() => linkPage.leave());
    for (const page of pages.slice(1)) {
      await neighbours(page, 1);
      const { states, warnings } = await look(page);
      expect(states).toEqual(["joined"]);
      expect(warnings.length).toBeLessThanOrEqual(1);
    }
    await closePair(pages);
  });

  test("a banned neighbour stays away", async () => {
    const pages = [await openPage("chromium"), await openPage("chromium")];
    for (const page of pages) await page.evaluate((url) => linkPage.join(url), tracker.url);
    for (const page of pages) await neighbours(page, 1);
    await pages[0]!.evaluate(() => linkPage.ban());
    for (const page of pages) await neighbours(page, 0);
    await expect.poll(async () => (await look(pages[0]!)).states.at(-1)).toBe("alone");
    await closePair(pages);
  });

  test("without a tracker a member is offline at once, after one warning", async () => {
    const page = await openPage("chromium");
    const { url } = tracker;
    await tracker.close();
    await page.evaluate((url) => linkPage.join(url), url);
    await expect.poll(async () => (await look(page)).states).toEqual(["offline"]);
    expect((await look(page)).warnings).toHaveLength(1);
    await closePair([page]);
  });
});
