/**
 * Runs the page's words for another process: one JSON object a line in, one a line out, in order.
 *
 *     {"form": "text", "input": {"language": "en", "path": "freshness.days", "values": {"count": 1, "date": "x"}}}
 *
 * `load` keeps a bundle as in runner.ts. `told` judges as the format `codes` of formats.ts and says the verdicts in
 * words; what is thrown is a defect.
 */

import { readFileSync } from "node:fs";
import { checkCompanion } from "../src/core/companion.ts";
import { bestLanguage } from "../src/words/match.ts";
import { type PseudoCode, pseudoFile } from "../src/words/pseudo.ts";
import { freshnessLine, subtitle, tell, tellCompanion } from "../src/words/tell.ts";
import { translate, type WordsFile } from "../src/words/translate.ts";
import type { Words } from "../src/words/words.ts";
import { type Input, judgeCodes, load } from "./formats.ts";
import { answerLines } from "./lines.ts";

function readWords(language: string): WordsFile {
  const path = new URL(`../../data/${language}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf-8")) as WordsFile;
}

const loaded = new Map<string, Words>();

function wordsOf(language: string): Words {
  const isPseudo = language.includes("-X");
  const words = loaded.get(language) ?? translate(isPseudo ? pseudo(language) : readWords(language));
  loaded.set(language, words);
  return words;
}

function pseudo(language: string): WordsFile {
  return pseudoFile(readWords("en"), language as PseudoCode);
}

function told({ language, ...given }: Input): unknown {
  const words = wordsOf(language);
  const verdicts = judgeCodes(given);
  const companion = checkCompanion(verdicts.flatMap(({ evidence }) => (evidence ? [evidence] : [])));
  return {
    verdicts: verdicts.map((verdict) => tell(verdict, words)),
    subtitles: verdicts.map((verdict) => subtitle(tell(verdict, words), words)),
    companion: companion ? tellCompanion(companion, words) : null,
  };
}

const FORMS: ReadonlyMap<string, (input: Input) => unknown> = new Map<string, (input: Input) => unknown>([
  ["told", told],
  ["text", ({ language, path, values }: Input) => wordsOf(language).text(path, values)],
  ["lines", ({ language, path }: Input) => wordsOf(language).lines(path)],
  ["has", ({ language, path }: Input) => wordsOf(language).has(path)],
  ["day", ({ language, day }: Input) => wordsOf(language).day(day)],
  ["month", ({ language, month }: Input) => wordsOf(language).month(month)],
  ["number", ({ language, value }: Input) => wordsOf(language).number(value)],
  ["freshness", ({ language, day, age }: Input) => freshnessLine(wordsOf(language), day, age ?? undefined)],
  ["plurals", ({ language }: Input) => new Intl.PluralRules(language).resolvedOptions().pluralCategories],
  ["pseudo", ({ language }: Input) => pseudo(language)],
  ["best", ({ wanted, offered }: Input) => bestLanguage(wanted, offered)],
]);

await answerLines((form, input) => {
  if (form === "load") load(input);
  return FORMS.get(form)?.(input) ?? {};
});
