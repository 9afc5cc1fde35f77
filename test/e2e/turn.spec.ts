import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { BlockList, type AddressInfo, isIP } from "node:net";
import type { Browser, Page } from "@playwright/test";
import { iceServersFor } from "../../src/tracker/ice.ts";
import type { IceOptions } from "../../src/link/webrtc.ts";
import type { PpspPlayer } from "../../src/video/index.ts";
import { launchBrowser, type BrowserName } from "./browsers.ts";
import { bundle } from "./bundle.ts";
import type * as natPage from "./pages/nat.ts";
import { toldNewcomer } from "./newcomer.ts";
import { expect, expectSmooth, QUIET, test, type Viewer } from "./swarm-fixture.ts";
import { noTurnServer, OUTSIDE, RELAY, startNat, startTurnServer, type TurnServer } from "./turn-server.ts";

declare global {
  /** In the page: what `observe` keeps. */
  var connections: RTCPeerConnection[];
  var told: string[];
  /** In the page: pages/nat.ts. */
  var nat: typeof natPage;
}

let turn: TurnServer;
test.skip(noTurnServer() !== undefined, noTurnServer());
test.beforeAll(async () => {
  if (noTurnServer() === undefined) turn = await startTurnServer();
});
test.afterAll(() => turn?.close());

/** Keeps the page's connections, and what it says to the tracker: its engine runs in the page, where that can be heard. */
function observe(): void {
  Reflect.deleteProperty(globalThis, "Worker");
  globalThis.connections = [];
  globalThis.told = [];
  const Plain = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Plain {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      globalThis.connections.push(this);
    }
  };
  const PlainSocket = WebSocket;
  globalThis.WebSocket = class extends PlainSocket {
    override send(data: string): void {
      globalThis.told.push(data);
      super.send(data);
    }
  };
  const plainFetch = fetch;
  globalThis.fetch = (input, init) => {
    if (typeof init?.body === "string") globalThis.told.push(init.body);
    return plainFetch(input, init);
  };
}

/** The chosen candidate pairs of the connections that are open. */
const chosenPairs = (page: Page): Promise<{ local: string; remote: string; address: string | undefined }[]> =>
  page.evaluate(async () => {
    const open = globalThis.connections.filter(({ connectionState }) => connectionState === "connected");
    return Promise.all(
      open.map(async (connection) => {
        const reports = [...(await connection.getStats()).values()] as Record<string, string | boolean>[];
        const chosen = reports.find(({ type }) => type === "transport")?.["selectedCandidatePairId"];
        const pair = reports.find(
          ({ type, id, selected, nominated }) =>
            type === "candidate-pair" &&
            (chosen === undefined ? selected === true || nominated === true : id === chosen),
        );
        const of = (id: unknown) => reports.find((report) => report["id"] === id) ?? {};
        const local = of(pair?.["localCandidateId"]);
        const remote = of(pair?.["remoteCandidateId"]);
        return {
          local: String(local["candidateType"]),
          remote: String(remote["candidateType"]),
          address: (remote["address"] ?? remote["ip"]) as string | undefined,
        };
      }),
    );
  });

/** Opens a viewer that plays the sample relay-only. */
async function watch(viewer: Viewer, origin: string, tracker: string): Promise<void> {
  await viewer.page.evaluate(
    ([src, url]) => {
      const player = document.querySelector("ppsp-player") as PpspPlayer;
      player.relayOnly = true;
      player.tracker = url!;
      player.src = src!;
    },
    [`${origin}sample/master.m3u8`, tracker],
  );
}

const hurry = (viewer: Viewer): Promise<void> =>
  viewer.page.evaluate(() => void ((document.querySelector("ppsp-player") as PpspPlayer).playbackRate = 2));

const iceServers = (port: number, secret: string): string =>
  JSON.stringify([{ urls: [`turn:127.0.0.1:${port}`], secret }]);

for (const [first, second] of [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
] as const satisfies readonly (readonly [BrowserName, BrowserName])[]) {
  test(`relay-only ${second} plays from relay-only ${first}, and neither tells its address`, async ({ swarm }) => {
    const origin = await swarm.startOrigin();
    const parameters = { ICE_SERVERS: iceServers(turn.port, turn.secret) };
    const tracker = await swarm.startTracker({ parameters, trackTimer: 3 });
    const page = `${origin.url}pages/element.html`;
    const viewers = [
      await swarm.openViewer(first, page, { before: observe }),
      await swarm.openViewer(second, page, { before: observe }),
    ] as const;
    await watch(viewers[0], origin.url, tracker.url);
    await hurry(viewers[0]);
    await viewers[0].until("6 s are played", ({ currentTime }) => currentTime >= 6);
    await watch(viewers[1], origin.url, tracker.url);
    const { stats } = await viewers[1].until("it plays from the first", (state) => {
      const { peerBytes, httpBytes } = state.stats;
      return state.currentTime >= 2 && peerBytes > httpBytes;
    });
    expect(stats.rejectedChunks).toBe(0);
    const swarmId = await swarmOf(viewers[0]);
    for (const viewer of viewers) {
      await expect.poll(() => chosenPairs(viewer.page)).toEqual([{ local: "relay", remote: "relay", address: RELAY }]);
      await expect.poll(() => viewer.page.evaluate(() => globalThis.told.join("\n"))).toMatch(/"nat":"TURN"/u);
      const said = await viewer.page.evaluate(() => globalThis.told.join("\n"));
      const types = [...said.matchAll(/ typ (\w+)/gu)].map(([, type]) => type);
      expect(new Set(types)).toEqual(new Set(["relay"]));
      const related = [...said.matchAll(/ raddr (\S+) rport (\d+)/gu)].map(([, ...where]) => where.join());
      expect(new Set(related)).toEqual(new Set(["0.0.0.0,0"]));
      expect(viewer.errors).toEqual([]);
    }
    for (const registration of [undefined, {}]) {
      const peers = await toldNewcomer(tracker.url, swarmId, registration);
      expect(peers.filter(({ addresses }) => addresses.length === 0)).toHaveLength(2);
    }
  });
}

/** The swarm ID of what a viewer plays. */
const swarmOf = (viewer: Viewer): Promise<string> =>
  viewer.page.evaluate(() => {
    const { id } = (document.querySelector("ppsp-player") as PpspPlayer).engine!.presentation.swarm;
    return Array.from(id, (octet) => octet.toString(16).padStart(2, "0")).join("");
  });

test("relay-only viewers whose credentials are wrong play over HTTP, with one warning", QUIET, async ({ swarm }) => {
  const origin = await swarm.startOrigin();
  const tracker = await swarm.startTracker({ parameters: { ICE_SERVERS: iceServers(turn.port, "not the secret") } });
  const page = `${origin.url}pages/element.html`;
  const viewers = [await swarm.openViewer("chromium", page), await swarm.openViewer("chromium", page)];
  for (const viewer of viewers) await watch(viewer, origin.url, tracker.url);
  for (const viewer of viewers) {
    await viewer.until("3 s are played", ({ currentTime }) => currentTime >= 3);
    const warnings = (): string[] => viewer.console.filter((line) => line.includes("ppsp-player"));
    await expect.poll(warnings).toEqual([expect.stringMatching(/relay \(TURN server\)/u)]);
    const state = await viewer.state();
    expectSmooth(state);
    expect(state.stats.peerBytes).toBe(0);
  }
});

test.describe("abilityNAT as ICE measures it", () => {
  let server: Server;
  test.beforeAll(async () => {
    const script = await bundle("nat.ts", "nat");
    server = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(`<!doctype html><title>NAT</title><script>${script.replaceAll("</script", "<\\/script")}</script>`);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  test.afterAll(() => server.close());

  /** By whether they are as released. */
  const browsers = new Map<boolean, Browser>();
  test.afterAll(() => Promise.all([...browsers.values()].map((browser) => browser.close())));

  /** What a browser finds with these servers. */
  async function probe(ice: IceOptions, asReleased = false): Promise<natPage.Found> {
    const browser = browsers.get(asReleased) ?? (await launchBrowser("chromium", asReleased));
    browsers.set(asReleased, browser);
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return page.evaluate((given) => nat.probe(given), ice);
  }

  const kinds = (candidates: readonly string[]) => new Set(candidates.map((text) => / typ (\w+)/u.exec(text)?.[1]));

  test("host candidates only: No-NAT where one is public, else unknown", async () => {
    const { ability, candidates } = await probe({ iceServers: [] });
    expect(kinds(candidates)).toEqual(new Set(["host"]));
    const addresses = candidates.map((text) => text.split(" ")[4] ?? "");
    expect(ability).toBe(addresses.some(isPublic) ? "No-NAT" : undefined);
  });

  test("host candidates without an address: unknown; with a server-reflexive one through a NAT: STUN", async () => {
    expect((await probe({ iceServers: [] }, true)).ability).toBeUndefined();
    const translator = await startNat(turn.port);
    const { ability, candidates } = await probe({ iceServers: [{ urls: `stun:127.0.0.1:${translator.port}` }] }, true);
    translator.close();
    expect(candidates).toContainEqual(expect.stringMatching(RegExp(` ${OUTSIDE} \\d+ typ srflx`, "u")));
    expect(ability).toBe("STUN");
  });

  test("relayed candidates only: TURN", async () => {
    const servers = [{ urls: [`turn:127.0.0.1:${turn.port}`], secret: turn.secret }];
    const iceServers = await iceServersFor(servers, "somebody", Date.now());
    const { ability, candidates } = await probe({ iceServers, relayOnly: true });
    expect(kinds(candidates)).toEqual(new Set(["relay"]));
    expect(ability).toBe("TURN");
  });
});

const notPublic = new BlockList();
for (const [network, prefix] of [
  ["10.0.0.0", 8],
  ["127.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["169.254.0.0", 16],
  ["100.64.0.0", 10],
] as const) {
  notPublic.addSubnet(network, prefix, "ipv4");
}
notPublic.addSubnet("fc00::", 7, "ipv6");
notPublic.addSubnet("fe80::", 10, "ipv6");
notPublic.addAddress("::1", "ipv6");
const isPublic = (address: string): boolean =>
  isIP(address) !== 0 && !notPublic.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
