/**
 * Which languages there are, read from `verifier/data` when the page is built: nobody keeps a list.
 *
 * The page imports `virtual:languages` and knows code, name, direction and review of every file without loading any.
 */

import { readdirSync, readFileSync } from "node:fs";
import type { Plugin } from "vite";

const DATA = new URL("../../data/", import.meta.url);
const MASTER = "en";
const ID = "virtual:languages";
const RESOLVED = `\0${ID}`;

interface Meta {
  readonly language: string;
  readonly name: string;
  readonly direction: string;
  readonly reviewed_by: readonly string[];
  readonly phone: { readonly words: { readonly [key: string]: string } };
}

export function languages(): Plugin {
  return {
    name: "languages",
    resolveId: (id) => (id === ID ? RESOLVED : undefined),
    load(id) {
      if (id !== RESOLVED) return undefined;
      const files = readdirSync(DATA).filter((name) => name.endsWith(".json"));
      for (const name of files) this.addWatchFile(new URL(name, DATA).pathname);
      return makeModule(files.map(readMeta));
    },
  };
}

function readMeta(name: string): Meta {
  const meta = JSON.parse(readFileSync(new URL(name, DATA), "utf-8")) as Meta;
  if (`${meta.language}.json` !== name) throw new Error(`${name} is of the language ${meta.language}`);
  return meta;
}

function makeModule(files: readonly Meta[]): string {
  const master = files.find(({ language }) => language === MASTER);
  if (!master) throw new Error(`no ${MASTER}.json`);
  const others = files.filter((file) => file !== master).sort((a, b) => (a.language < b.language ? -1 : 1));
  const rows = [master, ...others].map(({ language, name, direction, reviewed_by }) => ({
    code: language,
    name,
    direction,
    reviewed: reviewed_by.length > 0,
  }));
  return [
    `export const languages = ${JSON.stringify(rows)};`,
    `export const english = ${JSON.stringify(master.phone.words)};`,
  ].join("\n");
}
