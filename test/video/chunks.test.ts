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

test.each([
  { mode: "element", script: "ppsp-player", later: ["ppsp-player-hls.js"] },
  { mode: "engine", script: "ppsp-engine", later: [] },
])("$script is one file without the engine, which runs in its worker", async ({ mode, script, later }) => {
  const chunks = new Map((await chunksOf(mode)).map((chunk) => [chunk.fileName, chunk]));
  expect([...chunks.keys()].toSorted()).toEqual([...later, `${script}.js`].toSorted());
  const entry = chunks.get(`${script}.js`);
  expect(entry?.moduleIds.filter((id) => isXml(id) || /src\/(?:engine\/engine|link\/webrtc)\.ts$/u.test(id))).toEqual(
    [],
  );
  expect(entry?.imports).toEqual([]);
  expect(entry?.dynamicImports).toEqual(later);
});

test("the worker is one file without XML and simple-peer: the codec is another file, loaded where it is chosen", async () => {
  const chunks = new Map((await chunksOf("host")).map((chunk) => [chunk.fileName, chunk]));
  expect([...chunks.keys()].toSorted()).toEqual(["ppsp-worker-xml.js", "ppsp-worker.js"]);
  const entry = chunks.get("ppsp-worker.js");
  expect(entry?.moduleIds.filter((id) => isXml(id) || /node_modules\/simple-peer\//u.test(id))).toEqual([]);
  expect(entry?.moduleIds.some((id) => id.endsWith("src/link/encoding.ts"))).toBe(true);
  expect(entry?.imports).toEqual([]);
  expect(entry?.dynamicImports).toEqual(["ppsp-worker-xml.js"]);
  const xml = chunks.get("ppsp-worker-xml.js");
  expect(xml?.moduleIds.some((id) => id.includes("node_modules/saxes/"))).toBe(true);
  // What it shares with the script is there already: nothing else is loaded for it.
  expect(xml?.imports).toEqual(["ppsp-worker.js"]);
});
