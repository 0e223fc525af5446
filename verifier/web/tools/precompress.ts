/**
 * Compresses a built page once, so that no station has to do it for each phone: `node tools/precompress.ts dist`.
 *
 * Beside each file that gains from it stand `<name>.br` and `<name>.gz`. A file that does not get at least a tenth
 * smaller is served as it is.
 */

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as process from "node:process";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const WORTH_IT = 0.9;
const DONE = /\.(br|gz)$/;

function brotli(data: Uint8Array): Uint8Array {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: data.length,
  };
  return brotliCompressSync(data, { params });
}

const FORMS: readonly (readonly [string, (data: Uint8Array) => Uint8Array])[] = [
  ["br", brotli],
  ["gz", (data) => gzipSync(data, { level: 9 })],
];

const folder = process.argv[2];
if (!folder) throw new Error("give the folder of the built page");
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || DONE.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const data = readFileSync(path);
  for (const [ending, compress] of FORMS) {
    const packed = compress(data);
    if (packed.length <= data.length * WORTH_IT) writeFileSync(`${path}.${ending}`, packed);
  }
}
