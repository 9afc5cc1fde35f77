import { startTracker, type RunningTracker } from "../../src/node/tracker.ts";
import { jsonCodec } from "../../src/tracker/json/codec.ts";
import type { TrackerRequest } from "../../src/tracker/messages.ts";
import { expect, test } from "./swarm-fixture.ts";

const TOKEN = "operator-of-this-test";
const SWARM = "aa11bb22cc33dd44";

let tracker: RunningTracker;
test.beforeEach(async () => {
  tracker = await startTracker({ port: 0, open: true, parameters: { MANAGE_TOKEN: TOKEN } });
});
test.afterEach(() => tracker.close());

async function ask(request: TrackerRequest): Promise<string | undefined> {
  const headers = { "Content-Type": jsonCodec.contentType };
  const body = jsonCodec.encodeRequest(request);
  const response = await fetch(tracker.url, { method: "POST", headers, body });
  if (response.status !== 200) throw new Error(`${response.status} ${response.headers.get("PPSP-Reason")}`);
  return jsonCodec.decodeResponse(await response.text()).registration?.token;
}

/** A viewer joins; what it answers reports that it got so many bytes from others. */
async function viewer(peerId: string): Promise<(downloadedBytes: number) => Promise<unknown>> {
  const actions = [{ swarmId: SWARM, action: "JOIN", peerMode: "LEECH", transactionId: "1.1" } as const];
  const connect = { method: "CONNECT", transactionId: `${peerId}.1`, peerId, actions, addresses: [] } as const;
  const token = (await ask({ ...connect, registration: {} }))!;
  let reports = 1;
  return (downloadedBytes) =>
    ask({
      method: "STAT_REPORT",
      transactionId: `${peerId}.${(reports += 1)}`,
      peerId,
      stats: [{ swarmId: SWARM, uploadedBytes: downloadedBytes, downloadedBytes, availBandwidth: 0 }],
      registration: { token },
    });
}

test("the dashboard shows swarms, peers, offload and events; from the keyboard, on a phone, light and dark", async ({
  swarm,
}, info) => {
  const report = await viewer("first-viewer");
  await viewer("second-viewer");
  await report(20_000_000);
  const origin = await swarm.startOrigin();
  const url = `${origin.url}dashboard.html?tracker=${tracker.url}`;
  const { page, errors } = await swarm.openViewer("chromium", url, { player: false });
  await expect(page.locator(".facts div", { hasText: "Peers" }).locator("dd")).toHaveText("2");
  await expect(page.getByRole("heading", { name: "Swarms" })).toHaveCount(0);

  await page.getByLabel("Management token").focus();
  await page.keyboard.type(TOKEN);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: SWARM })).toBeVisible();
  await expect(page.getByRole("log")).toContainText("swarm started");
  await report(50_000_000);
  await expect(page.getByRole("status")).toContainText("Viewers get 100\u202f%");
  await expect(page.locator(".offload path")).toHaveAttribute("d", /^M/u);

  await page.getByRole("button", { name: /^Peers/u }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("first-viewer")).toBeVisible();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.screenshot({ path: info.outputPath(`wide-${colorScheme}.png`), fullPage: true });
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    await page.screenshot({ path: info.outputPath(`phone-${colorScheme}.png`), fullPage: true });
  }

  await page.getByRole("button", { name: /^Switch P2P off/u }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("P2P is off")).toBeVisible();
  await expect(page.getByRole("log")).toContainText("p2p switched");
  expect(errors).toEqual([]);
});

test("the dashboard says in one sentence why it shows nothing", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const url = `${origin.url}dashboard.html?tracker=${tracker.url}`;
  const { page } = await swarm.openViewer("chromium", url, { player: false });
  await page.getByLabel("Management token").fill("wrong");
  await page.getByRole("button", { name: "Look" }).click();
  await expect(page.getByRole("alert")).toHaveText("The tracker does not take this token.");
});
