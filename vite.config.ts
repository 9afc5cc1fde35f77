import react from "@vitejs/plugin-react";
import { defineConfig, type UserConfig } from "vite";
import { alias } from "./scripts/alias.mjs";

/** One script without a hash in its name, so that pages and registrations can name it. */
function script(
  entry: string,
  outDir: string,
  name: string,
  format: "es" | "iife",
  external: string[] = [],
): UserConfig {
  return {
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
  element: script("src/video/index.ts", "dist", "ppsp-player.js", "es"),
  tracker: script("tracker-worker/index.ts", "build", "tracker-worker.js", "es", ["cloudflare:workers"]),
};

export default defineConfig(({ mode }) => targets[mode] ?? { ...targets["page"] });
