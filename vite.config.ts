import react from "@vitejs/plugin-react";
import { minify } from "terser";
import { defineConfig, type Plugin, type Rolldown, type UserConfig } from "vite";
import { alias } from "./scripts/alias.mjs";

/** Lets the watch page load hls.js together with its own script, instead of when that one asks for it. */
const preloadHls: Plugin = {
  name: "preload-hls",
  transformIndexHtml: {
    order: "post",
    handler: (_html, { path, bundle = {} }) =>
      Object.values(bundle)
        .filter((file) => path === "/index.html" && file.type === "chunk" && file.name === "hls")
        .map(({ fileName }) => ({
          tag: "link" as const,
          injectTo: "head" as const,
          attrs: { rel: "modulepreload", crossorigin: true, href: `./${fileName}` },
        })),
  },
};

/** simple-peer keeps a log that nobody reads (docs/adr/0012-simple-peer-in-parts.md). */
const withoutLog: Plugin = {
  name: "without-log",
  transform: {
    filter: { id: /\/simple-peer\/index\.js$/ },
    handler: (code) => ({
      code: code
        .replace(/^ *this\._debug\((?:[^()]|\([^()]*\))*\)$/gm, "")
        .replace(/^ {2}_debug \(\) \{\n[^]*?^ {2}\}\n/m, ""),
      map: null,
    }),
  },
};

/** The last hundredths of what every viewer downloads before the first picture; what is loaded later is not worth the time. */
const smallest: Plugin = {
  name: "smallest",
  async renderChunk(code, { isEntry }, { format }) {
    if (!isEntry) return undefined;
    const { code: less = code, map } = await minify(code, { module: format === "es", ecma: 2020, sourceMap: true });
    return { code: less, map: map as string };
  },
};

/**
 * One script without a hash in its name, so that pages and registrations can name it. What it loads later lies beside it, in
 * files `SCRIPT-*.js`, or else is in it.
 */
function script(entry: string, outDir: string, name: string, output: Rolldown.OutputOptions): UserConfig {
  return {
    resolve: { alias },
    plugins: entry.startsWith("src/") ? [withoutLog, smallest] : [withoutLog],
    publicDir: false,
    define: { "process.env.NODE_ENV": JSON.stringify("production"), PPSP_WORKER: JSON.stringify("./ppsp-worker.js") },
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2023",
      sourcemap: true,
      lib: { entry, formats: [output.format === "iife" ? "iife" : "es"], name: "ppsp", fileName: () => `${name}.js` },
      rolldownOptions: {
        external: ["cloudflare:workers"],
        // What the script shares with a later file stays in the script: at the start there is one file to wait for.
        preserveEntrySignatures: "allow-extension",
        // Hints to bundlers are of no use in what is minified already.
        output: { minify: true, comments: { annotation: false }, chunkFileNames: `${name}-[name].js`, ...output },
      },
    },
  };
}

/** What `vite build --mode TARGET` makes; scripts/build.mjs builds them all. */
const targets: Readonly<Record<string, UserConfig>> = {
  page: {
    base: "./",
    resolve: { alias },
    plugins: [react(), preloadHls, withoutLog],
    define: { PPSP_WORKER: JSON.stringify("../ppsp-worker.js") },
    build: {
      outDir: "dist",
      emptyOutDir: false,
      target: "es2023",
      sourcemap: true,
      chunkSizeWarningLimit: 2000,
      rolldownOptions: { input: ["index.html", "dashboard.html"] },
    },
  },
  worker: script("src/sw/sw.ts", "dist", "ppsp-sw", { format: "iife", codeSplitting: false }),
  host: script("src/worker/worker.ts", "dist", "ppsp-worker", { format: "es" }),
  element: script("src/video/index.ts", "dist", "ppsp-player", { format: "es" }),
  engine: script("src/video/engine.ts", "dist", "ppsp-engine", { format: "es" }),
  tracker: script("tracker-worker/index.ts", "build", "tracker-worker", { format: "es", codeSplitting: false }),
};

export default defineConfig(({ mode }) => targets[mode] ?? { ...targets["page"] });
