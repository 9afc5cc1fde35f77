import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

/** A linter that has silently lost a rule passes everything: each rule of the house is shown something that it must refuse. */
const wrong: readonly { file: string; rule: string; code: string }[] = [
  { file: "src/core/address/order.ts", rule: "no-restricted-imports", code: `import "../codec/messages.ts";` },
  { file: "src/core/swarm/link.ts", rule: "no-restricted-imports", code: `import "simple-peer";` },
  { file: "src/link/player.ts", rule: "no-restricted-imports", code: `import "hls.js";` },
  { file: "src/worker/peer.ts", rule: "no-restricted-imports", code: `import "simple-peer";` },
  { file: "src/video/page.ts", rule: "no-restricted-imports", code: `import "react-dom/client";` },
  { file: "src/web/worker.ts", rule: "no-restricted-imports", code: `import "miniflare";` },
  { file: "src/engine/dice.ts", rule: "no-restricted-properties", code: "export const dice = Math.random();" },
  { file: "src/tracker/clock.ts", rule: "no-restricted-globals", code: "export const now = Date.now();" },
  {
    file: "src/store/long.ts",
    rule: "max-lines",
    code: Array.from({ length: 401 }, (_, i) => `export const a${i} = ${i};`).join("\n"),
  },
  { file: "src/sw/cycle.ts", rule: "no-cycle", code: `import "./cycle-back.ts";` },
  { file: "src/sw/cycle-back.ts", rule: "no-cycle", code: `import "./cycle.ts";` },
  {
    file: "src/node/loose.ts",
    rule: "no-floating-promises",
    code: "export function loose(): void {\n  Promise.resolve(1);\n}",
  },
  {
    file: "src/node/cases.ts",
    rule: "switch-exhaustiveness-check",
    code: `export function cases(a: "x" | "y"): number {\n  switch (a) {\n    case "x":\n      return 1;\n  }\n  return 2;\n}`,
  },
];

const root = fileURLToPath(new URL("../../", import.meta.url));
let folder: string;
let output: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ppsp-lint-"));
  cpSync(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
  cpSync(join(root, "tsconfig.base.json"), join(folder, "tsconfig.json"));
  for (const { file, code } of wrong) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `${code}\n`);
  }
  output = spawnSync(process.execPath, [join(root, "node_modules/oxlint/bin/oxlint"), "--format=unix"], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, OXLINT_TSGOLINT_PATH: join(root, "node_modules/oxlint-tsgolint/bin/tsgolint.js") },
  }).stdout;
});

afterAll(() => rmSync(folder, { recursive: true }));

test.each(wrong)("$file breaks $rule", ({ file, rule }) => {
  const findings = output.split("\n").filter((line) => line.startsWith(`${file}:`));
  expect(findings.join("\n")).toContain(`(${rule})`);
});
