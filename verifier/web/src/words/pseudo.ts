/**
 * Languages that nobody speaks, made from English: what a translation would break on a screen is seen before there
 * is one. `en-XA` has accents, is 40 % longer and stands in brackets, so what is cut off or is no word of the file
 * shows; `ar-XB` is English with the direction of Arabic.
 */

import type { Entry, Section, WordsFile } from "./translate.ts";

export type PseudoCode = "en-XA" | "ar-XB";

/** Of a state: what is looked up and not read. */
const NO_WORDS: readonly string[] = ["shape", "symbol", "colour", "dates", "months"];
const PLAIN = "abcdeghijklmnoprstuwyzABCDEGHIJKLMNOPRSTUWYZ";
const ACCENTED = "áƀçđéĝĥîĵķļɱñóþŕšţûŵýžÁƁÇĐÉĜĤÎĴĶĻṀÑÓÞŔŠŢÛŴÝŽ";
const ACCENTS: ReadonlyMap<string, string> = new Map([...PLAIN].map((letter, place) => [letter, [...ACCENTED][place]!]));
const LONGER = 0.4;
const PADDING = " one two three four five six seven eight nine ten";
/** Right-to-left override and its end, around each word as in Unicode's own ar-XB. */
const RLO = "\u202e";
const PDF = "\u202c";

/** Return English as one of the pseudo-locales. */
export function pseudoFile(english: WordsFile, code: PseudoCode): WordsFile {
  const change = code === "en-XA" ? accent : turn;
  return {
    ...(changed(english, change) as WordsFile),
    language: code,
    name: code,
    direction: code === "en-XA" ? "ltr" : "rtl",
    digits: english.digits,
    reviewed_by: [],
  };
}

function changed(entry: Entry, change: (sentence: string) => string): Entry {
  if (typeof entry === "string") return change(entry);
  if (isLines(entry)) return entry.map(change);
  return Object.fromEntries(
    Object.entries(entry).map(([key, item]) => [key, NO_WORDS.includes(key) ? item : changed(item, change)]),
  );
}

function isLines(entry: readonly string[] | Section): entry is readonly string[] {
  return Array.isArray(entry);
}

function accent(sentence: string): string {
  const longer = Math.ceil(sentence.length * LONGER);
  const padding = PADDING.repeat(Math.ceil(longer / PADDING.length)).slice(0, longer);
  const accents = (text: string): string => [...text].map((letter) => ACCENTS.get(letter) ?? letter).join("");
  return `[${outsidePlaces(sentence + padding, accents)}]`;
}

function turn(sentence: string): string {
  return outsidePlaces(sentence, (text) => text.replace(/[A-Za-z]+/g, (word) => RLO + word + PDF));
}

/** Change what is not a place such as {name}. */
function outsidePlaces(sentence: string, change: (text: string) => string): string {
  return sentence.replace(/(\{\w+\})|([^{]+)/g, (_, place: string | undefined, text: string) => place ?? change(text));
}
