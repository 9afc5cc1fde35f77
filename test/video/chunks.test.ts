import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";
import { expect, test } from "vitest";

/** The chunks that a build target of vite.config.ts makes. */
async function chunksOf(mode: string): Promise<Rolldown.OutputChunk[]> {
  const built = await build({
    root: fileURLToPath(new URL("../../", import.meta.url)),
    mode,
    logLevel: "error",
    build: { write: false, sourcemap: false },
  });
  const outputs = (Array.isArray(built) ? built : [built]) as Rolldown.RolldownOutput[];
  return outputs.flatMap(({ output }) => output).filter((one) => one.type === "chunk");
}

/** Modules that only XML needs. */
const isXml = (id: string): boolean => /node_modules\/(?:saxes|xmlchars)\/|src\/tracker\/xml\//u.test(id);

test("ppsp-player.js is one file without XML: the codec is another file, loaded where it is chosen", async () => {
  const [element, ...others] = await chunksOf("element");
  expect(others).toEqual([]);
  expect(element?.fileName).toBe("ppsp-player.js");
  expect(element?.moduleIds.filter(isXml)).toEqual([]);
  expect(element?.moduleIds.some((id) => id.endsWith("src/link/encoding.ts"))).toBe(true);
  expect(element?.imports).toEqual([]);
  expect(element?.dynamicImports).toEqual(["./ppsp-player-xml.js"]);
  const [xml, ...rest] = await chunksOf("xml");
  expect(rest).toEqual([]);
  expect(xml?.fileName).toBe("ppsp-player-xml.js");
  expect(xml?.moduleIds.some((id) => id.includes("node_modules/saxes/"))).toBe(true);
  expect(xml?.exports).toEqual(["xmlEncoding"]);
});
