/**
 * One check: the codes that were read since the last result was left, and what they come to.
 *
 * A check lives in memory for as long as its result is on the screen, and nowhere else.
 */

import { checkCompanion, type CompanionResult } from "../core/companion.ts";
import type { Code } from "../core/codes.ts";
import { CodedError } from "../core/errors.ts";
import type { Verdict } from "../core/evidence.ts";
import { parseSealKeys, recognise, type SealKeys } from "../core/qr_text.ts";
import type { TrustedList } from "../core/trusted_list.ts";
import { judgeTexts } from "../core/unsealing.ts";
import { DEFAULT_POLICY, type StationPolicy } from "../core/verdict.ts";

/** The most codes of one check; a family is more cards than most people carry at once. */
export const TEXTS_MAX = 16;

/** What the next code is hoped to be. */
export type Task = "card" | "together" | "slip" | "device";

export interface Check {
  readonly task: Task;
  readonly texts: readonly string[];
  readonly slip: SealKeys | undefined;
  /** What the bearer's device was asked to answer. */
  readonly nonce: Uint8Array | undefined;
  readonly verdicts: readonly Verdict[];
  readonly companion: CompanionResult | undefined;
  /** Why the slip of this check opens nothing any more; undefined where nothing is wrong with it. */
  readonly slipProblem: Code | undefined;
  /** Entries of the ledger that the list had by which this was judged; undefined where there were several lists. */
  readonly treeSize: number | undefined;
}

export const NO_CHECK: Check = {
  task: "card",
  texts: [],
  slip: undefined,
  nonce: undefined,
  verdicts: [],
  companion: undefined,
  slipProblem: undefined,
  treeSize: undefined,
};

/** By what a check is judged: the lists at hand, the device's clock in seconds, and the station's own rules. */
export interface Means {
  readonly trusted: readonly TrustedList[];
  readonly nowS: number;
  readonly staleAfterDays: number;
  readonly audience: string;
}

/** What a code came to: a check with a result to show, or the reason why the check stays as it was. */
export type Checked = { readonly check: Check } | { readonly refused: "same" | "too_many" | "no_slip" | "wrong_slip" | "no_answer" };

/** Take one more code into a check. */
export function checkText(check: Check, text: string, means: Means): Checked {
  if (check.texts.includes(text)) return { refused: "same" };
  const isSlip = recognise(text) === "seal_keys";
  if (check.texts.length > 0 && isSlip) return openWithSlip(check, text, means);
  if (check.task === "slip") return { refused: "no_slip" };
  if (check.texts.length >= TEXTS_MAX) return { refused: "too_many" };
  if (check.task === "device" && isPlainCard(text, means)) return { refused: "no_answer" };
  const next = { ...check, texts: [...check.texts, text] };
  try {
    return { check: { ...judged(next, means), slipProblem: undefined } };
  } catch (error) {
    // The slip came before the side of the card that it was to open, and does not fit it.
    if (!(error instanceof CodedError)) throw error;
    return { check: { ...judged({ ...next, slip: undefined }, means), slipProblem: error.code } };
  }
}

/** Whether a text is a card without any proof of its holder: whoever has a picture of it can show that. */
function isPlainCard(text: string, { trusted, nowS }: Means): boolean {
  const [verdict] = judgeTexts([text], trusted, nowS);
  const { holderBinding, codes } = verdict?.evidence ?? {};
  // No station without a name accepts a key binding, so a token has the code here.
  return holderBinding === "none" && !codes?.includes("bad_key_binding");
}

/** A slip opens nothing, or the card that it is of. */
function openWithSlip(check: Check, text: string, means: Means): Checked {
  try {
    return { check: { ...judged({ ...check, slip: parseSealKeys(text) }, means), slipProblem: undefined } };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { refused: "wrong_slip" };
  }
}

function judged(check: Check, { trusted, nowS, staleAfterDays, audience }: Means): Check {
  const policy: StationPolicy = { ...DEFAULT_POLICY, staleAfterDays, audience, nonce: check.nonce };
  const verdicts = judgeTexts(check.texts, trusted, nowS, check.slip, policy);
  const cards = verdicts.flatMap(({ evidence }) => (evidence ? [evidence] : []));
  const treeSize = trusted.length === 1 ? trusted[0]?.treeSize : undefined;
  return { ...check, task: "card", verdicts, companion: checkCompanion(cards), treeSize };
}
