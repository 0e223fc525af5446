/**
 * Makes the service worker when the page is built: `dist/worker.js`, with the list of all files of the page.
 *
 * The list is made last, of what lies in the folder, so no file can be forgotten; a worker of other files has another
 * version. The worker and its list are one file: nothing tells it later what belongs to the page.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "vite";
import type { PageFile, PageFiles } from "../src/worker/files.ts";

const WORKER = "worker.js";

/** The plugin; `source` is the worker's own file. */
export function pageWorker(source: string): Plugin {
  return {
    name: "page-worker",
    apply: "build",
    writeBundle: {
      order: "post",
      sequential: true,
      async handler({ dir }) {
        if (dir === undefined) throw new Error("the page is written to a folder");
        writeFileSync(join(dir, WORKER), await bundleWorker(source, listFiles(dir)));
      },
    },
  };
}

/** Return the files below a folder, by path, with the version of all of them. */
export function listFiles(folder: string): PageFiles {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1).replaceAll("\\", "/"))
    .filter((path) => path !== WORKER && !path.endsWith(".map"))
    .sort();
  const files: PageFile[] = paths.map((path) => ({ path, sha256: sha256(readFileSync(join(folder, path))) }));
  const version = sha256(files.map(({ path, sha256: digest }) => `${digest} ${path}\n`).join("")).slice(0, 16);
  return { version, files };
}

async function bundleWorker(source: string, list: PageFiles): Promise<string> {
  const made = await build({
    configFile: false,
    publicDir: false,
    logLevel: "error",
    define: { PAGE_FILES: JSON.stringify(list) },
    build: {
      target: "es2022",
      write: false,
      modulePreload: false,
      rollupOptions: { input: source, output: { format: "iife", entryFileNames: WORKER } },
    },
  });
  const outputs = Array.isArray(made) ? made : [made];
  const chunks = outputs.flatMap((output) => ("output" in output ? output.output : []));
  const [chunk, ...further] = chunks;
  if (chunk?.type !== "chunk" || further.length) throw new Error("the worker is one file");
  return chunk.code;
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
