import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import type { RunningTracker } from "../../src/node/tracker.ts";
import { runTracker, TestClient } from "./world.ts";

/** How long ten times as many take is measured: `npm run bench -- tracker --only storm`. */
const PEERS = 200;

/** What a test has opened; closed after it, last first. */
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const peersOf = async ({ url }: RunningTracker): Promise<number> => {
  const stats = (await (await fetch(new URL("stats.json", url))).json()) as { readonly peers: number };
  return stats.peers;
};

const allOpen = (clients: readonly TestClient[], times: number): Promise<void> =>
  vi.waitFor(
    () => {
      const there = clients.filter(({ states }) => states.filter((one) => one === "open").length >= times);
      if (there.length < clients.length) throw new Error(`only ${there.length} of ${clients.length} are there`);
    },
    { timeout: 45_000, interval: 50 },
  );

test(`a restarted tracker knows its ${PEERS} peers, and all come back at once`, async () => {
  const folder = await mkdtemp(join(tmpdir(), "ppsp-storm-"));
  open.push(() => rm(folder, { recursive: true }));
  const options = { state: join(folder, "state.json"), parameters: { REQUEST_RATE: "0" } };
  const before = await runTracker(options);
  open.push(() => before.close());
  const clients = Array.from({ length: PEERS }, (_, index) => new TestClient(before.url, `peer-${index}`));
  open.push(() => clients.forEach(({ client }) => client.leave()));
  await allOpen(clients, 1);
  expect(await peersOf(before)).toBe(PEERS);

  await before.close();
  const after = await runTracker({ ...options, port: before.port });
  open.push(() => after.close());
  // Nobody has asked yet: this is what the tracker kept.
  expect(await peersOf(after)).toBe(PEERS);
  await allOpen(clients, 2);
  expect(await peersOf(after)).toBe(PEERS);

  // Nobody has given up, and the socket of each works: everyone signals the next.
  const before2 = clients.map(({ signals }) => signals.length);
  for (const [index, { client }] of clients.entries()) client.signal(`peer-${(index + 1) % PEERS}`, "back");
  await vi.waitFor(
    () => {
      const missing = clients.filter(({ signals }, index) => signals.length === before2[index]).length;
      if (missing > 0) throw new Error(`${missing} peers got no signal`);
    },
    { timeout: 10_000, interval: 50 },
  );
}, 60_000);
