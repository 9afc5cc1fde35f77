import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningTracker, startTracker } from "../../src/node/tracker.ts";
import { ROUTES } from "../../src/tracker/manage/api.ts";

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content?: { readonly "application/json": { schema: object } } }>
  >;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

const document = JSON.parse(readFileSync("docs/openapi.json", "utf8")) as Document;
const TOKEN = "the-operators-own-token";

let tracker: RunningTracker;
beforeAll(async () => {
  tracker = await startTracker({ port: 0, open: true, parameters: { MANAGE_TOKEN: TOKEN } });
});
afterAll(() => tracker.close());

describe("docs/openapi.json", () => {
  test("has the routes of the management API, all of them and no others", () => {
    const written = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(written.toSorted()).toEqual(Object.keys(ROUTES).toSorted());
  });

  test("each operation answers as it says there", async () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const bodies: Readonly<Record<string, object>> = {
      "PUT /manage/limits": { requestRate: 100, requestBurst: 1000 },
      "PUT /manage/swarms/{swarmId}": { p2p: true, content: { title: "A film", kind: "vod", duration: 1.5 } },
      "PUT /manage/swarms/{swarmId}/bans/{peerId}": { seconds: 60 },
    };
    // Changes first, so that there is something to see.
    const order = ["PUT", "GET", "DELETE"];
    const routes = Object.keys(ROUTES).toSorted(
      (a, b) => order.indexOf(a.split(" ")[0]!) - order.indexOf(b.split(" ")[0]!),
    );
    for (const route of routes) {
      const [method = "", path = ""] = route.split(" ");
      const body = JSON.stringify(bodies[route] ?? {});
      const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
      const init = { method, headers, ...(method === "PUT" && { body }) };
      const url = new URL(path.replace("{swarmId}", "abcdef").replace("{peerId}", "peer"), tracker.url);
      const response = await fetch(url, init);
      const said = document.paths[path]?.[method.toLowerCase()]?.responses[String(response.status)];
      expect(said, `${route}: ${response.status}`).toBeDefined();
      expect(response.status, route).toBeLessThan(300);
      const schema = said?.content?.["application/json"].schema;
      const text = await response.text();
      if (schema === undefined) expect(text).toBe("");
      else {
        const valid = ajv.validate({ ...schema, components: document.components }, JSON.parse(text));
        expect(ajv.errorsText(), route).toBe("No errors");
        expect(valid).toBe(true);
      }
    }
  });
});
