import { build, type Rolldown } from "vite";
import { alias } from "../../scripts/alias.mjs";

/** A script of test/e2e/pages/ with all that it imports, as one classic script that sets the global `name`. */
export async function bundle(entry: string, name: string): Promise<string> {
  const built = (await build({
    configFile: false,
    logLevel: "error",
    resolve: { alias },
    build: { write: false, minify: false, lib: { entry: `test/e2e/pages/${entry}`, formats: ["iife"], name } },
  })) as Rolldown.RolldownOutput[];
  return built[0]!.output[0].code;
}
