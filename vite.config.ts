import react from "@vitejs/plugin-react";
import { defineConfig, type UserConfig } from "vite";

/** The npm build of simple-peer needs Node polyfills; its own browser bundle needs none. */
const alias = { "simple-peer": "simple-peer/simplepeer.min.js" };

/** What the element loads only when it is chosen; a file of its own, so that the element stays one file. */
const XML = "ppsp-player-xml.js";
const xmlBeside = {
  name: "xml-beside",
  enforce: "pre" as const,
  resolveId: (id: string) => (id.endsWith("/xml/encoding.ts") ? { id: `./${XML}`, external: true } : undefined),
};

/** One script without a hash in its name, so that pages and registrations can name it. */
function script(
  entry: string,
  outDir: string,
  name: string,
  format: "es" | "iife",
  { external = [], plugins = [] }: Pick<UserConfig, "plugins"> & { external?: string[] } = {},
): UserConfig {
  return {
    plugins,
    resolve: { alias },
    publicDir: false,
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2023",
      sourcemap: true,
      lib: { entry, formats: [format], name: "ppsp", fileName: () => name },
      rolldownOptions: { external, output: { codeSplitting: false, minify: true } },
    },
  };
}

/** What `vite build --mode TARGET` makes; scripts/build.mjs builds them all. */
const targets: Readonly<Record<string, UserConfig>> = {
  page: {
    base: "./",
    resolve: { alias },
    plugins: [react()],
    build: {
      outDir: "dist",
      emptyOutDir: false,
      target: "es2023",
      sourcemap: true,
      chunkSizeWarningLimit: 2000,
      rolldownOptions: { input: ["index.html", "dashboard.html"] },
    },
  },
  worker: script("src/sw/sw.ts", "dist", "ppsp-sw.js", "iife"),
  element: script("src/video/index.ts", "dist", "ppsp-player.js", "es", { plugins: [xmlBeside] }),
  xml: script("src/tracker/xml/encoding.ts", "dist", XML, "es"),
  tracker: script("tracker-worker/index.ts", "build", "tracker-worker.js", "es", { external: ["cloudflare:workers"] }),
};

export default defineConfig(({ mode }) => targets[mode] ?? { ...targets["page"] });
