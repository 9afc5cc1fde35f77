import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { MAX_RANGES } from "../../src/tracker/limits.ts";
import type { StatReport, TrackerResponse } from "../../src/tracker/messages.ts";
import { LocalObjects } from "./objects.ts";
import { register, tracker } from "./service.ts";
import { CODECS, JOIN, JSON_TYPE, REPORT, send, XML } from "./post.ts";

/** What one peer can make the tracker keep. */

const SWARM = "1111";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** As many content maps of one swarm as a request may have, each as long as it may be. */
const properties: StatReport["properties"] = {
  contentMap: Array.from({ length: 32 }, (_, map) => ({
    swarmId: SWARM,
    ranges: Array.from({ length: MAX_RANGES }, (__, at) => [1e6 + at * 100, 1e6 + at * 100 + map] as const),
  })),
};

describe("what a swarm keeps of a member", () => {
  test.each([XML, JSON_TYPE])("of many content maps of one swarm, the one that is read: in %s", async (type) => {
    for (const registered of [true, false]) {
      const objects = new LocalObjects();
      const joined = await send({ ...JOIN, ...(registered && { registration: {} }) }, { objects, type });
      const codec = CODECS[type as keyof typeof CODECS];
      const { registration }: TrackerResponse = codec.decodeResponse(await joined.text());
      const report = { ...REPORT, properties, ...(registration && { registration }) };
      expect((await send(report, { objects, type })).status).toBe(200);
      const member = objects.stored.get(SWARM)?.get("p");
      expect(member?.properties?.contentMap).toEqual(properties.contentMap?.slice(0, 1));
      expect(JSON.stringify(member).length).toBeLessThan(4096);
    }
  });
});

/** A message of 60 KB that says no more than a short one: blanks around it, in an element, or behind 64 characters of an attribute. */
const padded: Record<string, (text: string) => string> = {
  "around it": (text) => text + BLANKS,
  "around a name": (text) => text.replace("<PeerID>", `<PeerID>${BLANKS}`),
  "in an address": (text) => text.replace("long name", `long name${BLANKS}.`),
};
const BLANKS = " ".repeat(60_000);

test("the address that a proxy names does not keep what a peer has written before it", async () => {
  const { url } = await tracker({ parameters: { SOURCE_HEADER: "X-Source", REQUEST_RATE: "0" } });
  const join = (index: number): ReturnType<typeof register> =>
    register(url, `peer-${index}`, { source: `${"x".repeat(14_000)}, 198.51.100.${100 + (index % 100)}` });
  // The first requests make what is made once.
  for (let index = 0; index < 50; index += 1) await join(index);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let index = 50; index < 350; index += 1) await join(index);
  collectGarbage();
  const each = (process.memoryUsage().heapUsed - before) / 300;
  expect(each).toBeLessThan(10_000);
});

test("the address that a proxy names is listed without zone, brackets and port, and what is none as 0.0.0.0", async () => {
  const { url } = await tracker({ parameters: { SOURCE_HEADER: "X-Source" } });
  const named = {
    "fe80::1%eth0": "fe80::1",
    "[2001:db8::1]:4711": "2001:db8::1",
    "[2001:db8::2]": "2001:db8::2",
    "192.0.2.1:4711": "192.0.2.1",
    "::ffff:192.0.2.2": "192.0.2.2",
    "2001:db8::3": "2001:db8::3",
    unknown: "0.0.0.0",
  };
  for (const [index, [source, ip]] of Object.entries(named).entries()) {
    const { message } = await register(url, `named-${index}`, { source });
    expect(message?.peers?.[0]?.addresses).toMatchObject([{ ip }]);
  }
});

describe.each([XML, JSON_TYPE])("a request in %s whose body is mostly blanks", (type) => {
  test.each(Object.entries(padded))("does not keep it in memory: %s", (_, pad) => {
    const codec = CODECS[type as keyof typeof CODECS];
    const decode = (index: number): unknown => {
      const request = codec.encodeRequest({
        ...JOIN,
        peerId: `peer-with-a-long-name-${index}`,
        addresses: [{ addrType: "ipv4", ip: "192.0.2.101", port: 1, connection: "an access with a long name" }],
      });
      return codec.decodeRequest(Buffer.from(pad(request)).toString("utf8"));
    };
    const kept = [decode(-1)];
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 300; index += 1) kept.push(decode(index));
    collectGarbage();
    expect((process.memoryUsage().heapUsed - before) / 300).toBeLessThan(10_000);
    expect(kept).toHaveLength(301);
  });
});
