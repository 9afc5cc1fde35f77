import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** Every MUST and the important SHOULDs of PPSPP; each is shown by a test or exempt for a reason. */
interface Requirement {
  readonly id: string;
  readonly section: string;
  readonly level: string;
  readonly text: string;
  readonly status: { readonly test: string } | { readonly exempt: string; readonly why: string };
}

const REQUIREMENTS = 139;
const EXEMPTIONS = ["live", "certificates", "erratum", "webrtc", "later"];

const tests = new URL("../", import.meta.url);
const requirements = JSON.parse(
  readFileSync(new URL("conformance/musts.json", tests), "utf8"),
) as readonly Requirement[];

const sources = readdirSync(tests, { recursive: true, encoding: "utf8" })
  .filter((path) => /\.(test|spec)\.ts$/.test(path))
  .map((path) => readFileSync(new URL(path, tests), "utf8"));

/** Whether some test file has this text as a string literal. */
const isTitle = (title: string): boolean =>
  ['"', "'", "`"].some((quote) => sources.some((source) => source.includes(quote + title + quote)));

const faultsOf = ({ id, section, level, text, status }: Requirement): string[] => {
  const faults: string[] = [];
  if (section === "" || level === "" || text === "") faults.push(`${id} is incomplete`);
  if ("test" in status) {
    if (status.test === "" || !isTitle(status.test))
      faults.push(`${id} names a test that does not exist: ${status.test}`);
  } else {
    if (!EXEMPTIONS.includes(status.exempt)) faults.push(`${id} has no test, and no known exemption: ${status.exempt}`);
    if (!status.why) faults.push(`${id} is exempt without a reason`);
  }
  return faults;
};

describe("musts.json", () => {
  test("lists P1 to P139 in order", () => {
    expect(requirements.map(({ id }) => id)).toEqual(Array.from({ length: REQUIREMENTS }, (_, i) => `P${i + 1}`));
  });

  test("has a test or an exemption with its reason for each", () => {
    expect(requirements.flatMap((requirement) => faultsOf(requirement))).toEqual([]);
  });
});
