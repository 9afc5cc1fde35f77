import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/start.mjs", import.meta.url));

function start(...args: string[]) {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => (output += part.toString()));
  return { child, output: () => output, ended: once(child, "exit") as Promise<[number | null]> };
}

test("npm start serves page, film and tracker until Ctrl-C", { timeout: 120_000 }, async () => {
  const { child, output, ended } = start("--port", "0", "--tracker-port", "0");
  await expect.poll(output, { timeout: 100_000 }).toMatch(/^ready http:\/\/\S+$/m);
  const url = /^ready (\S+)$/m.exec(output())![1]!;
  expect(await (await fetch(url)).text()).toContain("<html");
  const presentation = (await (await fetch(`${url}sample/ppsp.json`)).json()) as { trackers: string[][] };
  const [[tracker]] = presentation.trackers as [[string]];
  expect((await fetch(tracker, { method: "POST", body: "<no/>" })).status).toBe(400);
  // The same port again is a clear error.
  const second = start("--port", new URL(url).port, "--tracker-port", "0");
  expect((await second.ended)[0]).toBe(2);
  expect(second.output()).toMatch(/port \d+/i);
  child.kill("SIGINT");
  // 130 is what a shell says of a program that Ctrl-C ended.
  expect([0, 130]).toContain((await ended)[0]);
  await expect(fetch(url)).rejects.toThrow();
  await expect(fetch(tracker)).rejects.toThrow();
});

test("a flag that npm start does not know is one line and exit code 2", async () => {
  const { output, ended } = start("--prot", "80");
  expect((await ended)[0]).toBe(2);
  expect(output().trim().split("\n")).toHaveLength(1);
});
