import { generateKeyPairSync } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { HashCode } from "../../src/core/codec/messages.ts";
import { parsePresentation, type Presentation } from "../../src/core/content/presentation.ts";
import { grantFor, readKey } from "../../src/node/publish/key.ts";
import { publish } from "../../src/node/publish/publish.ts";
import { capture, expectRefusal } from "../node/command.ts";
import { folder, hls } from "../node/hls.ts";
import { PUBLISHERS } from "./publishers.ts";
import { client, register, tracker } from "./service.ts";

const read = (path: string): Presentation =>
  parsePresentation(JSON.parse(readFileSync(join(path, "ppsp.json"), "utf8")) as unknown);
const idOf = ({ swarm }: Presentation): string => Buffer.from(swarm.id).toString("hex");
const open = { open: false } as const;

/** Publishes on the command line with a new key; its folder and public text. */
async function published(...options: readonly string[]): Promise<{ path: string; publisher: string; key: string }> {
  const [path, key] = [folder(hls()), join(folder(), "key.pem")];
  const made = await capture(["publish", "--new-key", key, "--json"]);
  const { publisher } = JSON.parse(made.stdout) as { publisher: string };
  expect(await capture(["publish", path, "--key", key, ...options])).toMatchObject({ code: 0 });
  return { path, publisher, key };
}

describe("a publisher whom the tracker lists", () => {
  test("publishes, and viewers meet, without the operator naming the swarm; `ppsp check` sees it", async () => {
    const { path, publisher } = await published();
    const { url } = await tracker({ ...open, publishers: [publisher] });
    expect(await capture(["publish", path, "--tracker", url])).toMatchObject({ code: 0 });
    const presentation = read(path);
    const { grant } = presentation;
    const swarmId = idOf(presentation);
    const viewers = [client(url, "json", { swarmId, grant }), client(url, "xml", { swarmId, grant, encoding: "xml" })];
    for (const viewer of viewers) await viewer.reaches("open");
    await viewers[1]?.reaches("open");
    expect(viewers[0]?.client.signal("xml", { hello: 1 })).toBe(true);
    await expect.poll(() => viewers[1]?.signals).toEqual([["json", { hello: 1 }]]);
    const { stdout } = await capture(["check", path]);
    expect(stdout).toContain(`ok   tracker ${url}: answers (403)`);
    const stranger = client(url, "stranger", { swarmId: "abcdef", grant });
    await stranger.reaches("offline");
    expect(stranger.warnings).toEqual([expect.stringContaining("Grant is for another swarm")]);
  });

  test("whose grant has expired, or whom the operator does not list, is not served, and `ppsp check` says why", async () => {
    const { path, publisher, key } = await published("--grant-days", "0.001");
    const presentation = read(path);
    const grant = await grantFor(await readKey(key), presentation.swarm.id, -1);
    const { url } = await tracker({ ...open, publishers: [publisher] });
    const late = client(url, "late", { swarmId: idOf(presentation), grant });
    await late.reaches("offline");
    expect(late.warnings).toEqual([expect.stringContaining("Grant has expired")]);
    const other = await tracker({ ...open, publishers: [PUBLISHERS[0]] });
    await capture(["publish", path, "--tracker", other.url]);
    const { stdout, code } = await capture(["check", path]);
    expect(stdout).toContain(`FAIL tracker ${other.url}: does not serve this swarm (Publisher not listed here)`);
    expect(code).toBe(1);
  });

  test("is remembered over a restart; taken off the list, its swarms end", async () => {
    const { path, publisher } = await published();
    const presentation = read(path);
    const [swarmId, state] = [idOf(presentation), join(folder(), "state")];
    const options = { ...open, state, publishers: [publisher] };
    const before = await tracker(options);
    const peer = client(before.url, "peer", { swarmId, grant: presentation.grant });
    await peer.reaches("open");
    await before.close();
    const after = await tracker({ ...options, port: before.port });
    expect((await register(after.url, "without", { swarmId })).status).toBe(200);
    await peer.reaches("open", 2);
    await after.close();
    const { url } = await tracker({ ...options, publishers: [PUBLISHERS[0]], port: before.port });
    await peer.reaches("offline");
    expect(peer.warnings.at(-1)).toContain("Publisher not listed here");
    const stats = (await (await fetch(new URL("stats.json", url))).json()) as { peers: number };
    expect(stats.peers).toBe(0);
  });

  test("does not keep alive what the operator once named and no longer does, but what is named needs no grant", async () => {
    const { path, publisher } = await published();
    const presentation = read(path);
    const [swarmId, state] = [idOf(presentation), join(folder(), "state")];
    const grants = [presentation.grant ?? ""];
    const named = await tracker({ ...open, state, swarms: ["abcdef", swarmId], publishers: [publisher] });
    expect((await register(named.url, "one")).status).toBe(200);
    expect((await register(named.url, "two", { swarmId })).status).toBe(200);
    await named.close();
    const { url } = await tracker({ ...open, state, publishers: [publisher] });
    const count = async (): Promise<number> =>
      ((await (await fetch(new URL("stats.json", url))).json()) as { peers: number }).peers;
    expect(await count()).toBe(0);
    expect((await register(url, "two", { swarmId })).status).toBe(403);
    expect((await register(url, "two", { swarmId, grants })).status).toBe(200);
    // Swarms are looked at once a second.
    await vi.waitFor(async () => expect(await count()).toBe(1), { timeout: 10_000 });
  });
});

describe("ppsp publish --key", () => {
  test("a key is made once, for its owner only; the grant stays with its swarm, and goes with another", async () => {
    const { path, publisher, key } = await published();
    expect(publisher).toMatch(/^0f[0-9a-f]{64}$/u);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const { grant } = read(path);
    expect(grant).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/u);
    await capture(["publish", path]);
    expect(read(path).grant).toBe(grant);
    const signal = new AbortController().signal;
    await publish({ input: path, chunkSize: 1024, hash: HashCode.sha256, trackers: [], signal });
    expect(read(path).grant).toBeUndefined();
    const { stdout } = await capture(["publish", path, "--key", key]);
    expect(stdout).toContain(`signed   by ${publisher}`);
  });

  test("mistakes are one line", async () => {
    const { path, key } = await published();
    const ed448 = generateKeyPairSync("ed448").privateKey.export({ type: "pkcs8", format: "pem" });
    const bad = folder({ "broken.pem": ed448.slice(0, 60), "ed448.pem": ed448 });
    await expectRefusal(["publish", "--new-key", key], /key\.pem: is there already: a key is never replaced/);
    await expectRefusal(["publish", path, "--new-key", "x.pem"], /--new-key takes no INPUT/);
    await expectRefusal(["publish", path, "--key", join(bad, "none.pem")], /none\.pem: does not exist/);
    await expectRefusal(["publish", path, "--key", join(bad, "broken.pem")], /broken\.pem: not a private key in PEM/);
    await expectRefusal(
      ["publish", path, "--key", join(bad, "ed448.pem")],
      /neither an Ed25519 nor an ECDSA P-256 key/,
    );
    await expectRefusal(["publish", path, "--key", key, "--grant-days", "soon"], /--grant-days soon: wants a number/);
    await expectRefusal(["publish", path, "--grant-days", "5"], /--grant-days needs --key/);
    await expectRefusal(["tracker", "--publisher", "0f12"], /PUBLISHERS: not the public key of a publisher: 0f12/);
  });

  test("a P-256 key of another tool does as well", async () => {
    const pem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "sec1", format: "pem" });
    const keys = await readKey(join(folder({ "ec.pem": pem }), "ec.pem"));
    expect(keys.publisher).toMatch(/^0d[0-9a-f]{128}$/u);
    const { url } = await tracker({ ...open, publishers: [keys.publisher] });
    const grant = await grantFor(keys, Buffer.from("abcdef", "hex"), undefined);
    await client(url, "peer", { grant }).reaches("open");
  });
});
