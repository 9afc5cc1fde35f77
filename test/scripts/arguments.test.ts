import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

vi.mock("node:fs", async (original) => ({ ...(await original<object>()), writeSync: vi.fn() }));

const { argv } = process;
beforeEach(() => {
  vi.resetModules();
  vi.spyOn(process, "exit").mockImplementation((code) => {
    throw new Error(`exit ${code}`);
  });
});
afterEach(() => {
  process.argv = argv;
  vi.restoreAllMocks();
  vi.mocked(writeSync).mockClear();
});

describe("a mistake on the command line is one line that names it, and exit code 2:", () => {
  it.each<[string, string[], string]>([
    ["sim", ["--bogus"], "npm run sim: Unknown option '--bogus'"],
    ["sim", ["flash-crowd", "--peers"], "npm run sim: Option '--peers <value>' argument missing"],
    ["sim", ["flash-crowd", "--peers", "x"], "npm run sim: --peers x: wants a whole number, 1 or more"],
    ["sim", ["flash-crowd", "--seed", "1.5"], "npm run sim: --seed 1.5: wants a whole number"],
    ["sim", ["nowhere"], 'npm run sim: there is no scenario "nowhere": '],
    ["sim", ["flash-crowd", "late"], "npm run sim: one scenario at a time, not late too"],
    ["fuzz", ["--bogus"], "npm run fuzz: Unknown option '--bogus'"],
    ["fuzz", ["--count", "9"], "npm run fuzz: --count 9: wants a whole number, 10 or more"],
  ])("%s %j", async (command, args, line) => {
    process.argv = ["node", "run.js", ...args];
    const run = command === "sim" ? import("../sim/run.ts") : import("../fuzz/run.ts");
    await expect(run).rejects.toThrow("exit 2");
    const written = vi.mocked(writeSync).mock.calls.map(([, text]) => String(text));
    expect(written).toEqual([expect.stringMatching(/^npm run [^\n]+\n$/)]);
    expect(written[0]).toContain(line);
  });

  it.each<[string[], string]>([
    [["--bogus"], "npm run bench: Unknown option '--bogus'"],
    [["swarm", "--only", "x"], "npm run bench: Unknown option '--only'"],
    [["nothing"], 'npm run bench: there is no benchmark "nothing": see bench/README.md'],
  ])("bench %j, before anything is built", (args, line) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/bench.mjs", ...args], {
      encoding: "utf8",
    });
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: "", stderr: `${line}\n` });
  });
});
