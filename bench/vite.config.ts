import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const root = fileURLToPath(new URL("pages/", import.meta.url));
const entries = ["ppsp", "hlsjs", "p2pml"];

/** Makes build/bench-pages: one script for each system. */
export default defineConfig({
  root,
  publicDir: false,
  // The bundle that p2p-media-loader publishes for browsers brings its own stand-ins for Node's modules.
  resolve: { conditions: ["p2pml:core-as-bundle", "module", "browser", "production"] },
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
