/** The little of Node that the runners and the build need, so that no package of types is. */

declare module "node:readline" {
  export function createInterface(options: { input: unknown }): AsyncIterable<string>;
}

declare module "node:process" {
  export const stdin: unknown;
  export const stdout: { write(text: string): boolean };
}

declare module "node:url" {
  export function fileURLToPath(url: URL): string;
}

declare module "node:fs" {
  export function readFileSync(path: URL | 0, encoding: "utf-8"): string;
  export function readdirSync(path: URL): string[];
}
