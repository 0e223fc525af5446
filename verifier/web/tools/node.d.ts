/** The little of Node that the tools need, so that no package of types is; tests/node.d.ts has the rest. */

declare module "node:crypto" {
  export function createHash(name: "sha256"): { update(data: string | Uint8Array): { digest(form: "hex"): string } };
}

declare module "node:fs" {
  export interface Entry {
    readonly name: string;
    readonly parentPath: string;
    isFile(): boolean;
  }
  export function readFileSync(path: string): Uint8Array;
  export function readdirSync(path: string, options: { recursive: true; withFileTypes: true }): Entry[];
  export function writeFileSync(path: string, data: string | Uint8Array): void;
}

declare module "node:path" {
  export function join(...parts: string[]): string;
}

declare module "node:process" {
  export const argv: readonly string[];
}

declare module "node:zlib" {
  export const constants: {
    readonly BROTLI_PARAM_QUALITY: number;
    readonly BROTLI_PARAM_SIZE_HINT: number;
    readonly BROTLI_MAX_QUALITY: number;
  };
  export function brotliCompressSync(data: Uint8Array, options: { params: Record<number, number> }): Uint8Array;
  export function gzipSync(data: Uint8Array, options: { level: number }): Uint8Array;
}
