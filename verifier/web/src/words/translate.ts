/**
 * The words of one language file: sentences with plurals and places, numbers in local digits, dates by name.
 *
 * The files are JSON of i18next, version 4: `days_one`, `days_other` and what else the language's plurals are called
 * by Unicode (https://cldr.unicode.org/index/cldr-spec/plural-rules), chosen by the value `count`; places are `{name}`.
 * Months come from the file and not from the browser: browsers of cheap phones leave out the very languages that are
 * needed, and the station's own dates are the same letter by letter.
 *
 *     const words = translate(file);
 *     words.text("freshness.days", { date: words.day(20776), count: 3 })
 */

import { createInstance, type LoggerModule } from "i18next";
import { dateOfDay } from "../core/calendar_days.ts";
import { isolate } from "./bidi.ts";
import type { Values, Words } from "./words.ts";

export type Entry = string | readonly string[] | Section;
export interface Section {
  readonly [key: string]: Entry;
}

/** A language file: what describes it, and its sections. */
export interface WordsFile extends Section {
  readonly language: string;
  readonly name: string;
  readonly direction: "ltr" | "rtl";
  /** Numbering system of Unicode, such as "latn" or "arab". */
  readonly digits: string;
  readonly reviewed_by: readonly string[];
  /** Twelve, January first, as they stand in a date. */
  readonly months: readonly string[];
}

/** Return the words of a file; a path that it lacks is taken from `fallback`, and without one is given back. */
export function translate(file: WordsFile, fallback?: WordsFile): Words {
  const locale = `${file.language}-u-nu-${file.digits}`;
  const numbers = new Intl.NumberFormat(locale, { maximumFractionDigits: 20 });
  const plain = new Intl.NumberFormat(locale, { useGrouping: false });
  const sentences = makeSentences(file, fallback);
  const shown = (value: string | number): string => (typeof value === "number" ? numbers.format(value) : isolate(value));
  const find = (path: string): Entry | undefined => entryAt(file, path) ?? (fallback && entryAt(fallback, path));
  const has = (path: string): boolean => find(path) !== undefined || find(`${path}_other`) !== undefined;
  const text = (path: string, values: Values = {}): string => {
    const { count } = values;
    const replace = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shown(value)]));
    // What a value says is never read as a sentence with places or references of its own.
    const options = { replace, nest: false, ...(typeof count === "number" ? { count } : {}) };
    return sentences.t(path, options);
  };
  const monthName = (month: number): string => file.months[month - 1] ?? "";
  return {
    language: file.language,
    direction: file.direction,
    digits: file.digits,
    reviewed: file.reviewed_by.length > 0,
    text,
    has,
    lines: (path) => {
      const entry = find(path);
      return Array.isArray(entry) ? entry : [];
    },
    number: (value) => numbers.format(value),
    day: (dayNumber) => {
      const { year, month, day } = dateOfDay(dayNumber);
      return fill(file, "day", { day: plain.format(day), month: monthName(month), year: plain.format(year) });
    },
    month: (yearMonth) =>
      fill(file, "month", { month: monthName(yearMonth % 100), year: plain.format(Math.floor(yearMonth / 100)) }),
  };
}

/** Put the parts of a date in the order of the language; they are no text from elsewhere and need no isolates. */
function fill(file: WordsFile, name: string, parts: { readonly [name: string]: string }): string {
  return String(entryAt(file, `dates.${name}`)).replace(/\{(\w+)\}/g, (whole, part: string) => parts[part] ?? whole);
}

/** Nothing is ever written to the console. */
const SILENT: LoggerModule = { type: "logger", log() {}, warn() {}, error() {} };

function makeSentences(file: WordsFile, fallback: WordsFile | undefined) {
  const sentences = createInstance().use(SILENT);
  void sentences.init({
    initAsync: false,
    lng: file.language,
    fallbackLng: fallback ? fallback.language : false,
    resources: {
      [file.language]: { translation: file },
      ...(fallback ? { [fallback.language]: { translation: fallback } } : {}),
    },
    nsSeparator: false,
    returnNull: false,
    interpolation: { prefix: "{", suffix: "}", escapeValue: false, skipOnVariables: true },
  });
  return sentences;
}

function entryAt(file: WordsFile, path: string): Entry | undefined {
  let entry: Entry | undefined = file;
  for (const key of path.split(".")) {
    if (typeof entry !== "object" || Array.isArray(entry) || !Object.hasOwn(entry, key)) return undefined;
    entry = (entry as Section)[key];
  }
  return entry;
}
