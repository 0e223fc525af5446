/** The little of Node that the runner needs, so that no package of types is. */

declare module "node:readline" {
  export function createInterface(options: { input: unknown }): AsyncIterable<string>;
}

declare module "node:process" {
  export const stdin: unknown;
  export const stdout: { write(text: string): boolean };
}
