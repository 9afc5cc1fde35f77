import { readFileSync } from "node:fs";
import { get } from "node:https";
import { fileURLToPath } from "node:url";
import { json } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import WebSocket from "ws";
import { main } from "../../src/node/cli.ts";
import { client, tracker } from "./service.ts";

/** A certificate for localhost that nobody trusts but this test. */
const path = (name: string): string => fileURLToPath(new URL(`localhost.${name}.pem`, import.meta.url));
const [cert, key] = [readFileSync(path("cert")), readFileSync(path("key"))];

test("PPSP-TP T51 should: TLS protects requests and signalling", async () => {
  const { url } = await tracker({ tls: { cert, key } });
  expect(url).toMatch(/^https:/u);
  const health = await new Promise<unknown>((resolve, reject) => {
    get(new URL("healthz", url), { ca: cert }, (response) => resolve(json(response))).on("error", reject);
  });
  expect(health).toEqual({ status: "ok" });
  const address = new URL("signal?swarm=abcdef&peer=peer", url.replace("https", "wss"));
  const refused = await new Promise<number | undefined>((resolve) => {
    const socket = new WebSocket(address, ["ppsp-signal.1", "token.x"], { ca: cert });
    socket.on("unexpected-response", (_, response) => resolve(response.statusCode));
    socket.on("error", () => undefined);
  });
  expect(refused).toBe(403);
  // A client that trusts nobody unknown does not talk to it.
  const careful = client(url, "peer");
  await careful.reaches("offline");
});

test("--tls-cert and --tls-key go together and have to fit", async () => {
  const said: string[] = [];
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
  try {
    expect(await main(["tracker", "--port", "0", "--tls-cert", path("cert")], "0")).toBe(2);
    expect(await main(["tracker", "--port", "0", "--tls-cert", path("key"), "--tls-key", path("cert")], "0")).toBe(2);
    expect(await main(["tracker", "--port", "0", "--set", "SPEED=11"], "0")).toBe(2);
  } finally {
    spy.mockRestore();
  }
  expect(said.join("")).toMatch(/go together[\s\S]*cannot be used[\s\S]*--set takes NAME=VALUE/u);
});
