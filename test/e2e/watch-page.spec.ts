import { expect, expectSmooth, QUIET, test } from "./swarm-fixture.ts";

for (const name of ["chromium", "firefox"] as const) {
  test(`the watch page plays the sample in ${name}`, QUIET, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const tracker = await swarm.startTracker();
    const viewer = await swarm.openViewer(name, `${origin.url}?tracker=${tracker.url}`);
    const state = await viewer.until("three seconds are played", ({ currentTime }) => currentTime > 3);
    expect(state.stats.httpBytes).toBeGreaterThan(0);
    expectSmooth(state);
    expect(viewer.errors).toEqual([]);
  });
}

test("the panel tells two viewers what they do for each other", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker();
  const url = `${origin.url}?tracker=${tracker.url}`;
  const first = await swarm.openViewer("chromium", url);
  await expect(first.page.getByText("Nobody else is here yet")).toBeVisible();
  await first.until("five seconds are played", ({ currentTime }) => currentTime > 5);
  const second = await swarm.openViewer("chromium", url);
  await expect(second.page.getByText("Connected to 1 other viewer")).toBeVisible();
  await expect(first.page.getByText("Connected to 1 other viewer: you pass the film on.")).toBeVisible();
  await expect(second.page.locator(".ring-text")).toHaveText(/^[1-9][0-9]\u202f%from other viewers$/);
});

test("fits a phone, and works from the keyboard", async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const { page } = await swarm.openViewer("chromium", origin.url);
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  await page.getByRole("button", { name: "Open a second window" }).focus();
  const [second] = await Promise.all([page.waitForEvent("popup"), page.keyboard.press("Enter")]);
  await expect(second.getByRole("heading", { level: 1 })).toBeVisible();
});

test("says in one sentence why there is no film", async ({ swarm }) => {
  const origin = await swarm.startOrigin({ json: { "/broken.m3u8": { not: "a playlist" } } });
  const { page } = await swarm.openViewer("chromium", `${origin.url}?src=broken.m3u8`);
  await expect(page.getByRole("alert")).toHaveText("There is no film at this address, or its playlist is damaged.");
});
