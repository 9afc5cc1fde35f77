import { describe, expect, test } from "vitest";
import { MAX_RANGES } from "../../src/tracker/limits.ts";
import type { StatReport, TrackerResponse } from "../../src/tracker/messages.ts";
import { LocalObjects } from "./objects.ts";
import { CODECS, JOIN, JSON_TYPE, REPORT, send, XML } from "./post.ts";

/** What one peer can make the tracker keep. */

const SWARM = "1111";

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
