/**
 * The words of a language, with its plurals, digits, dates and direction.
 *
 * A language is one file, `verifier/data/<code>.json`; one more file is one more language, and no line of code. Each is
 * a chunk of its own that is loaded when it is chosen.
 */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { languages } from "virtual:languages";
import { bestLanguage } from "./match.ts";
import type { PseudoCode } from "./pseudo.ts";
import { translate, type WordsFile } from "./translate.ts";
import "./words.css";

/** A value that is put in a sentence: text is isolated from its direction, a number is written in local digits. */
export type Values = { readonly [name: string]: string | number };

export interface Words {
  /** Code of the language file. */
  readonly language: string;
  readonly direction: "ltr" | "rtl";
  /** Numbering system of Unicode, such as "latn" or "arab". */
  readonly digits: string;
  /** Whether the file names somebody who reviewed it. */
  readonly reviewed: boolean;
  /** A sentence by its path in the file, such as "states.expired.now"; `count` chooses the plural. */
  text(path: string, values?: Values): string;
  /** A list of sentences. */
  lines(path: string): readonly string[];
  /** Whether the file has the path. */
  has(path: string): boolean;
  number(value: number): string;
  /** A day number of core/calendar_days.ts, as 19 Nov 2026. */
  day(day: number): string;
  /** A month YYYYMM, as Nov 2026. */
  month(month: number): string;
}

export interface Language {
  readonly code: string;
  /** Its own name. */
  readonly name: string;
  readonly direction: "ltr" | "rtl";
  /** Whether the file names somebody who reviewed it. */
  readonly reviewed: boolean;
}

const MASTER = "en";
/** Made from English to see what a translation would break; never offered to a user. */
const PSEUDO: readonly Language[] = [
  { code: "en-XA", name: "[Ƥšéûđó]", direction: "ltr", reviewed: false },
  { code: "ar-XB", name: "[Pseudo ↔]", direction: "rtl", reviewed: false },
];
const FILES = import.meta.glob<WordsFile>("../../../data/*.json", { import: "default" });

/** The languages that have a file, English first, the others by code. */
export const LANGUAGES: readonly Language[] = import.meta.env.DEV ? [...languages, ...PSEUDO] : languages;

/** Return the code of the language that serves best whoever prefers these, most wanted first; English for none. */
export function chooseLanguage(wanted: readonly string[]): string {
  return bestLanguage(
    wanted,
    [...languages, ...PSEUDO].map(({ code }) => code),
  );
}

/**
 * Load a language.
 *
 * A language without a file of its own gives the best that there is. `en-XA` and `ar-XB` are made of English, for
 * tests: nobody's browser asks for them.
 */
export async function loadWords(language: string): Promise<Words> {
  const code = chooseLanguage([language]);
  if (PSEUDO.some((pseudo) => pseudo.code === code)) {
    const [{ pseudoFile }, english] = await Promise.all([import("./pseudo.ts"), loadFile(MASTER)]);
    return translate(pseudoFile(english, code as PseudoCode));
  }
  const file = await loadFile(code);
  return translate(file, import.meta.env.DEV && code !== MASTER ? await loadFile(MASTER) : undefined);
}

async function loadFile(code: string): Promise<WordsFile> {
  const load = FILES[`../../../data/${code}.json`];
  if (!load) throw new Error("no such language");
  return load();
}

export const WordsContext = createContext<Words | undefined>(undefined);

/** The words of the page; within `WordsContext` only. */
export function useWords(): Words {
  const words = useContext(WordsContext);
  if (!words) throw new Error("no words");
  return words;
}
