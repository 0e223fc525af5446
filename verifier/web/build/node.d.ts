/** The little of Node that the build needs, so that no package of types is. */

declare module "node:crypto" {
  export function createHash(name: "sha256"): { update(data: string | Uint8Array): { digest(form: "hex"): string } };
}

declare module "node:fs" {
  interface Entry {
    readonly name: string;
    readonly parentPath: string;
    isFile(): boolean;
  }
  export function readdirSync(folder: string, options: { recursive: true; withFileTypes: true }): Entry[];
  export function readFileSync(path: string): Uint8Array;
  export function writeFileSync(path: string, text: string): void;
}

declare module "node:path" {
  export function join(...parts: string[]): string;
}
