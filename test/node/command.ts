import { expect, vi } from "vitest";
import { main } from "../../src/node/cli.ts";

/** What a run of the command line prints, and its exit code. */
export async function capture(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const printed = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    }),
  );
  try {
    return { code: await main(args, "1.2.3"), ...printed };
  } finally {
    spies.forEach((spy) => spy.mockRestore());
  }
}

/** The command refuses: one line, exit code 2. */
export async function expectRefusal(args: string[], line: RegExp): Promise<void> {
  const { code, stdout, stderr } = await capture(args);
  expect(stderr).toMatch(line);
  expect(stderr).toMatch(/^ppsp[^\n]*\n$/);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
}
