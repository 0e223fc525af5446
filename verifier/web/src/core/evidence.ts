/**
 * Evidence: all that a verdict knows about one card, and the little of it that a screen may show.
 *
 * docs/protocol.md section 10. A scan answers three questions and never merges them: is it genuine, is it in force as
 * of the list's date, does the person match. The third has no answer here: a person gives it. `evidenceJson` holds
 * nothing that could be stored to recognise the card again.
 */

import { isBytes, toBase64 } from "./bytes.ts";
import { dayOfSeconds, formatDay, monthOfSeconds } from "./calendar_days.ts";
import { CborMap, Simple, Tag, type Value } from "./cbor.ts";
import { type Code, CODES } from "./codes.ts";
import type { CodedError } from "./errors.ts";
import { REASON_NAMES } from "./status_change.ts";
import type { IssuerName, Status } from "./trusted_list.ts";

/** Codes that lead to a state, in the order in which they lead. */
export const LEADING: readonly Code[] = [
  "withdrawn",
  "suspended",
  "key_distrusted",
  "status_unknown",
  "replaced",
  "expired",
  "incomplete",
  "bad_key_binding",
  "not_yet_listed",
  "stale",
];
/** Codes that are a line of their own beside the leading state. */
export const BESIDE: readonly Code[] = ["quarantined", "not_yet_valid", "clock_wrong", "companion_ended"];
/** What each step of docs/protocol.md section 10 asks; step n is at n - 1. */
export const STEPS = [
  "text to bytes",
  "form of the card and of its claims",
  "a list is loaded and knows the issuer",
  "the key is known",
  "the signature verifies",
  "ledger position",
  "key and scope at that place",
  "disclosures match, what must be open is open",
  "status",
  "time",
  "answers as of the judged time",
] as const;
const STEP_OF_CODE: ReadonlyMap<Code, number> = new Map<Code, number>([
  ["not_yet_listed", 6],
  ["key_distrusted", 7],
  ["incomplete", 8],
  ["withdrawn", 9],
  ["suspended", 9],
  ["status_unknown", 9],
  ["replaced", 9],
  ["quarantined", 9],
  ["expired", 10],
  ["not_yet_valid", 10],
  ["clock_wrong", 10],
  ["stale", 10],
  ["bad_key_binding", 10],
  ["companion_ended", 11],
]);

/** An authorisation to accompany a child, as of the judged time; salt, child and adult are never shown. */
export interface CompanionRight {
  readonly scope: string;
  /** Last day, as a day number. */
  readonly until: number;
  readonly ended: boolean;
  readonly salt: Uint8Array;
  readonly child: Uint8Array;
  readonly adult: Uint8Array;
}

/** A disclosed value in types of JSON. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain };

/** Verdict on a card that is authentic as signed. */
export interface Evidence {
  readonly state: string;
  /** Every code that applies, leading first; empty for a card of which nothing is to be said. */
  readonly codes: readonly Code[];
  readonly issuer: IssuerName;
  readonly vct: string;
  readonly iatS: number;
  readonly expS: number;
  readonly ledgerIndex: number | undefined;
  /** The time that the witnesses vouch for. */
  readonly listTimeS: number;
  /** Whole days from it to the judged time; undefined where the device clock is wrong. */
  readonly listAgeDays: number | undefined;
  readonly judgedS: number;
  /** Undefined where the list at hand cannot know it yet. */
  readonly status: Status | undefined;
  /** Age -> "yes", "no" or "cannot_exclude" to "under that age?", as of the judged time. */
  readonly answers: ReadonlyMap<number, string>;
  readonly companion: CompanionRight | undefined;
  /** Every other disclosed claim, decoded. */
  readonly opened: ReadonlyMap<string, Plain>;
  /** Parts that are on the card and closed. */
  readonly sealedCount: number;
  readonly sub: string;
  /** "key" where the holder's device proved to this station, just now, that it has the key of the card. */
  readonly holderBinding: "key" | "none";
}

/** What `judge` returns for every text: evidence, or the code that ended the steps. */
export interface Verdict {
  readonly state: string;
  readonly codes: readonly Code[];
  readonly evidence: Evidence | undefined;
  /** One sentence on why not, without personal data; "" where there is evidence. */
  readonly detail: string;
  readonly field: string;
}

export function verdictOfEvidence(evidence: Evidence): Verdict {
  return { state: evidence.state, codes: evidence.codes, evidence, detail: "", field: "" };
}

/** Return the verdict on a card that threw `error`; throws it on where its code is not one of a verdict. */
export function verdictOfError(error: CodedError): Verdict {
  const state = CODES[error.code];
  if (!state || LEADING.includes(error.code)) throw error;
  return { state, codes: [error.code], evidence: undefined, detail: error.detail, field: error.field };
}

/** Return codes in the order in which they lead, those beside the state last. */
export function orderCodes(codes: Iterable<Code>): Code[] {
  const found = new Set(codes);
  return [...LEADING, ...BESIDE].filter((code) => found.has(code));
}

/** Return the result state of ordered codes. */
export function leadingState([first]: readonly Code[]): string {
  return first !== undefined && LEADING.includes(first) ? CODES[first] : "confirmed";
}

/** Return number, question, and "ok" or the codes of each of the eleven steps, for people who want them. */
export function stepsOf({ codes, ledgerIndex }: Evidence): [number: number, question: string, result: string][] {
  const found = new Map<number, Code[]>();
  for (const code of codes) {
    const step = code === "incomplete" && ledgerIndex === undefined ? 6 : STEP_OF_CODE.get(code)!;
    found.set(step, [...(found.get(step) ?? []), code]);
  }
  return STEPS.map((question, place) => [place + 1, question, found.get(place + 1)?.join(", ") ?? "ok"]);
}

/** Return what a screen may show of a verdict, in types of JSON. */
export function verdictJson(verdict: Verdict): { [name: string]: Plain } {
  const { state, codes, detail, field, evidence } = verdict;
  return evidence ? evidenceJson(evidence) : { state, codes: [...codes], detail, field };
}

/** Return what a screen may show of a card, in types of JSON. */
export function evidenceJson(evidence: Evidence): { [name: string]: Plain } {
  const { status, companion } = evidence;
  return {
    state: evidence.state,
    codes: [...evidence.codes],
    issuer: { ...evidence.issuer },
    profile: evidence.vct,
    issued_month: formatMonth(monthOfSeconds(evidence.iatS)),
    valid_until: formatDay(dayOfSeconds(evidence.expS)),
    list: {
      date: formatDay(dayOfSeconds(evidence.listTimeS)),
      age_days: evidence.listAgeDays ?? null,
      clock_wrong: evidence.codes.includes("clock_wrong"),
    },
    status: status
      ? {
          value: status.value,
          reason: status.reason === undefined ? null : (REASON_NAMES[status.reason] ?? null),
          month: status.month === undefined ? null : formatMonth(status.month),
        }
      : null,
    answers: Object.fromEntries([...evidence.answers].map(([age, answer]) => [`under_${age}`, answer])),
    companion: companion
      ? { scope: companion.scope, until: formatDay(companion.until), ended: companion.ended }
      : null,
    opened: Object.fromEntries(evidence.opened),
    sealed_parts: evidence.sealedCount,
    holder_binding: evidence.holderBinding,
  };
}

/**
 * Return a disclosed value in types of JSON: bytes as base64, keys as text, integers from 2^53 on as text, a tag as
 * its content, a simple value as `simple(n)`.
 */
export function plain(value: Value): Plain {
  if (isBytes(value)) return toBase64(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof CborMap) {
    return Object.fromEntries([...value.entries()].map(([key, item]) => [keyText(key), plain(item)]));
  }
  if (value instanceof Tag) return plain(value.value);
  if (value instanceof Simple) return `simple(${value.value})`;
  return typeof value === "bigint" ? String(value) : value;
}

function keyText(key: Value): string {
  const text = plain(key);
  return typeof text === "string" ? text : String(text);
}

function formatMonth(month: number): string {
  return `${String(Math.floor(month / 100)).padStart(4, "0")}-${String(month % 100).padStart(2, "0")}`;
}
