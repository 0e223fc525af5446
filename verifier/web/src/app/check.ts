/**
 * One check: the codes that were read since the last result was left, and what they come to.
 *
 * A check lives in memory for as long as its result is on the screen, and nowhere else.
 */

import { checkCompanion, type CompanionResult } from "../core/companion.ts";
import { CodedError } from "../core/errors.ts";
import type { Verdict } from "../core/evidence.ts";
import { parseSealKeys, recognise, type SealKeys } from "../core/qr_text.ts";
import type { TrustedList } from "../core/trusted_list.ts";
import { judgeTexts } from "../core/unsealing.ts";
import type { StationPolicy } from "../core/verdict.ts";

/** The most codes of one check; a family is more cards than most people carry at once. */
const TEXTS_MAX = 16;

export interface Check {
  readonly texts: readonly string[];
  readonly slip: SealKeys | undefined;
  readonly verdicts: readonly Verdict[];
  readonly companion: CompanionResult | undefined;
  /** Code of what is wrong with the slip; undefined where nothing is. */
  readonly slipProblem: string | undefined;
}

export const NO_CHECK: Check = {
  texts: [],
  slip: undefined,
  verdicts: [],
  companion: undefined,
  slipProblem: undefined,
};

/** Return the check with one more text; the text of a slip opens what the cards of the check have sealed. */
export function checkText(
  check: Check,
  text: string,
  trusted: readonly TrustedList[],
  nowS: number,
  policy: StationPolicy,
): Check {
  if (check.texts.length > 0 && recognise(text) === "seal_keys") return openWithSlip(check, text, trusted, nowS, policy);
  if (check.texts.includes(text) || check.texts.length >= TEXTS_MAX) return check;
  return judged([...check.texts, text], check.slip, trusted, nowS, policy);
}

function openWithSlip(
  check: Check,
  text: string,
  trusted: readonly TrustedList[],
  nowS: number,
  policy: StationPolicy,
): Check {
  try {
    return judged(check.texts, parseSealKeys(text), trusted, nowS, policy);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { ...check, slipProblem: error.code };
  }
}

function judged(
  texts: readonly string[],
  slip: SealKeys | undefined,
  trusted: readonly TrustedList[],
  nowS: number,
  policy: StationPolicy,
): Check {
  const verdicts = judgeTexts(texts, trusted, nowS, slip, policy);
  const cards = verdicts.flatMap(({ evidence }) => (evidence ? [evidence] : []));
  return { texts, slip, verdicts, companion: checkCompanion(cards), slipProblem: undefined };
}
