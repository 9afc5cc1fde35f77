import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { conformance, type Requirement } from "../../scripts/conformance.mjs";
import { testTitles } from "./titles.ts";

/**
 * How many rows each list has. Rows P1 to P139 and T1 to T113 are those of the lists that the project began with; what
 * the texts hold beyond them, and our decisions on what they leave open, follows.
 */
const LISTS = [
  { file: "musts", letter: "P", count: 141 },
  { file: "tracker-musts", letter: "T", count: 125 },
  { file: "requirement-musts", letter: "R", count: 26 },
] as const;
const EXEMPTIONS = ["live", "certificates", "erratum", "webrtc", "document"];

const tests = new URL("../", import.meta.url);
const read = (file: string): readonly Requirement[] =>
  JSON.parse(readFileSync(new URL(`conformance/${file}.json`, tests), "utf8")) as readonly Requirement[];

const titles = new Set(
  readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(test|spec)\.ts$/.test(path))
    .flatMap((path) => testTitles(readFileSync(new URL(path, tests), "utf8"), path)),
);

const faultsOf = ({ id, section, level, text, status }: Requirement): string[] => {
  const faults: string[] = [];
  if (section === "" || level === "" || text === "") faults.push(`${id} is incomplete`);
  if ("test" in status) {
    if (!titles.has(status.test)) faults.push(`${id} names a test that does not exist, or is skipped: ${status.test}`);
  } else {
    if (!EXEMPTIONS.includes(status.exempt)) faults.push(`${id} has no test, and no known exemption: ${status.exempt}`);
    if (!status.why) faults.push(`${id} is exempt without a reason`);
  }
  return faults;
};

describe.each(LISTS)("$file.json", ({ file, letter, count }) => {
  const requirements = read(file);

  test("lists its rows in order", () => {
    expect(requirements.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, i) => `${letter}${i + 1}`));
  });

  test("has a test or an exemption with its reason for each", () => {
    expect(requirements.flatMap((requirement) => faultsOf(requirement))).toEqual([]);
  });
});

describe("docs/CONFORMANCE.md", () => {
  test("is what the lists say: npm run conformance writes it", async () => {
    const shown = readFileSync(new URL("../docs/CONFORMANCE.md", tests), "utf8");
    expect(shown).toBe(await conformance());
  });
});

describe("the title of a test", () => {
  test("is the first argument of test, it and their each", () => {
    const source = `
      test("a", () => {});
      describe("d", () => { it(\`b\`, async () => {}); });
      test.each([1, 2])("c %i", () => {});
      it.each\`x\`("e", () => {});
      test("f", { timeout: 1 }, () => {});`;
    expect(testTitles(source)).toEqual(["a", "b", "c %i", "e", "f"]);
  });

  test("is none where the test does not run, or the text is no title", () => {
    const source = `
      test.skip("a", () => {});
      it.todo("b");
      test.skipIf(true)("c", () => {});
      describe.skip("d", () => { test("e", () => {}); });
      describe.skipIf(x)("f", () => { test.each([1])("g", () => {}); });
      test.runIf(x)("h", () => {});
      const text = "i"; // test("j", () => {})
      expect("k").toBe("l");
      test("m");`;
    expect(testTitles(source)).toEqual([]);
  });
});
