import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const root = fileURLToPath(new URL("pages/", import.meta.url));
const entries = ["ppsp", "hlsjs", "p2pml", "webtorrent", "raw"];

/** Makes build/bench-pages: one script for each system. */
export default defineConfig({
  root,
  publicDir: false,
  // What both publish for browsers brings its own stand-ins for Node's modules.
  resolve: {
    conditions: ["p2pml:core-as-bundle", "module", "browser", "production"],
    alias: { webtorrent: fileURLToPath(new URL("node_modules/webtorrent/dist/webtorrent.min.js", import.meta.url)) },
  },
  build: {
    outDir: "../../build/bench-pages",
    emptyOutDir: true,
    target: "es2023",
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      input: Object.fromEntries(entries.map((name) => [name, `${root}${name}.ts`])),
      output: { entryFileNames: "[name].js" },
      preserveEntrySignatures: false,
    },
  },
});
