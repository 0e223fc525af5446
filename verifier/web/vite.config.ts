/**
 * How the page is built: `node node_modules/vite/bin/vite.js build` writes `dist/`, which is served below `/phone/`.
 *
 * Nothing is inlined and nothing is loaded from elsewhere: the page's Content-Security-Policy allows neither.
 */

import { defineConfig } from "vite";
import { languages } from "./tools/languages.ts";
import { pageWorker } from "./tools/worker.ts";

export default defineConfig({
  base: "./",
  plugins: [languages(), pageWorker("src/worker/worker.ts")],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
});
