/**
 * A verdict in words: the twin of `verifier/core/wording.py`, sentence by sentence (a test holds them together).
 *
 * Nothing in it is personal: what the bearer opened is not told here. The three questions are answered apart and
 * never merged.
 *
 *     const told = tell(verdict, words);
 *     told.state.word, told.title, told.questions, told.freshness
 */

import { dayOfSeconds, monthOfSeconds } from "../core/calendar_days.ts";
import type { Code } from "../core/codes.ts";
import type { CompanionResult } from "../core/companion.ts";
import { BESIDE, type CompanionRight, type Evidence, type Verdict } from "../core/evidence.ts";
import { REASON_NAMES } from "../core/status_change.ts";
import type { Values, Words } from "./words.ts";

const GENUINE_NO: readonly string[] = ["altered", "not_listed"];
const ENDED: readonly Code[] = ["withdrawn", "suspended", "key_distrusted", "status_unknown", "replaced", "expired"];

/** How a result state looks and reads; `shape` is told apart without any colour. */
export interface StateWords {
  /** The state itself, such as "confirmed_stale". */
  readonly name: string;
  readonly word: string;
  readonly shape: string;
  readonly symbol: string;
  readonly colour: string;
  /** What to do now. */
  readonly now: string;
}

export interface Question {
  readonly name: "genuine" | "in_force" | "matches";
  readonly question: string;
  readonly answer: string;
}

export interface Told {
  readonly state: StateWords;
  readonly title: string;
  readonly meaning: string;
  /** The three questions with their answers, in order. */
  readonly questions: readonly Question[];
  /** Everything else that is true, leading first. */
  readonly lines: readonly string[];
  /** "Under 18?" and its answer, for each age that the card answers. */
  readonly answers: readonly (readonly [question: string, answer: string])[];
  /** What the card of a companion authorises; "" where it does not, or no longer. */
  readonly companion: string;
  /** Age of the list; "" where nothing was judged by a list. */
  readonly freshness: string;
  /** Month of issue; "" where the card could not be judged genuine. */
  readonly issued: string;
}

export function tell(verdict: Verdict, words: Words): Told {
  return verdict.evidence ? tellEvidence(verdict.evidence, words) : tellEnded(verdict, words);
}

/** The result of a companion check in words, and the questions to ask where nothing is recorded. */
export function tellCompanion(
  { result, scope, until, endedDaysAgo }: CompanionResult,
  words: Words,
): { readonly line: string; readonly questions: readonly string[] } {
  const line = words.text(`companion.${result}`, {
    scope: scope ? scopeWord(scope, words) : "",
    until: until === undefined ? "" : words.day(until),
    ended: endedWhen(until, endedDaysAgo, words),
  });
  return { line, questions: result === "recorded" ? [] : words.lines("companion.questions") };
}

/**
 * The line on the list's age that is on every screen.
 *
 * `listDay` is the day that the witnesses vouch for, as a day number; `ageDays` whole days since, undefined where the
 * clock of the device cannot be right.
 */
export function freshnessLine(words: Words, listDay: number, ageDays: number | undefined): string {
  const date = words.day(listDay);
  if (ageDays === undefined) return words.text("freshness.unknown_age", { date });
  if (ageDays === 0) return words.text("freshness.today", { date });
  return words.text("freshness.days", { date, count: ageDays });
}

/** The title, "" where it only says the word again, which may have soft hyphens. */
export function subtitle({ state, title }: Told, words: Words): string {
  return title.toLocaleUpperCase(words.language) === state.word.replaceAll("\u00ad", "") ? "" : title;
}

/** The lines of `told` that its answers do not say already. */
export function unsaidLines({ questions, lines }: Told): readonly string[] {
  const said = questions.map(({ answer }) => answer).join(" ");
  return lines.filter((line) => !said.includes(line));
}

/** The words of a result state. */
export function stateWords(name: string, words: Words): StateWords {
  const part = (key: string): string => words.text(`states.${name}.${key}`);
  return {
    name,
    word: part("word"),
    shape: part("shape"),
    symbol: part("symbol"),
    colour: part("colour"),
    now: part("now"),
  };
}

/** A verdict on what could not be judged genuine. */
function tellEnded(verdict: Verdict, words: Words): Told {
  const { state } = verdict;
  // To lay flat what was read well would help nobody: it is a code of another kind, and cannot be checked here.
  const isForeign = state === "unreadable" && words.has(`kinds.${verdict.field}`) && verdict.field !== "credential";
  const meaning = words.text(isForeign ? "foreign.meaning" : `states.${state}.meaning`);
  const genuine = GENUINE_NO.includes(state) ? "genuine.no" : "genuine.unknown";
  const stated = stateWords(state, words);
  return {
    state: isForeign ? { ...stated, now: words.text("foreign.now") } : stated,
    title: kindLine(verdict, words) || words.text(`states.${state}.title`),
    meaning,
    questions: [
      asked("genuine", words.text("questions.genuine"), words.text(genuine, { reason: meaning })),
      asked("in_force", words.text("questions.in_force_undated"), words.text("in_force.unknown")),
      matches(words),
    ],
    lines: [],
    answers: [],
    companion: "",
    freshness: "",
    issued: "",
  };
}

function tellEvidence(evidence: Evidence, words: Words): Told {
  const places = placesOf(evidence, words);
  const state = stateWords(evidence.state, words);
  // Nothing is missing on the card: its proof is not for now.
  const isUnbound = evidence.codes[0] === "bad_key_binding";
  return {
    state: isUnbound ? { ...state, now: words.text("bad_key_binding.now") } : state,
    title: title(evidence, words),
    meaning: words.text(isUnbound ? "bad_key_binding.meaning" : `states.${evidence.state}.meaning`, places),
    questions: questions(evidence, words, places),
    lines: [
      ...evidence.codes.filter((code) => isLine(code, evidence)).map((code) => words.text(`lines.${code}`, places)),
      ...(evidence.holderBinding === "key" ? [words.text("holder_binding.key")] : []),
    ],
    answers: [...evidence.answers].map(([age, answer]) => [
      words.text("answers.question", { age }),
      words.text(`answers.${answer}`),
    ]),
    companion: evidence.companion && !evidence.companion.ended ? companionLine(evidence.companion, words) : "",
    freshness: freshnessLine(words, dayOfSeconds(evidence.listTimeS), knownAge(evidence)),
    issued: words.month(monthOfSeconds(evidence.iatS)),
  };
}

function title({ state, listAgeDays }: Evidence, words: Words): string {
  const unknownAge = `states.${state}.title_unknown_age`;
  if (listAgeDays === undefined && words.has(unknownAge)) return words.text(unknownAge);
  return words.text(`states.${state}.title`, listAgeDays === undefined ? {} : { count: listAgeDays });
}

function knownAge({ codes, listAgeDays }: Evidence): number | undefined {
  return codes.includes("clock_wrong") ? undefined : listAgeDays;
}

function placesOf(evidence: Evidence, words: Words): Values {
  const { status } = evidence;
  const reason = status?.reason === undefined ? undefined : REASON_NAMES[status.reason];
  return {
    issuer: evidence.issuer.title,
    date: words.day(dayOfSeconds(evidence.listTimeS)),
    valid_until: words.day(dayOfSeconds(evidence.expS)),
    reason: reason ? words.text(`reasons.${reason}`) : "",
    month: status?.month === undefined ? "-" : words.month(status.month),
    ended: rightEnded(evidence, words),
  };
}

/** Say when the authorisation of a companion's card ended; "" where it has not. */
function rightEnded({ companion, judgedS }: Evidence, words: Words): string {
  return companion?.ended ? endedWhen(companion.until, dayOfSeconds(judgedS) - companion.until, words) : "";
}

function endedWhen(lastDay: number | undefined, daysAgo: number, words: Words): string {
  if (lastDay === undefined || daysAgo < 1) return "";
  return words.text(daysAgo === 1 ? "ended.yesterday" : "ended.before", { date: words.day(lastDay) });
}

function companionLine({ scope, until }: CompanionRight, words: Words): string {
  return words.text("companion.right", { scope: scopeWord(scope, words), until: words.day(until) });
}

/** A scope that the words do not know is not told by its code. */
function scopeWord(scope: string, words: Words): string {
  const path = `companion.scopes.${scope}`;
  return words.has(path) ? words.text(path) : "";
}

function questions(evidence: Evidence, words: Words, places: Values): readonly Question[] {
  const { codes, ledgerIndex } = evidence;
  const isUnlisted = codes.includes("not_yet_listed") || (codes.includes("incomplete") && ledgerIndex === undefined);
  const ended = codes.find((code) => ENDED.includes(code));
  let inForce = words.text("in_force.yes", places);
  if (isUnlisted) inForce = words.text("in_force.unknown");
  if (ended) inForce = words.text("in_force.no", { reason: words.text(`lines.${ended}`, places) });
  return [
    asked("genuine", words.text("questions.genuine"), words.text(isUnlisted ? "genuine.signed" : "genuine.yes", places)),
    asked("in_force", words.text("questions.in_force", places), inForce),
    matches(words),
  ];
}

function asked(name: Question["name"], question: string, answer: string): Question {
  return { name, question, answer };
}

function matches(words: Words): Question {
  return asked("matches", words.text("questions.matches"), words.text("matches.you"));
}

/** Say what an unreadable text looks like; "" where its field names no kind. */
function kindLine({ state, field }: Verdict, words: Words): string {
  const path = `kinds.${field}`;
  if (state !== "unreadable" || field === "unknown" || !words.has(path)) return "";
  return words.text("looks_like", { kind: words.text(path) });
}

/** Whether a code is said on a line of its own: all but the list's age where that leads. */
function isLine(code: Code, { state }: Evidence): boolean {
  return BESIDE.includes(code) || code !== "stale" || state !== "confirmed_stale";
}
