import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { serialisePresentation } from "../../src/core/content/presentation.ts";
import { formatSwarmUrl, parseSwarmUrl } from "../../src/core/content/url.ts";
import { openEngine } from "../../src/engine/open.ts";
import { Eviction } from "../../src/store/eviction.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { resolveSource } from "../../src/video/source.ts";
import { sample } from "../property/presentation.ts";

const ID = "ab".repeat(32);
const URL_OF_ALL = `ppsp:${ID}?src=https://m/film/master.m3u8&presentation=https://m/ppsp.json&tracker=https://t/`;

describe("src of <ppsp-player>", () => {
  it("may be a ppsp: URL, which says what to load, where ppsp.json is, and which trackers to ask", () => {
    const source = resolveSource({ src: new URL(URL_OF_ALL).href, presentation: undefined, trackers: [] });
    expect(source).toEqual({
      src: "https://m/film/master.m3u8",
      presentation: "https://m/ppsp.json",
      trackers: ["https://t/"],
      promised: parseSwarmUrl(URL_OF_ALL),
    });
  });

  it("the attributes presentation and tracker go before what the URL says", () => {
    const source = resolveSource({
      src: URL_OF_ALL,
      presentation: "https://other/p.json",
      trackers: ["https://mine/"],
    });
    expect(source).toMatchObject({ presentation: "https://other/p.json", trackers: ["https://mine/"] });
  });

  it("any other URL is what it was", () => {
    const source = { src: "https://m/master.m3u8", presentation: undefined, trackers: [] };
    expect(resolveSource(source)).toBe(source);
  });

  it("a ppsp: URL that cannot be played says why", () => {
    const resolve = (src: string) => () => resolveSource({ src, presentation: undefined, trackers: [] });
    expect(resolve(`ppsp:${ID}`)).toThrow(/it has no src/);
    expect(resolve("ppsp:1234?src=https://m/")).toThrow(/64 hexadecimal digits/);
    expect(resolve(`ppsp:${ID}?src=javascript:alert(1)`)).toThrow(/src: not an http or https URL/);
  });
});

describe("ppsp.json behind a ppsp: URL", () => {
  const presentation = { ...sample([1000, 2000]), policy: { p2p: false } };
  const server = createServer((_, response) => response.end(serialisePresentation(presentation)));
  afterEach(() => server.close());

  it("is used only if it is of the swarm that the URL names", async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const presentationUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ppsp.json`;
    const { id, hash, addressing, chunkCount } = presentation.swarm;
    const url = { id, hash, addressing, chunkCount, chunkSize: "variable", trackers: [], peers: [] } as const;
    const open = (promised: string) =>
      openEngine({
        presentationUrl,
        promised: parseSwarmUrl(promised),
        store: new MemoryStore(),
        eviction: (...of) => new Eviction(...of),
      });
    const engine = await open(formatSwarmUrl(url));
    expect(engine.presentation.swarm.id).toEqual(id);
    engine.close();
    await expect(open(`ppsp:${ID}`)).rejects.toMatchObject({ name: "PlaybackError", code: "presentation" });
    await expect(open(formatSwarmUrl({ ...url, chunkCount: 3 }))).rejects.toThrow(/it has 6 chunks, not 3/);
  });
});
