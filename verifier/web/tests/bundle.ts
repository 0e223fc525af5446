/**
 * Bundles `in_browser.ts` as the page is bundled: `node tests/bundle.ts <folder>` writes `in_browser.js` there.
 *
 * A test gives a folder of its own, so that nothing of tests lies where the page is built or served from.
 */

import * as process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const [, , folder] = process.argv;
if (folder === undefined) throw new Error("bundle.ts needs a folder");

await build({
  configFile: false,
  publicDir: false,
  logLevel: "error",
  root: fileURLToPath(new URL("..", import.meta.url)),
  build: {
    target: "es2022",
    modulePreload: false,
    outDir: folder,
    emptyOutDir: false,
    rollupOptions: {
      input: fileURLToPath(new URL("in_browser.ts", import.meta.url)),
      output: { entryFileNames: "in_browser.js" },
    },
  },
});
